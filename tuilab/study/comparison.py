"""Pairs the cells of two experiments and says how far apart their numbers are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuilab.contract.foreign import clean_line
from tuilab.grid.cells import Cell
from tuilab.grid.metrics import Measurement
from tuilab.grid.states import State
from tuilab.store.snapshot import CellView, Snapshot
from tuilab.study.figure_origin import SYNTHETIC
from tuilab.study.layouts import as_text

if TYPE_CHECKING:
    from tuilab.science.comparing import Gap

PICKED = frozenset({"max_bystander"})
"""Metrics that are the largest of several."""
SIGN = "*"
"""Marks a gap that counting alone does not explain."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One cell that both experiments plan."""

    cell: Cell
    """As the first names it."""
    one: Measurement | None
    """None where it is not measured, or not done."""
    other: Measurement | None
    gap: Gap | None
    """Other minus one; None unless both are measured."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two experiments by one metric."""

    metric: str
    """Key of a cell's metrics."""
    names: tuple[str, str]
    seeds: tuple[tuple[int, ...], tuple[int, ...]]
    labels: dict[str, str]
    """Sources by key."""
    cells: tuple[Compared, ...]
    """In the grid order of the first."""
    synthetic: bool

    @property
    def measured(self) -> list[tuple[Cell, Gap]]:
        """The cells that are measured in both."""
        return [(one.cell, one.gap) for one in self.cells if one.gap is not None]

    @property
    def is_tested(self) -> bool:
        """Whether any gap has counts behind it, so that chance can be spoken of."""
        return any(gap.p_holm is not None for _, gap in self.measured)

    @property
    def beyond_chance(self) -> list[Cell]:
        """The cells whose gap counting alone does not explain."""
        return [cell for cell, gap in self.measured if gap.is_beyond_chance]


def meetings(one: Snapshot, other: Snapshot) -> list[tuple[CellView, CellView]]:
    """Return the cells that both have, in the grid order of the first.

    Where each has a single seed, the seeds may differ: a replication compares with the original.
    """
    are_single = len(one.seeds) == len(other.seeds) == 1

    def place(view: CellView) -> tuple[str, int, int]:
        return view.cell.source, view.cell.epoch, 0 if are_single else view.cell.seed

    there = {place(view): view for view in other.cells}
    return [(view, there[place(view)]) for view in one.cells if place(view) in there]


def compare(one: Snapshot, other: Snapshot, metric: str) -> Comparison:
    """Compare every cell that both plan; one that is not done in both has no gap."""
    from tuilab.science.comparing import gaps

    met = meetings(one, other)
    pairs = [(_measured(mine, metric), _measured(theirs, metric)) for mine, theirs in met]
    return Comparison(
        metric=metric,
        names=(clean_line(one.name), clean_line(other.name)),
        seeds=(one.seeds, other.seeds),
        labels={key: clean_line(label) for key, label in one.labels.items()},
        cells=tuple(
            Compared(mine.cell, *pair, gap)
            for (mine, _), pair, gap in zip(met, pairs, gaps(pairs, metric in PICKED), strict=True)
        ),
        synthetic=one.synthetic or other.synthetic,
    )


def _measured(view: CellView, metric: str) -> Measurement | None:
    found = view.metrics.get(metric)
    if view.state is not State.DONE or found is None or not math.isfinite(found.value):
        return None
    return found


def as_lines(found: Comparison, width: int | None = None) -> list[str]:
    """Write the gaps as a table, source by epoch, and what is to be said of them."""
    unit = "" if found.metric == "cosine" else ", percentage points"
    lines = [f"{_title(found)}: {found.metric.replace('_', ' ')}{unit}"]
    if not found.cells:
        return [*lines, "the two have no cell (source, epoch, seed) in common"]
    return [*lines, *_table(found, width).splitlines(), "", *_sentences(found)]


