"""Draws a heatmap as text: numbers first, colour second, n/a never as the colour of 0."""

from __future__ import annotations

from tuilab.science.figure_model import HeatCell, Matrix

_RAMP = ((0, 34, 78), (53, 69, 108), (102, 105, 112), (148, 142, 119), (200, 186, 101))
"""Five steps of cividis (Nunez et al. 2018), readable with any colour vision."""


def heat_lines(
    matrix: Matrix, width: int, height: int, cursor: str | None, has_colour: bool
) -> list[str]:
    """Return a header and one line per row; columns that do not fit are left out and counted."""
    if not matrix.rows or not matrix.columns:
        return ["nothing yet"]
    left = min(14, max(len(row) for row in matrix.rows) + 1)
    fits = max(1, (width - left) // 5)
    names = matrix.columns[:fits]
    lines = [" " * left + "".join(f" {name[:4]:>4}" for name in names)]
    for label, cells in zip(matrix.rows, matrix.cells, strict=True):
        drawn = "".join(_square(cell, cursor, has_colour) for cell in cells[:fits])
        lines.append(f"{label[: left - 1]:<{left}}{drawn}")
    lines = lines[: max(1, height - 1)] if len(matrix.columns) > fits else lines[: max(1, height)]
    if len(matrix.columns) > fits:
        lines.append(f"({len(matrix.columns) - fits} more columns: widen the terminal)")
    return lines


def _square(cell: HeatCell, cursor: str | None, has_colour: bool) -> str:
    mark = {"stale": "~", "suspect": "?"}.get(cell.status, "")
    text = "n/a" if cell.value is None else f"{mark}{cell.value:.0f}"
    is_here = cursor is not None and cell.cell == cursor
    shown = f"[{text:>3}]" if is_here else f" {text:>4}"
    if not has_colour or cell.value is None:
        return shown
    red, green, blue = _RAMP[min(len(_RAMP) - 1, int(cell.value / 20))]
    ink = "38;2;255;255;255" if cell.value < 60 else "38;2;0;0;0"
    return f"\x1b[48;2;{red};{green};{blue};{ink}m{shown}\x1b[0m"
