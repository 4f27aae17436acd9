"""Every measured value of an experiment as rows, and its completions, read from the attempts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tuilab.contract.report import Outcome, readable_outcome
from tuilab.contract.spec import SPEC_FILE, SpecError, read_spec
from tuilab.grid.cells import Cell
from tuilab.grid.edits import behind, edits_text
from tuilab.grid.jobs import Job, Plan, job_id
from tuilab.grid.metrics import COLUMNS, METRICS, TIME, Measure, Of, measures, metric_keys
from tuilab.grid.settings import Settings, asked_by
from tuilab.grid.stages import Stage
from tuilab.grid.states import Attempt, JobStatus, State
from tuilab.store import results_only
from tuilab.store.reader import Reader
from tuilab.store.snapshot import CellView
from tuilab.store.stage_checks import COMPLETIONS_FILE, read_rows

MEASURED, MISSING, FAILED, SUSPECT, STALE = "measured", "missing", "failed", "suspect", "stale"
ROUNDING = 1e-6
"""How far beyond its bounds a value may be by rounding alone."""
_VALUED = {State.DONE: MEASURED, State.STALE: STALE, State.SUSPECT: SUSPECT}
_ENDED_BADLY = frozenset({State.FAILED, State.LOST, State.STOPPED})
_WORDS = {
    State.IDLE: "nobody has asked for it",
    State.WAITING: "not run yet",
    State.QUEUED: "not run yet",
    State.RUNNING: "still running",
}
SCORES_FILE = "scores.jsonl.gz"
_PLACE = ("persona", "question_index", "sample")
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
    return [row for view in snapshot.cells for row in cell_rows(reader, view)]


def completions(reader: Reader, cell: Cell) -> Iterator[Row]:
    """Yield the completions of a cell's newest eval with any, as ``completions_of`` does."""
    path = completions_file(reader, cell)
    if path is None:
        return iter(())
    job = job_id(Stage.EVAL, cell.source, cell.epoch, cell.seed)
    return completions_of(reader, job, int(path.parent.name.rpartition("-")[2]))


def completions_of(reader: Reader, job: str, attempt: int) -> Iterator[Row]:
    """Yield the completions that one attempt of an eval left; nothing when it left none.

    Each has persona, question_index, sample, text, ``hit`` (of the marker; without one, of any
    measure) and, where measures have read it, ``hits``: the names of those it is a hit of. Raises
    OSError or ValueError where a file is damaged.
    """
    path = reader.layout.attempt_dir(job, attempt) / COMPLETIONS_FILE
    if not path.is_file():
        return
    scores = _scores(reader, job, attempt)
    for row in read_rows(path):
        key = (row.get("set", ""), *(row.get(name) for name in _PLACE))
        names = scores.get(key)
        yield row if names is None else {"hit": bool(names), **row, "hits": names}


def _scores(reader: Reader, job: str, attempt: int) -> dict[tuple[Any, ...], tuple[str, ...]]:
    """Return the measures that each completion of an eval is a hit of, by set and place.

    Scores of another attempt of the eval say nothing of these completions.
    """
    found: dict[tuple[Any, ...], tuple[str, ...]] = {}
    for child in reader.plan.children.get(job, ()):
        done = reader.of(child).last_done
        if done is None or done.read.get(job) != attempt:
            continue
        measures_ = reader.plan.settings[reader.plan.by_id[child].settings].get("measures", ())
        sets = {one["key"]: one.get("set", "") for one in measures_}
        path = reader.layout.attempt_dir(child, done.number) / SCORES_FILE
        for row in read_rows(path) if path.is_file() else ():
            key = (sets.get(row["measure"], ""), *(row.get(name) for name in _PLACE))
            name = str(row["measure"]).partition(".")[2]
            found[key] = (*found.get(key, ()), *([name] if row.get("hit") else []))
    return found


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


def cell_rows(reader: Reader, view: CellView) -> Iterator[Row]:
    """Yield the rows of one cell, as ``measurement_rows`` has them."""
    if reader.is_results_only:
        place = _place(view.cell)
        table = results_only.read_measurements(reader.layout.root)
        yield from (row for row in table if all(row[key] == place[key] for key in place))
        return
    planned = measures(reader.plan.measured)
    measuring = {measure.stage for measure in planned.values()}
    for status in view.jobs:
        if status.stage not in measuring:
            continue
        kind = _VALUED.get(status.state)
        outcome = _outcome(reader, status) if kind else None
        known = planned | measures(outcome.metrics if outcome else ())
        recorded = [one for one in known.values() if one.stage is status.stage]
        job = reader.plan.by_id[status.job]
        told: Row = {"status": kind, "reason": status.detail or None}
        if outcome is None:
            is_bad = status.state in _ENDED_BADLY
            told = {"status": FAILED if is_bad else MISSING, "reason": _why_absent(status)}
        elif status.state is State.DONE:  # only then did it run as it is planned
            edits = behind(view.deviation, status.stage)
            told |= {"edits": edits_text(edits) or None, "accepted": status.accepted or None}
        for measure in recorded:
            found = outcome.metrics if outcome is not None else None
            has_questions = bool(found) and measure.of is Of.PERSONA and measure.unit.is_rate
            asked = _asked(reader, view, status, measure) if has_questions else ""
            for row in _rows(measure, found, told, _panel(reader, job), reader.plan):
                named = {"questions": asked or None} if row.get("question_hits") else {}
                yield dict.fromkeys(COLUMNS) | _place(view.cell) | row | named
    if view.state is State.DONE:
        told = {"metric": TIME.name, "value": view.seconds / 60, "status": MEASURED}
        yield dict.fromkeys(COLUMNS) | _place(view.cell) | told