def _title(found: Comparison) -> str:
    one, other = found.names
    if found.seeds[0] != found.seeds[1]:
        one, other = (
            f"{name} (seed {', '.join(map(str, seeds))})"
            for name, seeds in zip(found.names, found.seeds, strict=True)
        )
    return f"{other} minus {one}"


def _table(found: Comparison, width: int | None) -> str:
    epochs = sorted({each.cell.epoch for each in found.cells})
    by_cell = {each.cell: each for each in found.cells}
    runs = list(dict.fromkeys((each.cell.source, each.cell.seed) for each in found.cells))
    many = len({seed for _, seed in runs}) > 1
    rows = []
    for source, seed in runs:
        name = found.labels.get(source) or clean_line(source)
        name += f" #{seed}" if many else ""
        cells = (by_cell.get(Cell(source, epoch, seed)) for epoch in epochs)
        rows.append([name, *(_cell_text(each, found.metric) for each in cells)])
    return as_text(["source", *map(str, epochs)], rows, width)


def _cell_text(each: Compared | None, metric: str) -> str:
    if each is None:
        return ""
    if each.gap is None:
        return "n/a "
    return _value_text(each.gap.value, metric) + (SIGN if each.gap.is_beyond_chance else " ")


def _value_text(value: float, metric: str) -> str:
    return f"{value + 0.0:+.3f}" if metric == "cosine" else f"{round(value * 100, 1) + 0.0:+.1f}"


def _sentences(found: Comparison) -> list[str]:
    measured = found.measured
    lines = [f"{len(found.cells)} cells in both, {len(measured)} of them measured in both."]
    if measured:
        lines.append(_spread(measured, found.metric))
    if found.is_tested:
        lines.append(_chance(found))
    if found.synthetic:
        lines.append(SYNTHETIC)
    return lines


def _spread(measured: Sequence[tuple[Cell, Gap]], metric: str) -> str:
    mean = math.fsum(abs(gap.value) for _, gap in measured) / len(measured)
    cell, largest = max(measured, key=lambda each: abs(each[1].value))
    within = ""
    if largest.interval is not None:
        low, high = (_value_text(x, metric) for x in (largest.interval.low, largest.interval.high))
        within = f" [{low}, {high}]"
    size = _value_text(mean, metric).lstrip("+")
    return (
        f"Mean size of a difference {size}; the largest, picked from {len(measured)}, is "
        f"{_value_text(largest.value, metric)}{within} at {clean_line(str(cell))}."
    )


def _chance(found: Comparison) -> str:
    beyond = found.beyond_chance
    return (
        f"{SIGN} {len(beyond)} of them lie further apart than counting completions explains "
        f"(Fisher exact, Holm over {len(found.cells)} cells, 5%); training runs of other seeds "
        "or data differ by more than that."
    )


def as_document(found: Comparison) -> dict[str, Any]:
    """Return the comparison as one JSON object; what was not measured is null."""
    return {
        "one": {"experiment": found.names[0], "seeds": list(found.seeds[0])},
        "other": {"experiment": found.names[1], "seeds": list(found.seeds[1])},
        "metric": found.metric,
        "cells_in_both": len(found.cells),
        "measured_in_both": len(found.measured),
        "beyond_chance": len(found.beyond_chance),
        "cells": [_as_record(each) for each in found.cells],
    }


def _as_record(each: Compared) -> dict[str, Any]:
    gap = each.gap
    return {
        "source": each.cell.source,
        "epoch": each.cell.epoch,
        "seed": each.cell.seed,
        "one": _side(each.one),
        "other": _side(each.other),
        "difference": None if gap is None else gap.value,
        "interval": None
        if gap is None or gap.interval is None
        else [gap.interval.low, gap.interval.high],
        "p_holm": None if gap is None else gap.p_holm,
    }


def _side(found: Measurement | None) -> dict[str, Any] | None:
    return None if found is None else {"value": found.value, "hits": found.hits, "n": found.n}
