"""Decides what a person's word for stale results comes to: which results it keeps, and on what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from tuilab.grid.cells import Cell
from tuilab.grid.jobs import Plan, ancestors
from tuilab.grid.stages import Stage
from tuilab.grid.states import (
    ACCEPT,
    Acceptance,
    Attempt,
    Evidence,
    Explain,
    JobStatus,
    State,
    attempt_to_read,
    derive_state,
    told,
)

EvidenceOf = Callable[[str], Evidence]
Kept = Callable[[str, int], Mapping[int, str]]
"""The hash of each checkpoint of an attempt of a convergence run, by job id and number."""


def why_not_accept(plan: Plan, states: Mapping[str, JobStatus], cells: Iterable[Cell]) -> str:
    """Say why none of these cells can be accepted; "" when one has a stale result."""
    chosen = list(cells)
    own = [states[job.id] for job in plan.jobs if job.cell in set(chosen)]
    if any(status.state is State.STALE for status in own):
        return ""
    names = str(chosen[0]) if len(chosen) == 1 else f"none of {len(chosen)} cells"
    return f"{names} is{' not' if len(chosen) == 1 else ''} stale: there is nothing to accept"


def acceptances(
    plan: Plan,
    evidence_of: EvidenceOf,
    cells: Iterable[Cell],
    explain: Explain,
    kept: Kept = lambda job, number: {},
) -> dict[str, dict[str, Any]]:
    """Return the ``jobs`` of an ``accepted`` line: every stale result of the cells, parents first.

    What they share with other cells is among it: where its answers or checkpoints are stale, a
    result cannot be current. What is stale only for what it rests on needs no word of its own.
    """
    chosen = set(cells)
    own = [job.id for job in plan.jobs if job.cell in chosen]
    jobs = ancestors(plan, own) | set(own)
    found: dict[str, Attempt] = {}
    states: dict[str, JobStatus] = {}

    def known(job: str) -> Evidence:
        return _with(evidence_of(job), found[job]) if job in found else evidence_of(job)

    for job in plan.jobs:
        above = {parent: states[parent] for parent in job.parents}
        status = derive_state(job, known(job.id), above, explain)
        result = status.result
        if job.id in jobs and result is not None and result.stale:
            run, made = result.attempt, result.attempt.checkpoints
            if not made and job.stage is Stage.CONVERGE:
                made = kept(job.id, run.number)
            read = {parent: attempt_to_read(job, parent, above, known(parent)) for parent in above}
            inputs = {name: one.checkpoint(job.epoch) for name, one in read.items() if one}
            word = Acceptance(job.parts, inputs, told(result.stale).replace(ACCEPT, ""))
            found[job.id] = replace(run, checkpoints=made, accepted=word)
            status = derive_state(job, known(job.id), above, explain)
        states[job.id] = status
    return {job: _as_json(attempt) for job, attempt in found.items()}


def _with(known: Evidence, attempt: Attempt) -> Evidence:
    attempts = (attempt if one.number == attempt.number else one for one in known.attempts)
    return replace(known, attempts=tuple(attempts))


def _as_json(attempt: Attempt) -> dict[str, Any]:
    word = attempt.accepted
    assert word is not None, "only accepted attempts are told of"
    return {
        "attempt": attempt.number,
        "inputs": dict(word.inputs),
        "causes": word.causes,
        **({"parts": word.parts.as_json()} if word.parts else {}),
        **({"checkpoints": dict(attempt.checkpoints)} if attempt.checkpoints else {}),
    }