def _asked(reader: Reader, view: CellView, status: JobStatus, measure: Measure) -> str:
    """The hash of the questions that a measure asked in a cell; "" where it is not known."""
    evals = (one for one in view.jobs if one.stage is Stage.EVAL)
    settings = _settings(reader, status)
    sampling = next((_settings(reader, one) for one in evals), {})
    return asked_by(status.stage, measure.name, settings, sampling)


def _settings(reader: Reader, status: JobStatus) -> Settings:
    """The settings that a result was made with: those of the plan only where it is current."""
    found = _attempt(reader, status)
    if (status.state is State.DONE and not status.accepted) or found is None:
        return reader.plan.settings[reader.plan.by_id[status.job].settings]
    try:
        return read_spec(reader.layout.attempt_dir(status.job, found.number) / SPEC_FILE).settings
    except SpecError:
        return {}


def _rows(
    measure: Measure, outcome: Mapping[str, Any] | None, told: Row, panel: Sequence[str], plan: Plan
) -> Iterator[Row]:
    """Yield a row for each value of a measure, and for each that ought to be there and is not."""
    found = list(measure.rows(outcome)) if outcome is not None else []
    if not found:
        if measure.of is Of.COMPLETIONS or not _is_shown(measure, plan):
            return
        place = {Of.PERSONA: {"persona": plan.target}, Of.SCALE: plan.headline_cosine}
        gone = {"status": MISSING, "reason": f"the outcome has no {measure.name}"}
        yield {"metric": measure.name, **place.get(measure.of, {}), **(gone if outcome else told)}
        return
    if measure.of is Of.PERSONA:
        rows = {row["persona"]: row for row in found}
        absent = {"metric": measure.name, "value": None}
        names = dict.fromkeys((*panel, *rows))
        found = [rows.get(name, absent | {"persona": name}) for name in names]
    for row in found:
        value = row["value"]
        if isinstance(value, int | float) and math.isfinite(value):
            yield row | told | _within(measure, value)
            continue
        yield row | _NOTHING | {"status": MISSING, "reason": _why_none(measure, row)}


_NOTHING: Row = {"value": None, "hits": None, "n": None, "question_hits": None}


def _why_none(measure: Measure, row: Row) -> str:
    if measure.of is Of.SCALE:
        return "the centroid is the pool's mean: there is no direction to compare"
    if row.get("n") == 0:
        return f"nothing of {row.get('persona')} has a score"
    return f"{row.get('persona')} is missing from the outcome"


def _within(measure: Measure, value: float) -> Row:
    """What becomes of a value beside what its unit allows: rounding is cut, nonsense is no value.

    One such value costs its own row; the frame would refuse all rows of the experiment.
    """
    low, high = measure.unit.low, measure.unit.high
    kept = min(max(value, low), high)
    if abs(value - kept) <= ROUNDING:
        return {"value": kept}
    said = f"the outcome has {measure.name} {value:g}, which is not within {low:g} and {high:g}"
    return {"value": None, "status": FAILED, "reason": said}


def _is_shown(measure: Measure, plan: Plan) -> bool:
    """Whether a number of the cell is picked out of it, so that it is missed."""
    return any(METRICS[key].measure == measure for key in metric_keys(plan.measured))


def _why_absent(status: JobStatus) -> str:
    """Say why a stage has no number, in words that are true of its state."""
    if status.state in _VALUED:
        return f"the outcome of attempt {status.attempt} cannot be read any more"
    words = _WORDS.get(status.state) or status.reason or status.state.value
    return f"{words}: {status.detail}" if status.detail else words


def _place(cell: Cell) -> Row:
    return {"source": cell.source, "epoch": cell.epoch, "seed": cell.seed}


def _panel(reader: Reader, job: Job) -> list[str]:
    panel = reader.plan.settings.get(job.settings, {}).get("panel", ())
    return [persona["key"] for persona in panel]


def _outcome(reader: Reader, status: JobStatus) -> Outcome | None:
    found = _attempt(reader, status)
    if found is None:
        return None
    return readable_outcome(reader.layout.attempt_dir(status.job, found.number))


def _attempt(reader: Reader, status: JobStatus) -> Attempt | None:
    """The attempt that the state speaks of: the newest done one, or the suspect last one."""
    evidence = reader.of(status.job)
    return evidence.last if status.state is State.SUSPECT else evidence.last_done
