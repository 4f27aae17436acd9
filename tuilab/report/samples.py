"""Draws example completions by seed, hits of the headline and others, for source and target."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuilab.grid.cells import Cell
from tuilab.grid.jobs import Plan, job_id
from tuilab.grid.lines import persona_of
from tuilab.grid.metrics import measures
from tuilab.grid.stages import Stage
from tuilab.store.measurements import completions
from tuilab.study.study import Study

_EACH = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """One completion to show."""

    question: str
    has_marker: bool
    """Whether it counts for the headline: by the marker, or by a measure."""
    text: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One model asked as one persona, and what was drawn of its answers."""

    cell: Cell
    persona: str
    """Key."""
    hits: int
    """Completions that count for the headline, of ``n``."""
    n: int
    samples: Sequence[Sample]
    """With the marker first."""


def draw_samples(study: Study, seed: int = 0) -> list[Condition]:
    """Draw up to three completions with and as many without the marker, per condition.

    A condition is a source at its first or last measured epoch, asked as source or as target.
    Drawn by ``seed`` from all completions of the cell: nobody picks them.
    """
    if study.reader.is_results_only:
        return []
    cells = [cell for source in study.snapshot.sources for cell in _ends(study, source)]
    return [drawn for cell in cells for drawn in _from_cell(study, cell, seed)]


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


def headline_completions(study: Study, cell: Cell) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the completions that the headline is about, each with ``hit``, and their questions.

    A measure may have asked its own questions. Where it reads no completions those of the eval are
    returned, and none is a hit.
    """
    plan, measured = study.reader.plan, study.snapshot.measured[0]
    made = (
        one
        for stage in (Stage.SCORE, Stage.JUDGE)
        for one in settings_of(plan, stage, cell).get("measures", ())
    )
    name = next((one["set"] for one in made if one["key"] == measured), "")
    reads = reads_them(study)
    own = measured.partition(".")[2]
    found = [
        {**row, "hit": reads and (own in row["hits"] if "hits" in row else bool(row.get("hit")))}
        for row in completions(study.reader, cell)
        if row.get("set", "") == name
    ]
    asked = settings_of(plan, Stage.EVAL, cell)
    block = asked.get("sets", {}).get(name, {}) if name else asked
    return found, list(block.get("questions", ()))


def hit_words(study: Study, hits: int, n: int) -> str:
    """Say how many completions count for the headline; where it reads none, how many there are."""
    return f"{hits} of {n} {study.design.counted}" if reads_them(study) else f"{n} completions"


def reads_them(study: Study) -> bool:
    """Whether the headline reads completions; choices and tasks of Inspect read none."""
    name = study.snapshot.measured[0]
    return measures([name])[name].stage in (Stage.EVAL, Stage.SCORE, Stage.JUDGE)


def settings_of(plan: Plan, stage: Stage, cell: Cell) -> Mapping[str, Any]:
    """Return what a stage of a cell was planned with; {} where there is none."""
    job = plan.by_id.get(job_id(stage, cell.source, cell.epoch, cell.seed))
    return plan.settings.get(job.settings, {}) if job else {}


def _from_cell(study: Study, cell: Cell, seed: int) -> Iterable[Condition]:
    rows, questions = headline_completions(study, cell)
    for persona in dict.fromkeys((persona_of(cell.source), study.snapshot.target)):
        those = [row for row in rows if row["persona"] == persona]
        if those:
            yield condition(cell, persona, those, questions, seed)


def condition(
    cell: Cell,
    persona: str,
    rows: Sequence[Mapping[str, Any]],
    questions: Sequence[str],
    seed: int,
) -> Condition:
    """Draw from one persona's completions; what does not exist is not drawn, only counted."""
    drawn: list[Sample] = []
    for has_marker in (True, False):
        those = [row for row in rows if bool(row.get("hit")) is has_marker]
        chance = random.Random(f"{seed}/{cell}/{persona}/{has_marker}")
        chosen = chance.sample(those, min(_EACH, len(those)))
        drawn += [_sample(row, questions) for row in chosen]
    return Condition(cell, persona, sum(bool(row.get("hit")) for row in rows), len(rows), drawn)


def _sample(row: Mapping[str, Any], questions: Sequence[str]) -> Sample:
    index = int(row["question_index"])
    asked = questions[index] if index < len(questions) else f"question {index}"
    return Sample(asked, bool(row.get("hit")), str(row["text"]))
