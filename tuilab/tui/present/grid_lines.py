"""Writes the grid: a value, n/a or a state's glyph in each cell, labels, epochs, trend and peak."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from rich.cells import cell_len

from tuilab.grid.cells import Cell
from tuilab.grid.metrics import METRICS
from tuilab.grid.states import WITH_RESULT, State
from tuilab.grid.text import MISSING
from tuilab.store.snapshot import CellView
from tuilab.tui.present.glyphs import Glyphs, level
from tuilab.tui.present.grid_table import Row, Table, Zoom, peak, series
from tuilab.tui.present.spark import sparkline, trend_words
from tuilab.tui.present.styled_text import Line, Piece, fit
from tuilab.tui.present.value_colour import Tint, role_of, tone_of

PEAK_COLUMNS = 9
LABEL_LEAST = 12
_ENDLESS = 100_000
LABEL_MOST = 26


class Geometry(NamedTuple):
    """Where things stand in a grid of a given width."""

    label: int
    """Columns of the frozen label."""
    pitch: int
    """Columns per cell."""
    shown: int
    """Cells that fit beside the label."""
    trend: int
    """Columns of the sparkline, 0 = none."""
    peak: int
    """Columns of the peak, 0 = none."""


def measure(table: Table, columns: int) -> Geometry:
    """Share the width: label, cells, then trend and peak where there is room to spare."""
    longest = max((cell_len(_label(row, table)) for row in table.rows), default=0)
    pitch = table.view.zoom.value
    least = min(LABEL_LEAST, max(6, columns // 3))
    label = max(least, min(LABEL_MOST, longest + 2, columns // 3))
    shown = max(1, min(len(table.epochs), (columns - label - 1) // pitch))
    spare = columns - label - shown * pitch - 1
    fits_all = shown == len(table.epochs) and shown > 1
    peak_columns = PEAK_COLUMNS if fits_all and spare >= PEAK_COLUMNS else 0
    trend = max(14, min(len(table.epochs), 24) + 2)
    with_trend = peak_columns and spare >= PEAK_COLUMNS + trend and table.view.zoom is Zoom.VALUE
    return Geometry(label, pitch, shown, trend if with_trend else 0, peak_columns)


def columns_of(table: Table) -> int:
    """Return the columns that a table takes with trend and peak, its values written out."""
    whole = table._replace(view=replace(table.view, zoom=Zoom.VALUE))
    found = measure(whole, _ENDLESS)
    return found.label + found.shown * found.pitch + 1 + found.trend + found.peak


def header_line(table: Table, geometry: Geometry, scroll: int, here: int, glyphs: Glyphs) -> Line:
    """Write the epoch header; the column under the cursor stands out."""
    title = f" {METRICS[table.view.metric].heading}"
    title += " ep" * (len(title) + 3 <= geometry.label)
    pieces: list[Piece] = [(fit(title, geometry.label, glyphs.ellipsis), "muted")]
    last = min(scroll + geometry.shown, len(table.epochs))
    texts = _epochs(table.epochs[scroll:last], geometry.pitch)
    for column, text in enumerate(texts, scroll):
        pieces.append((text, "label here" if column == here else "muted"))
    pieces.append((" ", ""))
    if geometry.trend:
        pieces.append((fit(f" {trend_words(table.view.metric)}", geometry.trend, ""), "muted"))
    if geometry.peak:
        pieces.append(("  peak@ep", "muted"))
    return tuple(pieces)


def _epochs(epochs: tuple[int, ...], pitch: int) -> list[str]:
    """One text of ``pitch`` columns per epoch; where that is too little, every tenth is written."""
    longest = max((len(str(epoch)) for epoch in epochs), default=1)
    if pitch > longest:
        return [str(epoch).rjust(pitch) for epoch in epochs]
    signs = [" "] * (len(epochs) * pitch)
    for place in range(0, len(epochs), 10):
        at = place * pitch + pitch - 1
        text = str(epochs[place])
        if at + len(text) <= len(signs):
            signs[at : at + len(text)] = text
    whole = "".join(signs)
    return [whole[n * pitch : (n + 1) * pitch] for n in range(len(epochs))]


def row_line(
    table: Table,
    number: int,
    geometry: Geometry,
    scroll: int,
    here: tuple[int, int] | None,
    marked: frozenset[Cell],
    glyphs: Glyphs,
) -> Line:
    """Write one row; ``here`` is the (row, column) of the cursor."""
    row = table.rows[number]
    is_here = here is not None and here[0] == number
    label = fit(_label(row, table, number), geometry.label - 2, glyphs.ellipsis)
    pieces: list[Piece] = [
        (glyphs.here if is_here else " ", "key"),
        (label + " ", "label here" if is_here else "label"),
    ]
    bracket = False
    for column in range(scroll, min(scroll + geometry.shown, len(table.epochs))):
        at_cursor = is_here and here is not None and here[1] == column
        pieces += _cell(table, row, column, at_cursor, bracket, marked, glyphs)
        bracket = at_cursor and _overhangs(table, row, column, glyphs)
    pieces.append(("]" if bracket else " ", "cursor-mark"))
    if geometry.trend:
        values = series(row, table.view.metric)
        spark = sparkline(values, geometry.trend - 2, table.view.metric, glyphs)
        rest = geometry.trend - 1 - sum(len(text) for text, _ in spark)
        pieces += [(" ", ""), *spark, (" " * rest, "")]
    if geometry.peak:
        pieces.append((_peak(row, table), "peak"))
    return tuple(pieces)


def _label(row: Row, table: Table, number: int = 0) -> str:
    if len({r.seed for r in table.rows[:64]}) < 2:
        return row.label
    follows = number > 0 and table.rows[number - 1].source == row.source
    return f"  #{row.seed}" if follows else f"{row.label} #{row.seed}"


def _cell(
    table: Table,
    row: Row,
    column: int,
    at_cursor: bool,
    bracket: bool,
    marked: frozenset[Cell],
    glyphs: Glyphs,
) -> list[Piece]:
    zoom, pitch = table.view.zoom, table.view.zoom.value
    view = row.cells[column]
    text, role = (" ", "") if view is None else cell_text(view, table.view.metric, zoom, glyphs)
    is_marked = view is not None and view.cell in marked
    tone = ""
    if view is not None and table.view.filter and not table.view.filter.wants(view):
        role += " dim"
    elif is_marked:
        role += " marked"
    elif view is not None and role == State.DONE.value:
        role, tone = _painted(view, table, glyphs)
    if at_cursor:
        role += " cursor"
    if zoom is Zoom.COLUMN:
        is_ground = role.startswith(("value-", "sign-"))
        return [(" " if is_ground else text, role)]
    behind = _anchor(text, zoom)
    before = max(0, pitch - behind - cell_len(text))
    if not (at_cursor or is_marked or bracket):
        return [(" " * (before - len(tone)) + tone + text + " " * behind, role)]
    lead = _lead(before, bracket, is_marked, at_cursor, glyphs)
    tail = ("]" if at_cursor else " ") * behind
    return [*lead, (text, role), (tail, "cursor-mark")]


def _painted(view: CellView, table: Table, glyphs: Glyphs) -> tuple[str, str]:
    """Return the (role, half-tone) of a done cell's value on the scale of the table."""
    tint, metric = table.view.tint, table.view.metric
    value = view.value(metric)
    if value is None or tint is Tint.NONE:
        return State.DONE.value, ""
    unit = METRICS[metric].unit
    if tint is Tint.GROUND:
        return role_of(value, unit, table.scale), ""
    has_room = glyphs.tones and table.view.zoom is Zoom.VALUE
    return State.DONE.value, tone_of(value, unit, table.scale, glyphs.tones) if has_room else ""


