"""Writes a drawn figure for a plain terminal: roles become the colours of the figure's marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuilab.tui.present.figures.plot import Look, figure_pieces
from tuilab.tui.present.styled_text import plain

if TYPE_CHECKING:
    from tuilab.science.figures.model import Figure

_HEAT = ((0, 34, 78), (53, 69, 108), (102, 105, 112), (148, 142, 119), (200, 186, 101))
"""Five steps of cividis (Nunez et al. 2018), readable with any colour vision."""


def figure_lines(
    figure: Figure, width: int, height: int, look: Look | None = None, has_colour: bool = True
) -> list[str]:
    """Return ``height`` lines or fewer of at most ``width`` columns, with ANSI colours or plain."""
    lines = figure_pieces(figure, width, height, look)
    if not has_colour:
        return [plain(line).rstrip() for line in lines]
    return ["".join(_coloured(text, role) for text, role in line) for line in lines]


def _coloured(text: str, role: str) -> str:
    from tuilab.science.figures.model import COLOURS

    name, _, number = role.partition(" ")[0].partition("-")
    if name == "series" and not role.endswith("dim"):
        code = COLOURS[int(number)].lstrip("#")
        return (
            f"\x1b[38;2;{int(code[:2], 16)};{int(code[2:4], 16)};{int(code[4:], 16)}m{text}\x1b[0m"
        )
    if name == "heat":
        ground = ";".join(map(str, _HEAT[int(number)]))
        ink = "38;2;255;255;255" if int(number) < 3 else "38;2;0;0;0"
        return f"\x1b[48;2;{ground};{ink}m{text}\x1b[0m"
    return f"\x1b[2m{text}\x1b[0m" if name in ("muted", "rule", "series") else text
