"""Reads the state of an experiment from attempt directories alone: fallback and test oracle."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tuilab.contract.identity import is_alive
from tuilab.contract.report import EVENTS_FILE, OUTCOME_FILE
from tuilab.contract.spec import SPEC_FILE, SpecError, read_spec
from tuilab.contract.tail import JsonlFollower
from tuilab.contract.worker import EXIT_FILE, read_lease
from tuilab.grid.jobs import Job, Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.states import LIVE, Attempt, Evidence, Verdict
from tuilab.store.attempts import attempt_numbers, read_claim
from tuilab.store.layout import Layout
from tuilab.store.settlement import Fields, ending, settlement

Line = dict[str, Any]


def scan(
    layout: Layout, plan: Plan, jobs: Iterable[str] | None = None, *, hash_files: bool = False
) -> Ledger:
    """Return what the attempts of ``jobs`` (all of the plan when None) say by themselves.

    What only a journal knows (wishes, pauses, holds) is absent. Never raises for what it finds.
    """
    chosen = plan.jobs if jobs is None else [plan.by_id[job] for job in jobs]
    ledger = Ledger()
    for job in chosen:
        numbers = attempt_numbers(layout, job.id)
        if numbers:
            attempts = tuple(
                read_attempt(layout, plan, job, number, hash_files=hash_files) for number in numbers
            )
            ledger.evidence[job.id] = Evidence(attempts)
    return ledger


def read_attempt(
    layout: Layout, plan: Plan, job: Job, number: int, *, hash_files: bool = False
) -> Attempt:
    """Return one attempt as its files tell it; without a readable spec it is lost."""
    directory = layout.attempt_dir(job.id, number)
    claim = read_claim(directory)
    worker = claim.worker if claim else ""
    try:
        spec = read_spec(directory / SPEC_FILE)
    except SpecError as error:
        ended = (directory / OUTCOME_FILE).exists()
        verdict = Verdict.SUSPECT if ended else Verdict.LOST
        return Attempt(number, "", "", worker=worker, verdict=verdict, detail=str(error))
    attempt = Attempt(
        number,
        spec.token,
        spec.fingerprint,
        {item.job: item.output_hash for item in spec.inputs},
        worker,
    )
    found = settlement(layout, plan, job, number, hash_files=hash_files)
    if found is None and is_worker_gone(layout, worker):
        found = ending(layout, job, number)
    if found is None:
        return as_begun(layout, job.id, attempt)
    return _settled(attempt, found)


def as_begun(layout: Layout, job: str, attempt: Attempt) -> Attempt:
    """Return a live attempt as running if its runner has spoken, otherwise as it is."""
    events = JsonlFollower(layout.attempt_dir(job, attempt.number) / EVENTS_FILE).read()
    if not events:
        return attempt
    at = events[0].get("at")
    started = float(at) if isinstance(at, int | float) else None
    return replace(attempt, verdict=Verdict.RUNNING, started_at=started)


def is_worker_gone(layout: Layout, worker: str) -> bool:
    """True when the worker's tree has ended or it never came up; False while it may live."""
    directory = layout.worker_dir(worker)
    if not worker or (directory / EXIT_FILE).exists():
        return True
    shim = read_lease(directory)
    return shim is None or is_alive(shim) is False


def missing_lines(known: Ledger, found: Ledger) -> list[Line]:
    """Return journal entries for what the attempts say and the journal does not.

    An attempt that the journal has settled is never contradicted here.
    """
    lines: list[Line] = []
    for job, evidence in found.evidence.items():
        mentioned = {attempt.number: attempt for attempt in known.of(job).attempts}
        for attempt in evidence.attempts:
            entry = mentioned.get(attempt.number)
            if entry is None:
                lines.append(_claimed_line(job, attempt))
            if (entry is None or entry.verdict in LIVE) and attempt.verdict not in LIVE:
                lines.append(settled_line(job, attempt))
            elif entry is None and attempt.verdict is Verdict.RUNNING:
                lines.append(_started_line(job, attempt))
    return lines


def settled_line(job: str, attempt: Attempt) -> Line:
    """Return the ``settled`` entry of an attempt."""
    return {
        "kind": "settled",
        "job": job,
        "attempt": attempt.number,
        "verdict": attempt.verdict.value,
        "reason": attempt.reason,
        "detail": attempt.detail,
        "seconds": attempt.seconds,
        "started_at": attempt.started_at,
        "finished_at": attempt.finished_at,
        "output_hash": attempt.output_hash,
        "metrics": dict(attempt.metrics),
        "by": attempt.by,
    }


def _claimed_line(job: str, attempt: Attempt) -> Line:
    return {
        "kind": "claimed",
        "job": job,
        "attempt": attempt.number,
        "token": attempt.token,
        "fingerprint": attempt.fingerprint,
        "inputs": dict(attempt.inputs),
        "worker": attempt.worker,
    }


def _started_line(job: str, attempt: Attempt) -> Line:
    return {
        "kind": "started",
        "job": job,
        "attempt": attempt.number,
        "started_at": attempt.started_at,
    }


def _settled(attempt: Attempt, found: Fields) -> Attempt:
    known = {name: value for name, value in found.items() if value is not None}
    return replace(attempt, **{**known, "verdict": Verdict(found["verdict"])})
