"""The note dialog: what is written is shown, what is saved is the difference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.tui.conftest import app_of, look, press, requests_of, text_of
from tuilab.engine import answer_once

SIZE = (80, 24)


async def test_a_note_and_tags_of_the_marked_cells_are_asked_for(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "space", "right", "space", "n", *"odd", "tab", *"check")
        assert "tuilab note runs/small" in text_of(pilot.app)
        assert "--text odd --tag check" in text_of(pilot.app)
        await press(pilot, "enter", "enter")
    [request] = requests_of(experiment)
    assert request["verb"] == "note" and len(request["cells"]) == 2
    assert request["options"]["text"] == "odd" and request["options"]["tags"] == ["check"]


async def test_it_stands_in_the_summary_can_be_filtered_and_taken_back(
    copy_of: Callable[[str], Path],
) -> None:
    root = copy_of("half_way")
    (root / "engine.json").unlink()
    async with app_of(root, answer_once=answer_once).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "n", *"odd", "tab", *"check", "enter", "enter")
        await look(pilot)
        assert "#check odd" in text_of(pilot.app)
        await press(pilot, "slash", *"#check", "enter")
        assert len(pilot.app.screen.grid.table.rows) == 1  # type: ignore[attr-defined]
        await press(pilot, "n")
        assert "odd" in text_of(pilot.app)
        await press(pilot, "backspace", "backspace", "backspace")
        assert "--text ''" in text_of(pilot.app)
    assert requests_of(root) == []


async def test_a_tag_in_the_text_is_told_where_tags_go(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "n", *"see #odd", "enter")
        assert "#odd stays a word of the note: tags go into the field below it" in text_of(
            pilot.app
        )
        await press(pilot, "enter")
    [request] = requests_of(experiment)
    assert request["options"] == {**request["options"], "text": "see #odd", "tags": []}


async def test_the_bar_offers_what_works_while_one_types(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "n", *"je?", "f1")
        assert "Keys of the note dialog" in text_of(pilot.app)
        await press(pilot, "escape")
        bar = text_of(pilot.app).splitlines()[-1]
        assert bar.strip() == "esc cancel  ↵ go on  tab next  pgdn scroll  f1 help"
        assert "je?" in text_of(pilot.app)
