"""The film of the README has the colours of the screen, and dots where the screen has dots."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyte
from PIL import Image

from tests.tui.film import SIZE, Film


def test_a_film_has_the_very_colours_and_the_dots_of_a_plot(tmp_path: Path) -> None:
    screen = pyte.Screen(*SIZE)
    ramp = [f"\x1b[48;2;{level};40;90mx" for level in range(0, 240, 12)]
    pyte.Stream(screen).feed("\x1b[38;2;200;100;50m\u2801 \u28ff\x1b[0m" + "".join(ramp))
    terminal: Any = SimpleNamespace(screen=screen)
    film = Film(terminal)
    film.take(100)
    film.write(tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as shown:
        picture = shown.convert("RGB")
    colours = [picture.getpixel((x, y)) for y in range(17) for x in range(24 * 8)]
    dots = [place for place, colour in enumerate(colours) if colour == (200, 100, 50)]
    assert len(dots) == 4 * 9, "one dot of the first sign, eight of the other, two by two each"
    assert {(level, 40, 90) for level in range(0, 240, 12)} <= set(colours)
