"""Decides what stands in one cell of the grid: a value, n/a or the glyph of a state."""

from __future__ import annotations

from enum import Enum

from tuilab.grid.metrics import METRICS
from tuilab.grid.states import State
from tuilab.grid.text import MISSING
from tuilab.store.snapshot import CellView
from tuilab.study.cell_number import edits_behind, number_of
from tuilab.tui.present.glyphs import Glyphs, level

WITH_VALUE = frozenset({State.DONE, State.STALE})


class Zoom(Enum):
    """How much room a cell has; the value is its pitch in columns."""

    VALUE = 5
    DIGITS = 3
    COLUMN = 1


def value_of(view: CellView, metric: str) -> float | None:
    """Return the number behind a cell, None when it was not measured (or is not finite)."""
    found = number_of(view, metric)
    return None if found is None else found.value


def cell_text(view: CellView, metric: str, zoom: Zoom, glyphs: Glyphs) -> tuple[str, str]:
    """Return (text, role) of a cell, without padding; text fits the pitch less one column.

    In the narrowest zoom a value is a height between the bounds of its unit.
    """
    role = view.state.value
    if view.state is State.RUNNING:
        return _running(view, zoom, glyphs), role
    if view.state not in WITH_VALUE:
        return glyphs.states[view.state], role
    value = value_of(view, metric)
    if value is None:
        return {Zoom.VALUE: MISSING, Zoom.DIGITS: "--", Zoom.COLUMN: "-"}[zoom], "missing"
    unit = METRICS[metric].unit
    if zoom is Zoom.COLUMN:
        return level(unit.height(value), glyphs), role
    edited = glyphs.edited if is_edited(view, metric) else ""
    if zoom is Zoom.DIGITS:
        text = edited + unit.digits_alone(value)
        return text[-zoom.value :], role
    stale = glyphs.states[State.STALE] if view.state is State.STALE else ""
    return stale + edited + unit.narrow(value), role


def is_edited(view: CellView, metric: str) -> bool:
    """Whether the number shown ran with settings unlike the config."""
    if not view.edits or view.state not in WITH_VALUE or value_of(view, metric) is None:
        return False
    return bool(edits_behind(view, metric))


def _running(view: CellView, zoom: Zoom, glyphs: Glyphs) -> str:
    sign = glyphs.running(view.stage)
    if zoom is not Zoom.VALUE or view.percent is None:
        return sign
    return f"{sign}{min(99, max(0, int(view.percent)))}%"


def anchor(text: str, zoom: Zoom) -> int:
    """Columns to leave free behind the text: units stand under units, signs under digits."""
    if zoom is not Zoom.VALUE:
        return 0
    return 0 if text.endswith("%") or len(text) > 1 else 1
