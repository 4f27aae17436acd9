"""Writes the difference of two experiments of the same grid, cell by cell."""

from __future__ import annotations

from tuilab.grid.cells import Cell
from tuilab.grid.states import State
from tuilab.store.snapshot import CellView, Snapshot
from tuilab.tui.present.cell_text import TITLES, value_of
from tuilab.tui.present.pieces import Line, Piece, fit


def shared_cells(one: Snapshot, other: Snapshot) -> list[Cell]:
    """Return the cells that both have, in the grid order of the first."""
    there = {view.cell for view in other.cells}
    return [view.cell for view in one.cells if view.cell in there]


def difference(mine: CellView, theirs: CellView, metric: str) -> float | None:
    """Return theirs minus mine; None unless both are measured and done."""
    if State.DONE not in (mine.state,) or theirs.state is not State.DONE:
        return None
    left, right = value_of(mine, metric), value_of(theirs, metric)
    return None if left is None or right is None else right - left


def difference_text(value: float | None, metric: str) -> tuple[str, str]:
    """Write a difference: points for rates, hundredths for cosines; n/a when there is none."""
    if value is None:
        return "n/a", "missing"
    role = "text" if abs(value) < 5e-3 else "done" if value > 0 else "failed"
    if metric == "cosine":
        return f"{value:+.2f}".replace("0.", ".", 1), role
    if metric == "minutes":
        return f"{value:+.1f}", role
    return f"{value * 100:+.0f}", role


def compare_lines(one: Snapshot, other: Snapshot, metric: str, columns: int) -> list[Line]:
    """Write a table of differences; rows are sources (and seeds), columns epochs."""
    cells = shared_cells(one, other)
    if not cells:
        return [((" the two have no cell in common", "warn"),)]
    mine = {view.cell: view for view in one.cells}
    theirs = {view.cell: view for view in other.cells}
    epochs = sorted({cell.epoch for cell in cells})
    rows = list(dict.fromkeys((cell.source, cell.seed) for cell in cells))
    many = len({seed for _, seed in rows}) > 1
    label = max(12, min(24, columns // 4))
    shown = epochs[: max(1, (columns - label) // 5)]
    head: list[Piece] = [(fit(f" {TITLES[metric]} ep", label), "muted")]
    lines: list[Line] = [(*head, *((f"{epoch:>5}", "muted") for epoch in shown))]
    for source, seed in rows:
        name = one.labels.get(source, source) + (f" #{seed}" if many else "")
        pieces: list[Piece] = [(fit(f" {name}", label), "label")]
        for epoch in shown:
            cell = Cell(source, epoch, seed)
            text, role = "", ""
            if cell in mine and cell in theirs:
                text, role = difference_text(difference(mine[cell], theirs[cell], metric), metric)
            pieces.append((f"{text:>5}", role))
        lines.append(tuple(pieces))
    return lines


def summary(one: Snapshot, other: Snapshot, metric: str) -> Line:
    """Say how many cells can be compared and how far apart they are."""
    mine = {view.cell: view for view in one.cells}
    found = [
        value
        for view in other.cells
        if view.cell in mine and (value := difference(mine[view.cell], view, metric)) is not None
    ]
    if not found:
        return ((" no cell is measured in both", "muted"),)
    scale = 100 if metric not in ("cosine", "minutes") else 1
    unit = " points" if scale == 100 else ""
    mean = sum(abs(value) for value in found) / len(found) * scale
    most = max(found, key=abs) * scale
    text = f" {len(found)} cells measured in both; mean difference {mean:.2g}{unit}"
    return ((f"{text}, largest {most:+.2g}{unit}", "text"),)
