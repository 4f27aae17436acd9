"""Lays the headline table out for a terminal: fixed first column, a window of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuilab.tui.present.glyphs import Glyphs
from tuilab.tui.present.styled_text import Line, Piece, fit, fit_line, width, wrap

Cells = Sequence[Sequence[str]]
_GAP = 2
_SOURCE_COLUMNS = 18
"""Most columns of the fixed first column."""


@dataclass(frozen=True, slots=True)
class TableView:
    """Which part of a table is seen."""

    widths: tuple[int, ...]
    """Of every column."""
    shown: range
    """Columns besides the first that stand side by side."""
    here: int
    """Column under the cursor."""


def measure(titles: Sequence[str], rows: Cells, columns: int, here: int, first: int) -> TableView:
    """Fit columns into a terminal so that the one under the cursor is seen whole.

    ``first`` is the first column shown before, so that the table moves only when it has to.
    """
    widths = [
        max(len(text) for text in (titles[column], *(row[column] for row in rows)))
        for column in range(len(titles))
    ]
    widths[0] = min(widths[0], _SOURCE_COLUMNS)
    room = columns - widths[0]
    first = max(1, min(first, here if here > 0 else first, len(titles) - 1))
    while here >= _end(widths, first, room) and first < here:
        first += 1
    while first > 1 and _end(widths, first - 1, room) >= len(titles):
        first -= 1
    return TableView(tuple(widths), range(first, _end(widths, first, room)), here)


def _end(widths: Sequence[int], first: int, room: int) -> int:
    """One behind the last column that fits whole; at least one is shown."""
    end = first
    while end < len(widths) and (end == first or widths[end] + _GAP <= room):
        room -= widths[end] + _GAP
        end += 1
    return end


def title_line(
    titles: Sequence[str], view: TableView, order: tuple[str, bool | None], glyphs: Glyphs
) -> Line:
    """Write the titles; the column that sorts carries its direction."""
    sign = {True: "v" if glyphs.is_ascii else "▼", False: "^" if glyphs.is_ascii else "▲"}
    pieces: list[Piece] = []
    for column in (0, *view.shown):
        title, room = titles[column], view.widths[column]
        is_order = titles[column] == order[0] and order[1] is not None
        text = fit(title, room, glyphs.ellipsis) if column == 0 else f"{title:>{room + _GAP}}"
        if is_order and order[1] is not None:
            arrow = sign[order[1]]
            text = (
                f"{title[: room - 2]} {arrow}".ljust(room)
                if column == 0
                else f"{arrow}{title}".rjust(room + _GAP)
            )
        pieces.append((text, "title" if column == view.here else "label"))
    return tuple(pieces)


def row_line(cells: Sequence[str], view: TableView, is_here: bool, glyphs: Glyphs) -> Line:
    """Write one row; the cell under the cursor stands out."""
    pieces: list[Piece] = []
    for column in (0, *view.shown):
        text, room = cells[column], view.widths[column]
        role = "strong" if column == 0 else "missing" if text == "n/a" else "text"
        shown = fit(text, room, glyphs.ellipsis) if column == 0 else f"{text:>{room}}"
        if column:
            pieces.append((" " * _GAP, ""))
        is_cursor = is_here and column == view.here
        pieces.append((shown, f"{role} cursor" if is_cursor else role))
    return tuple(pieces)


def detail_lines(
    titles: Sequence[str], cells: Sequence[str], columns: int, here: int, glyphs: Glyphs
) -> list[Line]:
    """List the whole row as titled values, in as many columns as fit, top to bottom."""
    pairs = list(zip(titles, cells, strict=True))[1:]
    if not pairs:
        return []
    blocks = _blocks(pairs, columns)
    lines: list[Line] = []
    for row in range(max(map(len, blocks), default=0)):
        pieces: list[Piece] = []
        for number, block in enumerate(blocks):
            is_last = number == len(blocks) - 1
            each = columns - width(pieces) if is_last else _block_columns(block)
            if row < len(block):
                is_here = block[row][0] == titles[here]
                pieces += _pair(block, row, is_here, each, glyphs)
        lines.append(fit_line(pieces, columns, glyphs.ellipsis))
    return lines


Pairs = Sequence[tuple[str, str]]
_LEAST_VALUE = 18
"""Columns of a value that may be cut in the last block: the line above says it whole."""


def _blocks(pairs: Pairs, columns: int) -> list[Pairs]:
    """Cut the pairs into as many blocks side by side as fit, at most three."""
    for across in (3, 2):
        down = -(-len(pairs) // across)
        blocks = [pairs[start : start + down] for start in range(0, len(pairs), down)]
        left = sum(_block_columns(block) for block in blocks[:-1])
        titles = max(len(title) for title, _ in blocks[-1])
        if left + titles + 3 + _LEAST_VALUE <= columns:
            return blocks
    return [pairs]


def _block_columns(block: Pairs) -> int:
    return max(len(title) for title, _ in block) + max(len(text) for _, text in block) + 4


def _pair(block: Pairs, row: int, is_here: bool, each: int, glyphs: Glyphs) -> list[Piece]:
    title, text = block[row]
    left = max(len(name) for name, _ in block)
    role = "strong" if is_here else "missing" if text == "n/a" else "text"
    room = max(1, min(each - left - 3, max(len(value) for _, value in block) + 2))
    return [
        (f" {title:<{left}}  ", "key" if is_here else "muted"),
        (fit(text, room, glyphs.ellipsis), role),
    ]


def about_lines(title: str, text: str, words: str, columns: int, glyphs: Glyphs) -> list[Line]:
    """Write a cell and what it rests on, on one row, or on two where one is too short."""
    head: Line = ((f" {title} ", "key"), (text, "strong"))
    role = "missing" if text == "n/a" else "text"
    line: Line = (*head, (f"  {words}", role))
    if width(line) <= columns:
        return [line]
    below: Line = ((f"   {words}", role),)
    return [fit_line(one, columns, glyphs.ellipsis) for one in (head, below)]


def caption_lines(text: str, columns: int, rows: int, glyphs: Glyphs) -> list[Line]:
    """Fold the caption; its end, which names the data, is never what is cut."""
    lines = wrap(text, columns - 2)
    if len(lines) > rows > 0:
        begun = lines[: rows - 1]
        lines = [*begun, f"{glyphs.ellipsis} {lines[-1]}"]
    return [fit_line(((f" {line}", "muted"),), columns, glyphs.ellipsis) for line in lines]
