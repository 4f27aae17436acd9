"""The help screen lists the live keys."""

from __future__ import annotations

from pathlib import Path

from tests.tui.conftest import app_of, look, press, text_of
from tuilab.tui.present.glyphs import UNICODE
from tuilab.tui.present.sign_legend import legend_lines, signs_of
from tuilab.tui.present.styled_text import plain

SIZE = (80, 24)
WIDE = (140, 45)


async def test_help_lists_the_live_keys_of_the_screen(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=WIDE) as pilot:
        await look(pilot)
        await press(pilot, "question_mark")
        shown = text_of(pilot.app)
        for word in ("relaunch all failed cells, or all stale ones", "shift+arrows"):
            assert word in shown
        assert "$ tuilab relaunch DIR --failed" in shown
        await press(pilot, "escape", "u", "question_mark")
        assert "move the job up the queue" in text_of(pilot.app)


async def test_help_begins_below_its_heading_and_goes_to_its_ends(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "question_mark")
        assert ">  ↵ " in text_of(pilot.app)
        await press(pilot, "G")
        assert "below 0" in text_of(pilot.app)
        await press(pilot, "g")
        assert "open the cell" in text_of(pilot.app)


def test_no_meaning_of_a_sign_is_cut_on_a_small_terminal() -> None:
    for screen in ("grid", "cell", "plots"):
        lines = map(plain, legend_lines(signs_of(screen, UNICODE), SIZE[0] - 2))
        assert not [line for line in lines if "…" in line]


async def test_help_explains_signs_and_finds_by_words(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "question_mark", "G")
        assert "below 0" in text_of(pilot.app)
        await press(pilot, "slash", *"stale input", "enter")
        shown = text_of(pilot.app)
        assert "stale: done, but an input has changed since" in shown
        assert "relaunch" not in shown
        await press(pilot, "escape", "slash", *"no such key")
        assert "no key and no sign has all these words" in text_of(pilot.app)
        await press(pilot, "escape", "escape")
        assert "Keys of" not in text_of(pilot.app)
