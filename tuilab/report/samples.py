"""Draws example completions by seed: with the marker and without, for source and target."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tuilab.grid.cells import Cell
from tuilab.store.measurements import completions
from tuilab.study.opening import Study


@dataclass(frozen=True, slots=True)
class Sample:
    """One completion to show."""

    cell: str
    persona: str
    question: int
    """Index into the eval questions."""
    has_marker: bool
    text: str


def draw_samples(study: Study, per_condition: int = 3, seed: int = 0) -> list[Sample]:
    """Draw up to ``per_condition`` completions with and as many without the marker, per condition.

    A condition is a source at its first or last measured epoch, asked as source or as target.
    Drawn by ``seed`` from all completions of the cell: nobody picks them.
    """
    if study.reader.is_results_only:
        return []
    drawn: list[Sample] = []
    for source in study.snapshot.sources:
        for cell in _ends(study, source):
            drawn += _from_cell(study, cell, per_condition, seed)
    return drawn


def _ends(study: Study, source: str) -> list[Cell]:
    measured = [cell for cell in study.hits if cell.source == source]
    ends = [min(measured), max(measured)] if measured else []
    return list(dict.fromkeys(ends))


def _from_cell(study: Study, cell: Cell, count: int, seed: int) -> list[Sample]:
    shown = (cell.source, study.snapshot.target)
    rows = [row for row in completions(study.reader, cell) if row["persona"] in shown]
    drawn = []
    for persona in shown:
        for has_marker in (True, False):
            those = [r for r in rows if r["persona"] == persona and bool(r["hit"]) is has_marker]
            chance = random.Random(f"{seed}/{cell}/{persona}/{has_marker}")
            drawn += [_sample(cell, row) for row in _some(those, count, chance)]
    return drawn


def _some(rows: list[dict[str, Any]], count: int, chance: random.Random) -> Iterable[Any]:
    return chance.sample(rows, min(count, len(rows)))


def _sample(cell: Cell, row: Mapping[str, Any]) -> Sample:
    return Sample(
        str(cell), row["persona"], int(row["question_index"]), bool(row["hit"]), str(row["text"])
    )
