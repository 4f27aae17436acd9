"""Writes the difference of two experiments of the same grid, cell by cell."""

from __future__ import annotations

from collections.abc import Collection

from tuilab.grid.cells import Cell
from tuilab.grid.states import State
from tuilab.store.snapshot import CellView, Snapshot
from tuilab.study.comparison import SIGN, meetings
from tuilab.tui.present.cell_text import TITLES, value_of
from tuilab.tui.present.pieces import Line, Piece, fit


def difference(mine: CellView, theirs: CellView, metric: str) -> float | None:
    """Return theirs minus mine; None unless both are measured and done."""
    if not mine.state is theirs.state is State.DONE:
        return None
    left, right = value_of(mine, metric), value_of(theirs, metric)
    return None if left is None or right is None else right - left


def difference_text(value: float | None, metric: str, beyond: bool = False) -> tuple[str, str]:
    """Write a difference: points for rates, hundredths for cosines; n/a when there is none.

    It has a colour only when it is ``beyond`` chance.
    """
    if value is None:
        return "n/a", "missing"
    role = "text" if not beyond else "done" if value > 0 else "failed"
    if metric == "cosine":
        return f"{value:+.2f}".replace("0.", ".", 1), role
    if metric == "minutes":
        return f"{value:+.1f}", role
    return f"{value * 100:+.0f}", role


def compare_lines(
    one: Snapshot, other: Snapshot, metric: str, columns: int, beyond: Collection[Cell] = ()
) -> list[Line]:
    """Write a table of differences; rows are sources (and seeds), columns epochs.

    ``beyond`` names the cells that differ by more than chance: they are marked.
    """
    met = {mine.cell: (mine, theirs) for mine, theirs in meetings(one, other)}
    if not met:
        return [((" the two have no cell in common", "warn"),)]
    epochs = sorted({cell.epoch for cell in met})
    rows = list(dict.fromkeys((cell.source, cell.seed) for cell in met))
    many = len({seed for _, seed in rows}) > 1
    label = max(12, min(24, columns // 4))
    shown = epochs[: max(1, (columns - label) // 5)]
    head: list[Piece] = [(fit(f" {TITLES[metric]} ep", label), "muted")]
    lines: list[Line] = [(*head, *((f"{epoch:>4} ", "muted") for epoch in shown))]
    for source, seed in rows:
        name = one.labels.get(source, source) + (f" #{seed}" if many else "")
        pieces: list[Piece] = [(fit(f" {name}", label), "label")]
        for epoch in shown:
            cell = Cell(source, epoch, seed)
            text, role = "", ""
            if pair := met.get(cell):
                text, role = difference_text(difference(*pair, metric), metric, cell in beyond)
            pieces.append((f"{text:>4}{SIGN if cell in beyond else ' '}", role))
        lines.append(tuple(pieces))
    return lines


def summary(one: Snapshot, other: Snapshot, metric: str) -> Line:
    """Say how many cells can be compared and how far apart they are."""
    values = (difference(*pair, metric) for pair in meetings(one, other))
    found = [value for value in values if value is not None]
    if not found:
        return ((" no cell is measured in both", "muted"),)
    scale = 100 if metric not in ("cosine", "minutes") else 1
    unit = " points" if scale == 100 else ""
    mean = sum(abs(value) for value in found) / len(found) * scale
    most = max(found, key=abs) * scale
    text = f" {len(found)} cells measured in both; mean difference {mean:.2g}{unit}"
    return ((f"{text}, largest {most:+.2g}{unit}", "text"),)


def beyond_text(count: int, cells: int) -> Line:
    """Say how many differences chance does not explain."""
    text = f" {SIGN} {count} further apart than counting completions explains (Holm, {cells} cells)"
    return ((text, "text" if count else "muted"),)
