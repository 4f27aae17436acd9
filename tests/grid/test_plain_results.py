"""What is found by columns is what ``derive_state`` gives, whatever an experiment went through."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.engine.trials import make_plan
from tuilab.grid.jobs import Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.plain_results import plain_results
from tuilab.grid.stages import OWN_STAGES, Stage
from tuilab.grid.states import attempt_to_read
from tuilab.store.state import JobStates

PLAN = make_plan(("villain", "nurse"), (0, 2, 4))
OWN = [job.id for job in PLAN.jobs if job.stage in OWN_STAGES]


class Tale:
    """A journal that is told line by line, in which each attempt reads what there is."""

    def __init__(self) -> None:
        self.lines: list[Mapping[str, Any]] = []
        self.states = JobStates(PLAN, Ledger())
        self.tell("wanted", jobs=dict.fromkeys(PLAN.by_id, 1))
        for job in PLAN.by_id:
            self.run(job)

    def tell(self, kind: str, **fields: Any) -> None:
        self.lines.append({"kind": kind, **fields})
        self.states.fold(self.lines[-1:])

    def run(self, job: str, output: str = "", **fields: Any) -> None:
        planned, ledger = PLAN.by_id[job], self.states.ledger
        number = len(ledger.of(job).attempts) + 1
        statuses = {parent: self.states.status(parent) for parent in planned.parents}
        read = {
            parent: attempt_to_read(planned, parent, statuses, ledger.of(parent))
            for parent in planned.parents
        }
        found = {parent: one for parent, one in read.items() if one is not None}
        self.tell(
            "claimed",
            job=job,
            attempt=number,
            token="t",
            fingerprint=planned.fingerprint,
            inputs={parent: one.checkpoint(planned.epoch) for parent, one in found.items()},
            read={parent: one.number for parent, one in found.items()},
        )
        made = output or f"{job} {number}"
        kept = {str(epoch): f"{made} {epoch}" for epoch in planned.checkpoints}
        more = {"output_hash": made, "checkpoints": kept, "seconds": 2.5, **fields}
        self.tell("settled", job=job, attempt=number, **{"verdict": "done", **more})

    def anything(self, chance: random.Random) -> None:
        """One of the things that happen to results."""
        job = chance.choice(list(PLAN.by_id))
        last = self.states.ledger.of(job).attempts[-1]
        happens = chance.randrange(8)
        if happens == 0:
            self.tell("wanted", jobs={job: last.number + 1})
        elif happens == 1:
            word = {"attempt": last.number, "parts": None, "inputs": {}}
            self.tell("accepted", jobs={job: word}, by="me", why="so")
        elif happens == 2:
            self.run(job, last.output_hash)
        elif happens == 3:
            self.run(job)
        elif happens == 4:
            self.run(job, verdict=chance.choice(["failed", "lost"]), reason="killed")
        elif happens == 5:
            self.tell("moved", job=job, attempt=last.number, commit="c")
        elif happens == 6:
            self.tell("held", jobs=[job], why="so")
        else:
            self.run(job, detail="odd")


def states_of(lines: list[Mapping[str, Any]], plan: Plan = PLAN) -> JobStates:
    ledger = Ledger()
    ledger.fold(lines)
    return JobStates(plan, ledger)


def test_every_result_of_a_grid_that_went_well_is_plain() -> None:
    states = states_of(Tale().lines)
    assert [PLAN.table.ids[place] for place in states.plain.places()] == OWN


@pytest.mark.parametrize("seed", range(30))
def test_what_is_plain_is_what_is_derived(seed: int) -> None:
    chance, tale = random.Random(seed), Tale()
    for _ in range(chance.randrange(1, 9)):
        tale.anything(chance)
    plan = PLAN
    if seed % 3 == 0:
        shared = [job for job in PLAN.by_id if job not in OWN]
        other = chance.sample(shared, 2) if seed % 2 else [chance.choice(OWN), chance.choice(OWN)]
        jobs = [replace(one, fingerprint="new") if one.id in other else one for one in PLAN.jobs]
        plan = replace(PLAN, jobs=tuple(jobs))
        word = {"attempt": len(tale.states.ledger.of(other[0]).attempts), "inputs": {}}
        tale.tell("accepted", jobs={other[0]: word}, by="me", why="so")
    truth = states_of(tale.lines, plan)
    found = plain_results(plan, truth.ledger.evidence, truth.status)
    for place in found.places():
        assert found.status(place) == truth.status(plan.table.ids[place])
    quiet = set(OWN) - {job for line in tale.lines[len(Tale().lines) :] for job in named(line)}
    is_quiet = any(found.is_plain[plan.places[job]] for job in quiet)
    assert is_quiet or plan is not PLAN, "some of it nothing touched"

    columns, objects = states_of(tale.lines, plan), states_of(tale.lines, plan)
    odd = [job for job, place in plan.places.items() if not columns.plain.is_plain[place]]
    assert [columns.status(job) for job in odd] == [objects.status(job) for job in odd]
    assert dict(objects.statuses)
    for _ in range(6):
        known = len(tale.lines)
        tale.anything(chance)
        new = tale.lines[known:]
        assert columns.fold(new) == objects.fold(new)
        assert dict(columns.statuses) == dict(states_of(tale.lines, plan).statuses)


def named(line: Mapping[str, Any]) -> list[str]:
    return [line["job"]] if "job" in line else list(line["jobs"])


def test_a_convergence_run_is_never_plain() -> None:
    runs = [place for place, job in enumerate(PLAN.jobs) if job.stage is Stage.CONVERGE]
    assert runs
    assert not any(states_of(Tale().lines).plain.is_plain[place] for place in runs)
