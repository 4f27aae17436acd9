"""Writes the difference of two experiments of the same grid, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence

from tuilab.contract.foreign import clean_line
from tuilab.grid.edits import EDITED
from tuilab.grid.metrics import METRICS
from tuilab.grid.signs import ACCEPTED
from tuilab.grid.text import MISSING, count_of
from tuilab.study.comparability import Comparability, as_sentence
from tuilab.study.comparison import SIGN, Compared, Comparison
from tuilab.study.comparison_text import edited_text, gap_text, nothing_in_common
from tuilab.tui.present.styled_text import Line, Piece, fit, wrap


def difference_text(value: float | None, metric: str, beyond: bool = False) -> tuple[str, str]:
    """Write a difference: points for rates, hundredths for cosines; n/a when there is none.

    It has a colour only when it is ``beyond`` chance.
    """
    if value is None:
        return MISSING, "missing"
    role = "text" if not beyond else "done" if value > 0 else "failed"
    return METRICS[metric].unit.difference(value), role


def epochs_shown(columns: int) -> int:
    """Return how many epochs the table has room for."""
    return max(1, (columns - _label_width(columns)) // 5)


def _label_width(columns: int) -> int:
    return max(12, min(24, columns // 4))


def compare_lines(found: Comparison, columns: int, first: int = 0) -> list[Line]:
    """Write a table of differences; rows are sources (and seeds), columns epochs.

    Cells that differ by more than chance are marked. ``first`` is the place of the first epoch
    shown.
    """
    if not found.cells:
        return _told(nothing_in_common(found), columns)
    label = _label_width(columns)
    seen = slice(first, first + epochs_shown(columns))
    head: list[Piece] = [(fit(f" {METRICS[found.metric].heading} ep", label), "muted")]
    lines: list[Line] = [(*head, *((f"{epoch:>4} ", "muted") for epoch in found.epochs[seen]))]
    for name, row in found.rows:
        pieces = [_piece(each, found.metric) for each in row[seen]]
        lines.append(((fit(f" {name}", label), "label"), *pieces))
    if found.edited:
        lines += _told(edited_text(found), columns)
    return lines


def _told(text: str, columns: int) -> list[Line]:
    return [((f" {line}", "warn"),) for line in wrap(text, columns - 1)]


def _piece(each: Compared | None, metric: str) -> Piece:
    if each is None:
        return f"{'':>4} ", ""
    text, role = difference_text(each.difference, metric, each.is_beyond_chance)
    if each.difference is not None:
        text = EDITED * any(map(bool, each.edits)) + ACCEPTED * each.is_accepted + text
    return f"{text:>4}{SIGN if each.is_beyond_chance else ' '}", role


def with_cursor(line: Line, epoch: int) -> Line:
    """Mark the cell at the ``epoch``-th column of a row."""
    place = epoch + 1
    return tuple(
        (text, f"{role or 'text'} cursor") if at == place else (text, role)
        for at, (text, role) in enumerate(line)
    )


def here_lines(found: Comparison, each: Compared | None, names: Sequence[str]) -> tuple[Line, Line]:
    """Say of the cell under the cursor what both measured, and how far apart that is.

    ``names`` are those that the screen gives the first and the second.
    """
    if each is None:
        return ((" no cell of both here", "muted"),), ()
    unit = METRICS[found.metric].unit
    both = (
        f"{name} {MISSING if value is None else unit.wide(value.value, value.n)}"
        for name, value in zip(names, (each.one, each.other), strict=True)
    )
    head = f" {clean_line(str(each.cell))}"
    values: Line = ((head, "label"), (f"  first {'  second '.join(both)}", "text"))
    if each.difference is None:
        return values, ((" not measured in both: no difference", "muted"),)
    counted = ""
    if each.gap is not None:
        counted = f" (95%, {'paired by question' if each.gap.is_paired else 'counting only'})"
    return values, ((f" difference {gap_text(each, found.metric)}{counted}", "text"),)


def summary(found: Comparison) -> Line:
    """Say how many cells can be compared and how far apart they are."""
    if not found.measured:
        return ((" no cell is measured in both", "muted"),)
    unit = METRICS[found.metric].unit
    points = " points" if unit.change else ""
    fewest = min((each.n for each in found.measured if each.n), default=None)
    mean = unit.difference(found.mean_size, is_wide=True, n=fewest).lstrip("+")
    most = unit.difference(found.largest.difference, is_wide=True, n=found.largest.n)
    text = f" {count_of(len(found.measured), 'cell')} measured in both; mean difference {mean}"
    return ((f"{text}{points}, largest {most}{points}", "text"),)


def beyond_text(count: int, cells: int) -> Line:
    """Say how many differences chance does not explain."""
    text = f" {SIGN} {count} differ by more than chance (Holm over {cells} cells)"
    return ((text, "text" if count else "muted"),)


def apart_lines(found: Comparability, columns: int, most: int) -> list[Line]:
    """Say what the two do not share, in at most so many lines; it is a warning where it is much."""
    role = "warn" if found.differing or found.unrecorded else "muted"
    rows = wrap(as_sentence(found), columns - 1)
    if len(rows) > most:
        rows = [*rows[: most - 1], " ".join(rows[most - 1 :])]
    return [((f" {row}", role),) for row in rows]
