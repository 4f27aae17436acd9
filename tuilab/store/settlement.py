"""Says what became of one attempt from its files alone: the fields of its ``settled`` line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuilab.contract.reasons import Reason, from_exit
from tuilab.contract.report import EVENTS_FILE, LOG_FILE, OUTCOME_FILE, Outcome, read_outcome
from tuilab.contract.tail import tail_lines
from tuilab.contract.worker import EXIT_FILE, read_json
from tuilab.grid import metrics
from tuilab.grid.jobs import Job, Plan
from tuilab.grid.stages import Stage
from tuilab.grid.states import Verdict
from tuilab.store.attempts import read_claim, read_stop
from tuilab.store.layout import Layout
from tuilab.store.verify import verify_attempt

Fields = dict[str, Any]


def settlement(
    layout: Layout, plan: Plan, job: Job, number: int, *, hash_files: bool = True
) -> Fields | None:
    """Return verdict, reason, detail, times, output hash and metrics of an attempt with an outcome.

    None while there is no outcome. One that cannot be read makes the attempt suspect: it did end.
    """
    directory = layout.attempt_dir(job.id, number)
    try:
        outcome = read_outcome(directory)
    except (OSError, ValueError) as error:
        detail = f"{OUTCOME_FILE} cannot be read: {error}"
        return _fields(Verdict.SUSPECT, Reason.UNKNOWN, detail)
    if outcome is None:
        return None
    settings = plan.settings.get(job.settings, {})
    found = verify_attempt(directory, job, settings, outcome, hash_files=hash_files)
    stop = read_stop(directory) if found.verdict is Verdict.STOPPED else None
    return {
        **_fields(found.verdict, found.reason, found.detail),
        "seconds": outcome.seconds,
        "started_at": outcome.started_at,
        "finished_at": outcome.finished_at,
        "output_hash": outcome.output_hash if found.verdict is Verdict.DONE else "",
        "metrics": headline_metrics(plan, job, outcome),
        "by": stop.by if stop else "",
    }


def ending(layout: Layout, job: Job, number: int) -> Fields:
    """Return the same fields for an attempt without an outcome whose worker is gone.

    Stopped when an operator's mark lies there, failed when the shim's exit record or the log names
    a cause, otherwise lost.
    """
    directory = layout.attempt_dir(job.id, number)
    if stop := read_stop(directory):
        return {**_fields(Verdict.STOPPED, None, f"stopped by {stop.by}"), "by": stop.by}
    claim = read_claim(directory)
    if not (directory / EVENTS_FILE).exists():
        return _fields(Verdict.LOST, None, "no worker ever began it")
    exit_record = read_json(layout.worker_dir(claim.worker) / EXIT_FILE) if claim else None
    return _classified(directory, exit_record)


def _classified(directory: Path, exit_record: Mapping[str, Any] | None) -> Fields:
    code = exit_record.get("exit_code") if exit_record else None
    if not isinstance(code, int):
        return _fields(Verdict.LOST, Reason.KILLED, "its worker is gone and left no exit record")
    kills = exit_record.get("oom_kills") if exit_record else 0
    reason, detail = from_exit(
        code, tail_lines(directory / LOG_FILE), kills if isinstance(kills, int) else 0
    )
    if code == 0 and reason is Reason.UNKNOWN:
        return _fields(Verdict.LOST, Reason.KILLED, "its worker left without an outcome for it")
    if reason is Reason.UNKNOWN:
        detail = f"exit code {code} without an outcome; last line: {detail}"
    return _fields(Verdict.FAILED, reason, detail)


def headline_metrics(plan: Plan, job: Job, outcome: Outcome) -> Fields:
    """Return the few numbers of an outcome that the journal keeps and screens show."""
    if job.stage is Stage.EVAL:
        return metrics.as_json(metrics.from_eval(outcome.metrics, job.source, plan.target))
    if job.stage is Stage.COSINE:
        return metrics.as_json(metrics.from_cosine(outcome.metrics, plan.headline_cosine))
    return {
        name: value
        for name, value in outcome.metrics.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def _fields(verdict: Verdict, reason: str | None, detail: str) -> Fields:
    return {
        "verdict": verdict.value,
        "reason": None if reason is None else str(reason),
        "detail": detail,
    }
