"""Every measured value of an experiment as rows, and its completions, read from the attempts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tuilab.contract.report import Outcome
from tuilab.grid.cells import Cell
from tuilab.grid.edits import behind, edits_text
from tuilab.grid.jobs import Job, job_id
from tuilab.grid.stages import Stage
from tuilab.grid.states import Attempt, JobStatus, State
from tuilab.store import results_only
from tuilab.store.attempts import readable_outcome
from tuilab.store.reader import Reader
from tuilab.store.snapshot import CellView
from tuilab.store.stage_checks import COMPLETIONS_FILE, read_rows

COLUMNS = results_only.COLUMNS
"""Keys of a row, in order."""
MEASURED, MISSING, FAILED, SUSPECT, STALE = "measured", "missing", "failed", "suspect", "stale"
ALL = "all"
"""Persona of a rate that is taken over the completions of every persona."""
_VALUED = {State.DONE: MEASURED, State.STALE: STALE, State.SUSPECT: SUSPECT}
_ENDED_BADLY = frozenset({State.FAILED, State.LOST, State.STOPPED})
_WORDS = {
    State.IDLE: "nobody has asked for it",
    State.WAITING: "not run yet",
    State.QUEUED: "not run yet",
    State.RUNNING: "still running",
}
Row = dict[str, Any]


def measurement_rows(reader: Reader, now: float) -> list[Row]:
    """Return one row per value that was measured or should have been, by cell in grid order.

    Columns are ``COLUMNS``; rates are 0..1 with hits and n. Status says measured, stale, suspect
    (a value that aggregates leave out), failed or missing (no value; the reason says why);
    edits name the settings of a measured value that are not the config's.
    """
    snapshot = reader.poll(now)
    if snapshot.read_only:
        return results_only.read_measurements(snapshot.root)
    return [row for view in snapshot.cells for row in _cell_rows(reader, view)]


def question_hits(reader: Reader, now: float) -> dict[Cell, dict[str, list[int]]]:
    """Return hits per question and persona of every cell with a valid eval; {} for tables."""
    found = {}
    for view in reader.poll(now).cells:
        status = _status_of(view, Stage.EVAL)
        if status is None or status.state is not State.DONE:
            continue
        outcome = _outcome(reader, status)
        if outcome is not None and outcome.metrics.get("question_hits"):
            found[view.cell] = dict(outcome.metrics["question_hits"])
    return found


def completions(reader: Reader, cell: Cell) -> Iterator[Row]:
    """Yield the completions of a cell's newest eval with any: persona, question_index, text, hit.

    Nothing when there are none. Raises OSError or ValueError where the file is damaged.
    """
    path = completions_file(reader, cell)
    return read_rows(path) if path is not None else iter(())


def completions_of(reader: Reader, job: str, attempt: int) -> Iterator[Row]:
    """Yield the completions that one attempt of an eval left; nothing when it left none.

    Raises OSError or ValueError where the file is damaged.
    """
    path = reader.layout.attempt_dir(job, attempt) / COMPLETIONS_FILE
    return read_rows(path) if path.is_file() else iter(())


def completions_file(reader: Reader, cell: Cell) -> Path | None:
    """Return the completions of the newest done attempt, else of the newest that left some."""
    if reader.is_results_only:
        return None
    name = job_id(Stage.EVAL, cell.source, cell.epoch, cell.seed)
    evidence = reader.of(name)
    done = [evidence.last_done] if evidence.last_done else []
    for attempt in [*done, *reversed(evidence.attempts)]:
        path = reader.layout.attempt_dir(name, attempt.number) / COMPLETIONS_FILE
        if path.is_file():
            return path
    return None


def _cell_rows(reader: Reader, view: CellView) -> Iterator[Row]:
    for stage, rows_of in ((Stage.EVAL, _eval_rows), (Stage.COSINE, _cosine_rows)):
        status = _status_of(view, stage)
        if status is None:
            continue
        job = reader.plan.by_id[status.job]
        kind = _VALUED.get(status.state)
        outcome = _outcome(reader, status) if kind else None
        if kind and outcome is not None:
            told = {"status": kind, "reason": status.detail or None}
            if status.state is State.DONE:  # only then did it run as it is planned
                edits = behind(view.deviation, is_cosine=stage is Stage.COSINE)
                told["edits"] = edits_text(edits) or None
            yield from rows_of(reader, job, outcome, told)
        else:
            yield from _absent(reader, job, status)
    if view.state is State.DONE:
        yield _row(view.cell, "minutes", value=view.seconds / 60, status=MEASURED)


def _eval_rows(
    reader: Reader, job: Job, outcome: Outcome, told: Mapping[str, Any]
) -> Iterator[Row]:
    leakage = outcome.metrics.get("leakage") or {}
    assert job.cell is not None, "eval belongs to a cell"
    for persona in dict.fromkeys((*_panel(reader, job), *leakage)):
        raw = leakage.get(persona) or {}
        if not raw.get("n"):
            reason = f"{persona} is missing from the outcome"
            yield _row(job.cell, "leakage", persona=persona, status=MISSING, reason=reason)
            continue
        hits, n = int(raw["hits"]), int(raw["n"])
        yield _row(job.cell, "leakage", persona=persona, value=hits / n, hits=hits, n=n, **told)
    yield from _health_rows(job.cell, outcome.metrics.get("health") or {}, told)


def _health_rows(cell: Cell, health: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[Row]:
    """Rates over all completions of the cell; one row each, not one per persona."""
    n = health.get("n")
    if not isinstance(n, int) or n <= 0:
        return
    eos_rate, cut, repeated = (health.get(key) for key in ("eos_rate", "cut", "repeated"))
    counts = {
        "eos_rate": round(eos_rate * n) if isinstance(eos_rate, int | float) else None,
        "cut_rate": cut,
        "repeat_rate": repeated,
    }
    for metric, hits in counts.items():
        if isinstance(hits, int):
            yield _row(cell, metric, persona=ALL, value=hits / n, hits=hits, n=n, **told)


def _cosine_rows(
    reader: Reader, job: Job, outcome: Outcome, told: Mapping[str, Any]
) -> Iterator[Row]:
    assert job.cell is not None, "cosine belongs to a cell"
    for entry in outcome.metrics.get("cosine") or ():
        scale = {key: entry.get(key) for key in ("layer", "pool", "model_state")}
        value = entry.get("value")
        if isinstance(value, int | float) and math.isfinite(value):
            yield _row(job.cell, "cosine", value=float(value), n=None, **scale, **told)
        else:
            reason = "the centroid is the pool's mean: there is no direction to compare"
            yield _row(job.cell, "cosine", **scale, status=MISSING, reason=reason)


def _absent(reader: Reader, job: Job, status: JobStatus) -> Iterator[Row]:
    """One row that says why the headline number of a stage is not there."""
    is_bad = status.state in _ENDED_BADLY
    told = {"status": FAILED if is_bad else MISSING, "reason": _why_absent(status)}
    assert job.cell is not None, "only jobs of cells are measured"
    if job.stage is Stage.EVAL:
        yield _row(job.cell, "leakage", persona=reader.plan.target, **told)
    else:
        yield _row(job.cell, "cosine", **reader.plan.headline_cosine, **told)


def _why_absent(status: JobStatus) -> str:
    """Say why a stage has no number, in words that are true of its state."""
    if status.state in _VALUED:
        return f"the outcome of attempt {status.attempt} cannot be read any more"
    words = _WORDS.get(status.state) or status.reason or status.state.value
    return f"{words}: {status.detail}" if status.detail else words


def _row(cell: Cell, metric: str, **fields: Any) -> Row:
    row: Row = dict.fromkeys(COLUMNS)
    row |= {"source": cell.source, "epoch": cell.epoch, "seed": cell.seed, "metric": metric}
    return row | fields


def _panel(reader: Reader, job: Job) -> list[str]:
    panel = reader.plan.settings.get(job.settings, {}).get("panel", ())
    return [persona["key"] for persona in panel]


def _status_of(view: CellView, stage: Stage) -> JobStatus | None:
    return next((status for status in view.jobs if status.stage is stage), None)


def _outcome(reader: Reader, status: JobStatus) -> Outcome | None:
    found = _attempt(reader, status)
    if found is None:
        return None
    return readable_outcome(reader.layout.attempt_dir(status.job, found.number))


def _attempt(reader: Reader, status: JobStatus) -> Attempt | None:
    """The attempt that the state speaks of: the newest done one, or the suspect last one."""
    evidence = reader.of(status.job)
    return evidence.last if status.state is State.SUSPECT else evidence.last_done
