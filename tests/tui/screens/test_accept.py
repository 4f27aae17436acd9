"""The accept dialog: a stale result is kept as current, with the reason on record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.tui.conftest import app_of, look, press, requests_of, text_of
from tuilab.engine import answer_once

SIZE = (80, 24)
STALE = ("j", "j", "l", "l")
"""The way to the stale cell."""


async def test_a_stale_result_is_kept_once_a_reason_is_given(
    copy_of: Callable[[str], Path],
) -> None:
    root = copy_of("half_way")
    async with app_of(root).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, *STALE, "A")
        shown = text_of(pilot.app)
        assert "Accept the stale results of Comedian, epoch 4" in shown
        assert "say why" in shown
        await press(pilot, "right", "enter")
        assert requests_of(root) == []
        await press(pilot, *"same numbers")
        command = "tuilab accept runs/half_way comedian@4 --why 'same numbers'"
        assert command in text_of(pilot.app)
        await press(pilot, "enter", "enter")
    [request] = requests_of(root)
    assert (request["verb"], request["cells"]) == ("accept", ["comedian@4#42"])
    assert request["options"]["why"] == "same numbers"


async def test_without_an_engine_the_word_is_written_down_at_once(
    copy_of: Callable[[str], Path],
) -> None:
    root = copy_of("half_way")
    (root / "engine.json").unlink()
    async with app_of(root, answer_once=answer_once).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, *STALE)
        assert "~ stale" in text_of(pilot.app)
        await press(pilot, "A", *"why not", "enter", "enter")
        await look(pilot)
        assert "~1" not in text_of(pilot.app).splitlines()[0]
    assert requests_of(root) == []


async def test_what_is_not_stale_cannot_be_accepted(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "A")
        assert "villain@0#42 is not stale: there is nothing to accept" in text_of(pilot.app)