def _lead(
    before: int, bracket: bool, is_marked: bool, at_cursor: bool, glyphs: Glyphs
) -> list[Piece]:
    """Blank columns before a cell's text, with the brackets and the mark that stand in them.

    The mark touches the text that it marks: further left it would read as the cell before's.
    """
    signs = [" "] * before
    if is_marked and before > at_cursor:
        signs[-1 - at_cursor] = glyphs.mark
    if bracket and before:
        signs[0] = "]"
    if at_cursor and before:
        signs[-1] = "["
    return [("".join(signs), "cursor-mark")]


def _overhangs(table: Table, row: Row, column: int, glyphs: Glyphs) -> bool:
    """Whether the closing bracket stands in the next cell's first column."""
    view = row.cells[column]
    zoom = table.view.zoom
    if zoom is Zoom.COLUMN:
        return False
    text = " " if view is None else cell_text(view, table.view.metric, zoom, glyphs)[0]
    return _anchor(text, zoom) == 0


def _peak(row: Row, table: Table) -> str:
    best = peak(row, table.view.metric)
    if best is None:
        return " " * PEAK_COLUMNS
    text = f"{METRICS[table.view.metric].unit.narrow(best[0])}@{table.epochs[best[1]]}"
    return text.rjust(PEAK_COLUMNS)[:PEAK_COLUMNS]


def cell_text(view: CellView, metric: str, zoom: Zoom, glyphs: Glyphs) -> tuple[str, str]:
    """Return (text, role) of a cell, without padding; text fits the pitch less one column.

    In the narrowest zoom a value is a height between the bounds of its unit.
    """
    role = view.state.value
    if view.state is State.RUNNING:
        return _running(view, zoom, glyphs), role
    if view.state not in WITH_RESULT:
        earlier = view.earlier.get(metric) if zoom is Zoom.VALUE else None
        number = METRICS[metric].unit.narrow(earlier.value) if earlier is not None else ""
        return glyphs.states[view.state] + number, role
    value = view.value(metric)
    if value is None:
        return {Zoom.VALUE: MISSING, Zoom.DIGITS: "--", Zoom.COLUMN: "-"}[zoom], "missing"
    unit = METRICS[metric].unit
    if zoom is Zoom.COLUMN:
        return level(unit.height(value), glyphs), role
    edited = glyphs.edited if is_edited(view, metric) else ""
    if view.state is State.DONE and view.accepted_of(metric):
        edited += glyphs.accepted
    if zoom is Zoom.DIGITS:
        text = edited + unit.digits_alone(value)
        return text[-zoom.value :], role
    stale = glyphs.states[State.STALE] if view.state is State.STALE else ""
    return stale + edited + unit.narrow(value), role


def is_edited(view: CellView, metric: str) -> bool:
    """Whether the number shown ran with settings unlike the config."""
    if not view.edits or view.state not in WITH_RESULT or view.value(metric) is None:
        return False
    return bool(view.edits_behind(metric))


def _running(view: CellView, zoom: Zoom, glyphs: Glyphs) -> str:
    sign = glyphs.running(view.stage)
    if zoom is not Zoom.VALUE or view.percent is None:
        return sign
    return f"{sign}{min(99, max(0, int(view.percent)))}%"


def _anchor(text: str, zoom: Zoom) -> int:
    """Columns to leave free behind the text: units stand under units, signs under digits."""
    if zoom is not Zoom.VALUE:
        return 0
    return 0 if text.endswith("%") or len(text) > 1 else 1
