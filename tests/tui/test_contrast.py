"""What is painted can be read: each letter of every screen against its ground, in every theme."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.segment import Segment
from textual.color import Color
from textual.command import CommandPalette
from textual.geometry import Region
from textual.pilot import Pilot

from tests.tui.conftest import app_of, look, numbers_shown, press, until
from tuilab.store.shipped import published_dir
from tuilab.tui.more_themes import NAMES, READABLE, contrast
from tuilab.tui.screens.frame import Dialog

THEMES = ("dark", "light", *NAMES)
WALK = (
    *("", "V j l", "m m m", "question_mark", "G", "escape escape slash v i l", "escape escape"),
    *("j dollar_sign left left r", "escape R", "escape g j j 0 l l A", "escape plus s", "escape n"),
    *("escape P", "escape g 0 right right right right right right right right right x"),
    *("escape 0 x", "4 j", "6", "slash o o m enter", "escape 3", "2", "1 g 0 l l l l l enter"),
    *("tab", "h h tab", "tab", "d", "tab", "l l tab", "slash s u n enter", "escape escape 5"),
    *("space", "D", "escape M x", "escape 1 colon"),
)
"""Keys from screen to screen; the states that have colours of their own are among them."""


def letters(pilot: Pilot[Any]) -> Iterator[tuple[Segment, str]]:
    """Yield what the screen on top shows in words; what it dims below it is not to be read."""
    screen = pilot.app.screen
    seen: list[Region] = [screen.region]
    if isinstance(screen, Dialog):
        seen = [one.region for one in screen.query(".window, KeyBar")]
    elif isinstance(screen, CommandPalette):
        seen = [one.region for one in screen.query("Input, CommandList")]
    for y, strip in enumerate(screen._compositor.render_strips(pilot.app.size)):
        x = 0
        for segment in strip:
            if any(map(str.isalnum, segment.text)) and any(one.contains(x, y) for one in seen):
                yield segment, segment.text.strip()
            x += segment.cell_length


def unreadable(pilot: Pilot[Any]) -> set[tuple[str, str]]:
    found = set()
    for segment, text in letters(pilot):
        style = segment.style
        assert style is not None and style.color is not None and style.bgcolor is not None, text
        ink, ground = map(Color.from_rich_color, (style.color, style.bgcolor))
        if contrast(ink, ground) < READABLE - 0.05:
            found.add((f"{ink.hex} on {ground.hex}", text))
    return found


@pytest.mark.parametrize(
    "theme",
    [pytest.param(theme, marks=() if theme == "dark" else pytest.mark.trial) for theme in THEMES],
)
async def test_every_letter_of_every_screen_can_be_read(
    copy_of: Callable[[str], Path], theme: str
) -> None:
    root = copy_of("everything")
    app = app_of(root, theme=theme, under=root.parents[1])
    async with app.run_test(size=(140, 45)) as pilot:
        await look(pilot)
        for keys in WALK:
            await press(pilot, *keys.split())
            if keys in ("2", "escape 3"):
                await numbers_shown(pilot)
            if isinstance(app.screen, CommandPalette):
                await until(pilot, lambda: any("accept" in text for _, text in letters(pilot)))
            assert not unreadable(pilot), (keys, type(app.screen).__name__)
    async with app_of(published_dir(), theme=theme).run_test(size=(140, 45)) as pilot:
        await look(pilot)
        for keys in ("2", *["tab"] * 6, "k f"):
            await press(pilot, *keys.split())
            await numbers_shown(pilot)
            assert not unreadable(pilot), keys


async def test_in_16_colours_a_ground_of_its_own_has_an_ink_of_its_own(
    experiment: Path,
) -> None:
    async with app_of(experiment, theme="ansi16").run_test(size=(80, 24)) as pilot:
        await look(pilot)
        await press(pilot, "colon")
        await until(pilot, lambda: any("accept" in text for _, text in letters(pilot)))
        for segment, text in letters(pilot):
            style = segment.style
            assert style is not None and style.color is not None and style.bgcolor is not None
            # A terminal's own ink may be white.
            assert style.bgcolor.is_default or not style.color.is_default, text
