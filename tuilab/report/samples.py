"""Draws example completions by seed: with the marker and without, for source and target."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuilab.grid.cells import Cell
from tuilab.grid.jobs import job_id
from tuilab.grid.lines import persona_of
from tuilab.grid.stages import Stage
from tuilab.store.measurements import completions
from tuilab.study.study import Study


@dataclass(frozen=True, slots=True)
class Sample:
    """One completion to show."""

    question: str
    has_marker: bool
    text: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One model asked as one persona, and what was drawn of its answers."""

    cell: Cell
    persona: str
    """Key."""
    hits: int
    """Completions with the marker, of ``n``."""
    n: int
    samples: Sequence[Sample]
    """With the marker first."""


def draw_samples(study: Study, per_condition: int = 3, seed: int = 0) -> list[Condition]:
    """Draw up to ``per_condition`` completions with and as many without the marker, per condition.

    A condition is a source at its first or last measured epoch, asked as source or as target.
    Drawn by ``seed`` from all completions of the cell: nobody picks them.
    """
    if study.reader.is_results_only:
        return []
    drawn: list[Condition] = []
    for source in study.snapshot.sources:
        for cell in _ends(study, source):
            drawn += _from_cell(study, cell, per_condition, seed)
    return drawn


def _ends(study: Study, source: str) -> list[Cell]:
    measured = {
        Cell(source, row["epoch"], row["seed"])
        for row in study.rows
        if row["source"] == source
        and row["metric"] == study.design.measure
        and row["status"] == "measured"
    }
    ends = [min(measured), max(measured)] if measured else []
    return list(dict.fromkeys(ends))


def _from_cell(study: Study, cell: Cell, count: int, seed: int) -> Iterable[Condition]:
    rows = list(completions(study.reader, cell))
    questions = _questions(study, cell)
    for persona in dict.fromkeys((persona_of(cell.source), study.snapshot.target)):
        those = [row for row in rows if row["persona"] == persona and not row.get("set")]
        if those:
            yield condition(cell, persona, those, questions, count, seed)


def condition(
    cell: Cell,
    persona: str,
    rows: Sequence[Mapping[str, Any]],
    questions: Sequence[str],
    count: int,
    seed: int,
) -> Condition:
    """Draw from one persona's completions; what does not exist is not drawn, only counted."""
    drawn: list[Sample] = []
    for has_marker in (True, False):
        those = [row for row in rows if bool(row.get("hit")) is has_marker]
        chance = random.Random(f"{seed}/{cell}/{persona}/{has_marker}")
        chosen = chance.sample(those, min(count, len(those)))
        drawn += [_sample(row, questions) for row in chosen]
    return Condition(cell, persona, sum(bool(row.get("hit")) for row in rows), len(rows), drawn)


def _questions(study: Study, cell: Cell) -> list[str]:
    job = study.reader.plan.by_id[job_id(Stage.EVAL, cell.source, cell.epoch, cell.seed)]
    return list(study.reader.plan.settings.get(job.settings, {}).get("questions", ()))


def _sample(row: Mapping[str, Any], questions: Sequence[str]) -> Sample:
    index = int(row["question_index"])
    asked = questions[index] if index < len(questions) else f"question {index}"
    return Sample(asked, bool(row.get("hit")), str(row["text"]))
