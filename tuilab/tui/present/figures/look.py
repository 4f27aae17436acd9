"""Says how a figure is to be drawn and where its cursor stands; none of it changes the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuilab.contract.foreign import clean_line
from tuilab.grid.edits import EDITED, EDITED_ASCII
from tuilab.tui.present.styled_text import Line, Piece

if TYPE_CHECKING:
    from tuilab.science.figures.model import Series

Sign = tuple[str, str]
"""One terminal column: a character and its role."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a figure: a point of a series, or a square of a heatmap."""

    panel: int = 0
    row: int = 0
    """Number of the series, or of the heatmap's row."""
    column: int = 0
    """Number of the point in its series, or of the heatmap's column."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a figure is to be drawn."""

    focus: str | None = None
    """Source key that stands out; the others are dimmed."""
    cursor: Spot | None = None
    """What is under the cursor."""
    is_ascii: bool = False
    tones: str = ""
    """Half-tones of a heatmap's squares, where there are too few colours; fuller for more."""
    with_intervals: bool = False


def role_of(series: Series) -> str:
    """Name the series' colour: a palette has one for each of the colours that marks come in."""
    from tuilab.science.figures.model import COLOURS

    colour = series.mark.colour
    return f"series-{COLOURS.index(colour) if colour in COLOURS else len(COLOURS) - 1}"


def glyph_of(series: Series, status: str, look: Look) -> str:
    """Return the sign of one point: those kept out of numbers are told from the measured."""
    own = series.mark.ascii if look.is_ascii else series.mark.glyph
    return mark_of(status, look) or own


def mark_of(status: str, look: Look) -> str:
    """Return the sign of a value that is kept out of numbers; "" for others."""
    edited = EDITED_ASCII if look.is_ascii else EDITED
    return {"stale": "~", "suspect": "?", "edited": edited}.get(status, "")


def signs_of(text: str) -> tuple[str, ...]:
    """Split cleaned text into terminal columns; a wide sign is followed by an empty one."""
    from rich.cells import cell_len

    signs: list[str] = []
    for sign in clean_line(text, 200):
        columns = cell_len(sign)
        if columns == 0 and signs:
            signs[-1] += sign
        elif columns:
            signs += [sign, *[""] * (columns - 1)]
    return tuple(signs)


def joined(signs: Sequence[Sign]) -> Line:
    """Join neighbours of one role; blanks at the end are dropped."""
    pieces: list[Piece] = []
    for text, role in signs:
        if pieces and (pieces[-1][1] == role or text == " "):
            pieces[-1] = (pieces[-1][0] + text, pieces[-1][1])
        else:
            pieces.append((text, role))
    if pieces and " on " not in pieces[-1][1]:
        pieces[-1] = (pieces[-1][0].rstrip(), pieces[-1][1])
    return tuple(piece for piece in pieces if piece[0])
