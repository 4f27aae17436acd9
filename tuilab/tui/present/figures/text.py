"""Says in words what stands under the cursor of a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuilab.contract.foreign import clean_line
from tuilab.grid.edits import edits_text
from tuilab.grid.text import number, rate_digits, signed
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.figures.cursor import (
    cell_of,
    is_scatter,
    key_at,
    point_at,
    series_at,
    square_at,
)
from tuilab.tui.present.figures.look import Look, Spot, glyph_of, role_of
from tuilab.tui.present.glyphs import Glyphs
from tuilab.tui.present.grid_table import find
from tuilab.tui.present.styled_text import Line, Piece, fit_line, rule, tabs, wrap

if TYPE_CHECKING:
    from tuilab.science.figures.model import Figure, PlotPoint


def kind_line(here: str, title: str, columns: int, glyphs: Glyphs, kinds: Sequence[str]) -> Line:
    """Write the kinds of figure as a rule; the open one stands out and is never out of sight."""
    shown = list(kinds)
    while here in shown[1:] and _room(shown[: shown.index(here) + 1]) > columns:
        shown = shown[1:]
    used = _room(shown)
    if used + len(title) + 8 > columns:
        title = ""
    rest = rule("", title, max(0, columns - used), glyphs.stroke)
    return ((glyphs.stroke, "rule"), *tabs(shown, here), *rest)


def _room(kinds: Sequence[str]) -> int:
    """Columns of some tabs and the stroke in front of them."""
    return 1 + sum(len(kind) + 2 for kind in kinds)


def note_rows(note: str, columns: int, height: int) -> int:
    """Return the rows that a caption takes: all it needs up to a quarter of the screen."""
    return max(1, min(len(wrap(note, columns - 2)), max(2, height // 4)))


def note_lines(note: str, columns: int, rows: int, glyphs: Glyphs) -> list[Line]:
    """Write the caption; its last sentence, which may say that the model is synthetic, stays."""
    lines = wrap(note, columns - 2)
    if len(lines) > rows:
        last = f"{glyphs.ellipsis} {note.rstrip('.').rpartition('. ')[2]}."
        begun = (wrap(lines[rows - 1], columns - 3 - len(last)) if rows else [""])[0]
        is_room = columns - 3 - len(last) > 10
        lines = [*lines[: max(rows - 1, 0)], f"{begun} {last}" if is_room else last][:rows]
    return [fit_line(((f" {line}", "muted"),), columns, glyphs.ellipsis) for line in lines]


def spot_line(figure: Figure, spot: Spot, snapshot: Snapshot, look: Look) -> Line:
    """Name what is under the cursor: source, epoch, value, interval, n, status, and why."""
    if figure.panels[spot.panel].matrix is not None:
        return _square_line(figure, spot, snapshot)
    series, point = series_at(figure, spot), point_at(figure, spot)
    glyph = glyph_of(series, point.status, look)
    head: Line = ((f" {glyph} ", f"{role_of(series)} here"), (series.label, "strong"))
    return (
        *head,
        (f"  epoch {_epoch(point.cell)}", "text"),
        *_values(figure, spot),
        *_counts(point),
        # A scatter holds peaks, which are picked from what is measured.
        *(
            ()
            if is_scatter(figure.panels[spot.panel])
            else _status(point.status, point.cell, snapshot)
        ),
        # Last, as it gives way where columns are few.
        *(((f"  {point.interval}", "muted"),) if point.interval and point.low is not None else ()),
    )


def _values(figure: Figure, spot: Spot) -> Line:
    panel, point = figure.panels[spot.panel], point_at(figure, spot)
    is_rate = not _is_cosine(figure, spot)
    if point.y is None or point.y != point.y:
        return (("  n/a", "missing"),)
    if figure.kind == "difference":
        points = f"{number(point.y, rate_digits(point.n), '+')} points"
        return ((f"  {points}", "strong"), *_interval(point, is_rate))
    value = _rate(point.y, point.n) + "%" if is_rate else signed(point.y)
    if is_scatter(panel):
        x = signed(point.x) if figure.kind == "cosine-peak" else f"{_rate(point.x, point.n)}%"
        name = "cosine" if figure.kind == "cosine-peak" else "baseline"
        return ((f"  {name} {x}  peak {value}", "strong"), *_interval(point, is_rate))
    return ((f"  {value}", "strong"), *_interval(point, is_rate))


def _rate(percent: float, n: int | None) -> str:
    return number(percent, rate_digits(n))


def _is_cosine(figure: Figure, spot: Spot) -> bool:
    return figure.kind == "cosine" or (figure.kind == "leakage-cosine" and spot.panel == 1)


def _interval(point: PlotPoint, is_rate: bool) -> Line:
    if point.low is None or point.high is None:
        return ()
    ends = (
        f"{_rate(point.low, point.n)}, {_rate(point.high, point.n)}"
        if is_rate
        else f"{signed(point.low)}, {signed(point.high)}"
    )
    return ((f" [{ends}]", "text"),)


def _counts(point: PlotPoint) -> Line:
    pieces: list[Piece] = []
    if point.n is not None:
        hits = f"{point.hits}/" if point.hits is not None else "n "
        pieces.append((f" {hits}{point.n}", "text"))
    if not point.seeds.endswith("/1"):
        pieces.append((f"  {point.seeds} seeds", "text"))
    return tuple(pieces)


def _status(status: str, cell: str, snapshot: Snapshot) -> Line:
    """Say what the grid knows of the cell where its value is not simply measured."""
    if status == "measured":
        return (("  measured", "done"),)
    found = cell_of(cell, snapshot.seeds[0]) if snapshot.seeds else None
    view = find(snapshot, found) if found is not None else None
    role = status if status in ("failed", "suspect", "stale") else "missing"
    if status == "edited" and view is not None:
        return ((f"  edited: {clean_line(edits_text(view.edits), 80)}", "stale"),)
    state = view.state.value if view is not None else ""
    why = view.reason or view.detail if view is not None else ""
    if state in ("", "done", status):
        state = ""
    words = "  ".join(word for word in (status, state, why or "") if word)
    return ((f"  {words}", role),)


def _square_line(figure: Figure, spot: Spot, snapshot: Snapshot) -> Line:
    matrix, square = figure.panels[spot.panel].matrix, square_at(figure, spot)
    if matrix is None:
        return ()
    key = key_at(figure, spot)
    label = snapshot.labels.get(key, key)
    value: Piece = ("  n/a", "missing")
    if square.value is not None and square.value == square.value:
        value = (f"  {_rate(square.value, square.n)}%", "strong")
    return (
        (f" {label}", "strong"),
        (f"  epoch {_epoch(square.cell)}  asked as {matrix.columns[spot.column]}", "text"),
        value,
        *(((f"  {matrix.kinds[spot.row]}", "text"),) if any(matrix.kinds) else ()),
        *_status(square.status, square.cell, snapshot),
    )


def _epoch(cell: str) -> str:
    return cell.rpartition("@")[2].partition("#")[0]
