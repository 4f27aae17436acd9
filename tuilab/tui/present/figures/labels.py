"""Places labels so that they cover neither points nor one another, in rows and columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

Place = tuple[int, int]
"""(column, row), row 0 at the top."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A text that wants to stand near a place."""

    text: tuple[str, ...]
    """One entry per column; "" behind a wide sign."""
    column: int
    row: int


@dataclass(frozen=True, slots=True)
class Label:
    """A text with its place."""

    wish: int
    """Number of the wish; -1 for the line that counts what found no room."""
    text: tuple[str, ...]
    column: int
    """Of the first sign."""
    row: int


def line_ends(
    wishes: Sequence[Wish],
    column: int,
    room: int,
    lines: int,
    first: int | None = None,
    ellipsis: str = "…",
) -> list[Label]:
    """Stack labels from ``column`` on, each on a row of its own as near its line as order allows.

    Where there are more wishes than lines, the lowest are counted in the last line instead;
    ``first`` is the number of one that must be shown.
    """
    if lines <= 0 or room <= 0:
        return []
    order = sorted(range(len(wishes)), key=lambda number: (wishes[number].row, number))
    kept = order if len(order) <= lines else order[: lines - 1]
    if first in order and first not in kept and kept:
        kept = [*kept[:-1], first]
    limit = lines if len(kept) == len(order) else lines - 1
    rows = own_rows([wishes[number].row for number in kept], limit)
    labels = [
        Label(number, _cut(wishes[number].text, room, ellipsis), column, row)
        for number, row in zip(kept, rows, strict=True)
    ]
    if len(kept) < len(order):
        more = tuple(f"+{len(order) - len(kept)} more"[:room])
        labels.append(Label(-1, more, column, lines - 1))
    return labels


def own_rows(wished: Sequence[int], lines: int) -> list[int]:
    """Give every wish a row of its own, in order, moved as little as possible.

    ``wished`` may hold at most ``lines`` rows; equal wishes keep their order.
    """
    order = sorted(range(len(wished)), key=lambda number: wished[number])
    rows: list[int] = []
    for number in order:
        rows.append(max(wished[number], rows[-1] + 1 if rows else 0))
    ceiling = lines - 1
    for place in reversed(range(len(rows))):
        rows[place] = min(rows[place], ceiling)
        ceiling = rows[place] - 1
    given = [0] * len(wished)
    for number, row in zip(order, rows, strict=True):
        given[number] = row
    return given


def beside_points(wishes: Sequence[Wish], columns: int, lines: int) -> list[Label]:
    """One label per wish beside its point, wherever it is free; none where nothing is."""
    used = {(wish.column, wish.row) for wish in wishes}
    labels = []
    for number, wish in enumerate(wishes):
        found = _free_place(wish, columns, lines, used)
        if found is None:
            continue
        used |= {(found[0] + step, found[1]) for step in range(len(wish.text))}
        labels.append(Label(number, wish.text, *found))
    return labels


def _free_place(wish: Wish, columns: int, lines: int, used: Collection[Place]) -> Place | None:
    length = len(wish.text)
    right, left = wish.column + 2, wish.column - length - 1
    middle = wish.column - length // 2
    for row_step in (0, -1, 1, -2, 2):
        for start in (right, left) if row_step == 0 else (middle, right, left):
            row = wish.row + row_step
            inside = start >= 0 and start + length <= columns and 0 <= row < lines
            if inside and not any((start + step, row) in used for step in range(-1, length + 1)):
                return start, row
    return None


def _cut(text: tuple[str, ...], room: int, ellipsis: str) -> tuple[str, ...]:
    """Keep ``room`` columns, the last of them an ellipsis; half of a wide sign becomes a blank."""
    if len(text) <= room:
        return text
    kept = text[: room - 1]
    return (*kept[:-1], " ", ellipsis) if kept and text[room - 1] == "" else (*kept, ellipsis)
