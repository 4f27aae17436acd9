"""Reads the state of an experiment from attempt directories alone: fallback and test oracle."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tuilab.contract.report import OUTCOME_FILE
from tuilab.contract.spec import BASE_COMMIT, SPEC_FILE, Spec, SpecError, read_spec
from tuilab.grid.endings import settled
from tuilab.grid.fingerprint import parts_from
from tuilab.grid.jobs import Job, Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.stages import Stage
from tuilab.grid.states import LIVE, Attempt, Evidence, Verdict
from tuilab.store.attempts import attempt_numbers, attempts_on_disk, number_in, read_claim
from tuilab.store.experiment_id import read_id
from tuilab.store.layout import Layout
from tuilab.store.live_attempts import AttemptFiles, is_worker_alive
from tuilab.store.settlement import ending, settlement

Line = dict[str, Any]


def scan(
    layout: Layout, plan: Plan, jobs: Iterable[str] | None = None, *, hash_files: bool = False
) -> Ledger:
    """Return what the attempts of ``jobs`` (all of the plan when None) say by themselves.

    What only a journal knows (wishes, pauses, holds) is absent. Never raises for what it finds.
    """
    found = (
        attempts_on_disk(layout, plan)
        if jobs is None
        else ((job, attempt_numbers(layout, job)) for job in jobs)
    )
    ledger = Ledger()
    for name, numbers in found:
        job = plan.by_id[name]
        if numbers:
            ledger.evidence[name] = Evidence(
                tuple(_attempt_or_why_not(layout, plan, job, n, hash_files) for n in numbers)
            )
    return ledger


def _attempt_or_why_not(
    layout: Layout, plan: Plan, job: Job, number: int, hash_files: bool
) -> Attempt:
    try:
        return read_attempt(layout, plan, job, number, hash_files=hash_files)
    except Exception as error:  # whatever a stranger left in one attempt costs that one alone
        detail = f"cannot be read: {type(error).__name__}: {error}"
        return Attempt(number, "", "", verdict=Verdict.SUSPECT, detail=detail)


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
        {item.job: item.read or item.output_hash for item in spec.inputs} | _base(job, spec),
        worker,
        parts=parts_from(spec.parts),
        read={one.job: read for one in spec.inputs if (read := number_in(one.path))},
    )
    found = settlement(layout, plan, job, number, hash_files=hash_files)
    if found is None and worker:
        is_gone = is_worker_alive(layout.worker_dir(worker), read_id(layout)) is False
    else:
        is_gone = True
    if found is None and is_gone:
        found = ending(layout, job, number)
    if found is not None:
        return settled(attempt, found)
    files = AttemptFiles(directory)
    if not files.read():
        return attempt
    return replace(attempt, verdict=Verdict.RUNNING, started_at=files.begun_at)


def _base(job: Job, spec: Spec) -> dict[str, str]:
    """Return the commit of the base that an attempt loads, by its fetching job; {} without one."""
    fetch = next((name for name in job.parents if name.startswith(f"{Stage.FETCH}/")), "")
    commit = spec.launch.get(BASE_COMMIT)
    return {fetch: str(commit)} if fetch and commit else {}


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
                started = {"job": job, "attempt": attempt.number, "started_at": attempt.started_at}
                lines.append({"kind": "started", **started})
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
        "by": attempt.by,
        **({"checkpoints": dict(attempt.checkpoints)} if attempt.checkpoints else {}),
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
        **({"parts": attempt.parts.as_json()} if attempt.parts else {}),
        **({"read": dict(attempt.read)} if attempt.read else {}),
    }
