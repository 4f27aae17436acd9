"""The list of experiments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tui.conftest import app_of, look, press, text_of, until
from tuilab.grid.states import State
from tuilab.tui.present.experiments_text import Listed, experiment_line
from tuilab.tui.present.glyphs import UNICODE
from tuilab.tui.present.styled_text import width
from tuilab.tui.screens.grid import GridScreen

SIZE = (80, 24)


async def test_the_list_of_experiments_opens_one(
    copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    copy_of("small")
    copy_of("one_by_one")
    (tmp_path / "runs" / "small" / "journal.jsonl").touch()
    async with app_of(None, under=tmp_path).run_test(size=SIZE) as pilot:
        await look(pilot)
        shown = text_of(pilot.app)
        assert "3/6" in shown
        assert "0/1" in shown
        await press(pilot, "p")
        assert "open an experiment first" in text_of(pilot.app)
        await press(pilot, "G", "enter")
        assert isinstance(pilot.app.screen, GridScreen)
        assert pilot.app.root in (tmp_path / "runs" / "small", tmp_path / "runs" / "one_by_one")


async def test_the_list_tells_of_a_shared_job_that_failed(
    copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    copy_of("no_data")
    async with app_of(None, under=tmp_path).run_test(size=SIZE) as pilot:
        await look(pilot)
        await until(pilot, lambda: "✗1 shared" in text_of(pilot.app))  # type: ignore[arg-type]


async def test_a_broken_experiment_is_listed_with_the_reason(
    copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    (copy_of("one_by_one") / "plan.json").write_text("{")
    async with app_of(None, under=tmp_path).run_test(size=SIZE) as pilot:
        await look(pilot)
        assert "is damaged" in text_of(pilot.app)


async def test_the_list_is_filtered_and_sorted(copy_of: Callable[[str], Path]) -> None:
    under = copy_of("small").parents[1]
    copy_of("half_way")
    async with app_of(None, under=under).run_test(size=(100, 24)) as pilot:
        await look(pilot)
        await press(pilot, "slash", *"half", "enter")
        assert "half_way" in text_of(pilot.app) and "small" not in text_of(pilot.app)
        await press(pilot, "escape", "s")
        assert "by name" in text_of(pilot.app)
        assert text_of(pilot.app).index("half_way") < text_of(pilot.app).index("small")


async def test_short_names_leave_the_states_their_room(copy_of: Callable[[str], Path]) -> None:
    root = copy_of("half_way")
    root = root.rename(root.with_name("eps109"))
    async with app_of(None, under=root.parents[1]).run_test(size=SIZE) as pilot:
        await look(pilot)
        assert "2h14m left ▶1 ○4 ✗1 ?1 !1 ■1 ~1" in text_of(pilot.app)


async def test_delete_shows_what_and_how_much_and_cancel_is_the_first_answer(
    copy_of: Callable[[str], Path],
) -> None:
    root = copy_of("half_way")
    (root / "engine.json").unlink(missing_ok=True)
    async with app_of(None, under=root.parents[1]).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "D")
        shown = text_of(pilot.app)
        assert "stale" in shown.partition("cells:")[2].partition("It cannot")[0]
        assert "Delete half_way for good" in shown and "files" in shown
        assert "tuilab delete" in shown
        await press(pilot, "enter")
        assert root.is_dir()
        await press(pilot, "D")
        await press(pilot, "right", "enter")
        await look(pilot)
        assert not root.exists()
        assert "published" in text_of(pilot.app)


async def test_rename_and_archive(copy_of: Callable[[str], Path]) -> None:
    root = copy_of("empty")
    (root / "engine.json").unlink(missing_ok=True)
    async with app_of(None, under=root.parents[1]).run_test(size=(100, 24)) as pilot:
        await look(pilot)
        await press(pilot, "M", "slash")
        assert "leave out slashes" in text_of(pilot.app)
        await press(pilot, "backspace", *"cancel")
        assert "rename runs/empty cancel" in text_of(pilot.app)
        await press(pilot, "enter", "enter")
        await look(pilot)
        assert (root.parent / "cancel").is_dir()
        await press(pilot, "Z")
        await press(pilot, "right", "enter")
        await look(pilot)
        assert (root.parent / "archive" / "cancel").is_dir()


@pytest.mark.parametrize("is_synthetic", [False, True])
def test_a_narrow_list_names_all_ten_states_or_says_how_many_it_leaves_out(
    is_synthetic: bool, tmp_path: Path
) -> None:
    counts = dict.fromkeys((state.value for state in State), 2)
    entry = Listed(tmp_path, tmp_path.name, 0.0, counts, "running", 8040, is_synthetic=is_synthetic)
    line = experiment_line(entry, 1693.0, 78, 12, False, UNICODE)
    written = "".join(text for text, _ in line)
    assert width(line) <= 78 and "28m13s ago 2h14m left " in written
    told = " synthetic ▶2 ✗2 ?2 !2 +5" if is_synthetic else " ▶2 ○2 ◌2 ✗2 ?2 !2 ■2 ~2 ·2"
    assert written.endswith(told)
