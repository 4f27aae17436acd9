"""Finds what two experiments do not share of what makes their numbers comparable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tuilab.contract.foreign import clean_line
from tuilab.grid.cells import Cell
from tuilab.grid.jobs import Job, Plan, ancestors, job_id
from tuilab.grid.lines import persona_of
from tuilab.grid.settings_apart import Values, differences, learned_in, place_of
from tuilab.grid.stages import OWN_STAGES, Stage
from tuilab.grid.text import count_of
from tuilab.store.reader import Reader


@dataclass(frozen=True, slots=True)
class Record:
    """What an experiment tells of how its numbers were made."""

    name: str
    plan: Plan | None = None
    """None for a table of results: it has no record of its settings."""
    data: Mapping[str, str] = field(default_factory=dict)
    """Hash of the answers of each data job that is done, by job id."""


@dataclass(frozen=True, slots=True)
class Differing:
    """One setting that is not the same in both."""

    one: Any
    """In the first cell where they differ."""
    other: Any
    cells: int = 1
    """How many of the cells compared differ in it."""


@dataclass(frozen=True, slots=True)
class Comparability:
    """What is not the same, and what nobody can know."""

    cells: int
    """Cells compared."""
    differing: Mapping[str, Differing]
    """By config key (``marker.lr``), or by data job (``data/villain``) where answers differ."""
    unrecorded: tuple[str, ...] = ()
    """Names of experiments that have no record of their settings."""
    unhashed: tuple[str, ...] = ()
    """Data jobs of these cells that are not done in both, so that their answers say nothing."""


def record_of(reader: Reader, name: str) -> Record:
    """Read what an experiment has planned, and the hashes of the data it trains on."""
    if reader.is_results_only:
        return Record(clean_line(name))
    plan = reader.plan
    data = {
        job.id: done.output_hash
        for job in plan.jobs
        if job.stage is Stage.DATA and (done := reader.of(job.id).last_done) is not None
    }
    return Record(clean_line(name), plan, data)


def comparability(records: Sequence[Record], met: Sequence[tuple[Cell, Cell]]) -> Comparability:
    """Look at every two cells that are compared, so that edits of single cells are seen.

    ``records`` are the two experiments; ``met`` names each cell as the one and the other do.
    """
    one, other = records
    if one.plan is None or other.plan is None:
        names = dict.fromkeys(record.name for record in records if record.plan is None)
        return Comparability(len(met), {}, tuple(names))
    pairs = _Pairs(one, other, one.plan, other.plan)
    found: dict[str, Differing] = {}
    for mine, theirs in met:
        for key, values in pairs.of_cells(mine, theirs).items():
            known = found.get(key)
            found[key] = replace(known, cells=known.cells + 1) if known else Differing(*values)
    differing = {key: found[key] for key in sorted(found, key=place_of)}
    return Comparability(len(met), differing, unhashed=tuple(sorted(pairs.unhashed)))


@dataclass(slots=True)
class _Pairs:
    """Two experiments; most cells share their settings, so each two are compared once."""

    one: Record
    other: Record
    my_plan: Plan
    their_plan: Plan
    unhashed: set[str] = field(default_factory=set)
    _known: dict[tuple[str, str], dict[str, Values]] = field(default_factory=dict)

    def of_cells(self, mine: Cell, theirs: Cell) -> dict[str, Values]:
        """Return what differs between the same cell of both."""
        found: dict[str, Values] = {}
        there = _behind(self.their_plan, theirs)
        for place, job in _behind(self.my_plan, mine).items():
            if place in there:
                found |= self._of_jobs(job, there[place])
                if job.stage is Stage.DATA:
                    found |= self._of_data(job, there[place])
        if mine.seed != theirs.seed:  # the seeds are named; those of sampling follow from them
            found.pop("eval.seed", None)
        return found

    def _of_jobs(self, here: Job, there: Job) -> dict[str, Values]:
        names = here.settings, there.settings
        if names not in self._known:
            mine, theirs = self.my_plan.settings[names[0]], self.their_plan.settings[names[1]]
            learned = learned_in(self.my_plan.settings)
            self._known[names] = dict(differences(here.stage, mine, theirs, learned))
        return self._known[names]

    def _of_data(self, here: Job, there: Job) -> dict[str, Values]:
        hashes = self.one.data.get(here.id), self.other.data.get(there.id)
        if None in hashes:
            self.unhashed.add(here.id)
        return {} if None in hashes or hashes[0] == hashes[1] else {here.id: hashes}


def _behind(plan: Plan, cell: Cell) -> dict[tuple[Stage, str], Job]:
    """Return the jobs that a cell's numbers rest on, by stage and whose answers they are.

    Those that lines share are found through what reads them: their names differ with the lines.
    """
    names = (job_id(stage, cell.source, cell.epoch, cell.seed) for stage in OWN_STAGES)
    own = [name for name in names if name in plan.by_id]
    jobs = [plan.by_id[name] for name in (*own, *ancestors(plan, own))]
    return {
        (job.stage, persona_of(job.source) if job.stage is Stage.DATA else ""): job
        for job in jobs
        if job.stage not in (Stage.FETCH, Stage.MERGE)  # what they decide, a later stage says too
    }


def as_sentence(found: Comparability) -> str:
    """Say in one line what differs, or that it cannot be known."""
    if found.unrecorded:
        return (
            f"Not recorded: the settings of {' and '.join(found.unrecorded)}. "
            "Whether both ran with the same ones is unknown."
        )
    if not found.differing:
        return f"Settings{'' if found.unhashed else ' and training data'} are the same in both."
    named = [_named(key, each, found.cells) for key, each in found.differing.items()]
    shown = [name for key, name in zip(found.differing, named, strict=True) if "/" not in key]
    if answers := len(named) - len(shown):
        shown.append(f"the training data of {count_of(answers, 'persona')}")
    return f"Not the same in both: {', '.join(shown)}."


def _named(key: str, each: Differing, cells: int) -> str:
    return clean_line(key) + (f" (in {each.cells} cells)" if each.cells < cells else "")


def as_record(found: Comparability) -> dict[str, Any]:
    """Return all of it with both values, for JSON."""
    return {
        "unrecorded": list(found.unrecorded),
        "unhashed": list(found.unhashed),
        "differing": [
            {"key": key, "one": each.one, "other": each.other, "cells": each.cells}
            for key, each in found.differing.items()
        ],
    }
