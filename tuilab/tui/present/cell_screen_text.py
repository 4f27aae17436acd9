"""Writes the cell screen: stage chain, parameters with differences, artefacts and checks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from tuilab.contract.foreign import clean_line
from tuilab.grid.cells import Cell
from tuilab.grid.endings import ending_words, short_ending
from tuilab.grid.jobs import job_id, shared_by
from tuilab.grid.stages import ORDER, OWN_STAGES
from tuilab.grid.states import LIVE, Attempt, JobStatus, State, Verdict
from tuilab.grid.text import count_of, duration, size, whole_percent
from tuilab.store.snapshot import CellView, Snapshot
from tuilab.tui.present.glyphs import Glyphs
from tuilab.tui.present.grid_table import find
from tuilab.tui.present.styled_text import Line, Piece, fit, fit_line, width

if TYPE_CHECKING:
    from tuilab.tui.attempt_files import AttemptFiles

Row = tuple[str, Line]


def chain_of(snapshot: Snapshot, view: CellView) -> list[JobStatus]:
    """Return the jobs from this cell's data to its numbers, shared ones first.

    With them the broken job that it waits for, which may be another persona's data.
    """
    cell = view.cell
    shared = {job.job: job for job in snapshot.shared}
    names = [job.blocked_by for job in view.jobs if job.blocked_by]
    names += shared_by(cell, shared, snapshot.target)
    above = [shared[name] for name in dict.fromkeys(names) if name in shared]
    above.sort(key=lambda job: ORDER[job.stage])
    return [*above, *view.jobs]


def speaking_stage(jobs: Sequence[JobStatus], view: CellView) -> int:
    """Return the place of the stage that the cell's state speaks of; eval when it is done.

    Where a broken shared job is in the way, that one speaks.
    """
    wanted = view.stage or "eval"
    above = next((job.blocked_by for job in view.jobs if job.blocked_by), "")
    for place, job in enumerate(jobs):
        if job.job == above:
            return place
        if job.stage.value == wanted and job.job.endswith(str(view.cell)):
            return place
    return len(jobs) - 1


def chain_line(jobs: Sequence[JobStatus], here: int, columns: int, glyphs: Glyphs) -> Line:
    """Write the chain; the chosen stage stands in brackets, times go where room is short."""
    for with_times in (True, False):
        line = _chain(jobs, here, glyphs, with_times)
        if width(line) <= columns:
            return line
    return fit_line(line, columns)


def _chain(jobs: Sequence[JobStatus], here: int, glyphs: Glyphs, with_times: bool) -> Line:
    pieces: list[Piece] = [(" ", "")]
    for place, job in enumerate(jobs):
        if place:
            pieces.append((f" {glyphs.arrow} " if with_times else " ", "rule"))
        at = place == here
        sign = (
            glyphs.running(job.stage.value)
            if job.state is State.RUNNING
            else glyphs.states[job.state]
        )
        took = f" {_took(job)}" if (with_times or at) and _took(job) else ""
        again = f" x{job.attempt}" if job.attempt > 1 else ""
        text = f"{job.stage.value} {sign}{took}{again}"
        role = job.state.value
        pieces.append((f"[{text}]" if at else text, f"{role} here" if at else role))
    return tuple(pieces)


def _took(job: JobStatus) -> str:
    if job.state is State.RUNNING:
        return whole_percent(job.percent)
    return duration(job.seconds) if job.seconds else ""


def parameter_rows(
    mine: Mapping[str, str], other: Mapping[str, str] | None, columns: int
) -> list[Row]:
    """List settings; with ``other`` those that differ come first, both values shown."""
    keys = [*mine, *(key for key in other or {} if key not in mine)]
    label = min(34, max((len(key) for key in keys), default=8))
    rows: list[Row] = []
    differing = [key for key in keys if other is not None and mine.get(key) != other.get(key)]
    for key in differing:
        here, there = mine.get(key, "absent"), (other or {}).get(key, "absent")
        line: Line = (
            (f"{fit(clean_line(key, 60), label)}  ", "stale"),
            (clean_line(here, 200), "strong"),
            (f"   vs {clean_line(there, 200)}", "stale"),
        )
        rows.append((key, fit_line(line, columns)))
    for key in keys:
        if key not in differing:
            line = (
                (f"{fit(clean_line(key, 60), label)}  ", "muted"),
                (clean_line(mine.get(key, ""), 200), "text"),
            )
            rows.append((key, fit_line(line, columns)))
    return rows


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return settings as dotted key to short text; long lists are counted, not listed."""
    found: dict[str, str] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, list) and value and len(value) < 5 and isinstance(value[0], Mapping):
            value = {str(place): one for place, one in enumerate(value)}
        if isinstance(value, Mapping) and value:
            found.update(flatten(value, f"{name}."))
        else:
            found[name] = _short(value)
    return found


def _short(value: Any) -> str:
    if isinstance(value, list | tuple):
        if all(isinstance(item, str | int | float) for item in value) and len(value) <= 8:
            return ", ".join(map(str, value))
        return f"{count_of(len(value), 'item')}, hash {_mark(value)}"
    return json.dumps(value) if isinstance(value, bool) or value is None else str(value)


def _mark(value: Iterable[Any]) -> str:
    """A short sign by which equal lists are equal and others differ."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def difference_words(other: Mapping[str, str] | None, mine: Mapping[str, str], name: str) -> str:
    """Say how many settings differ from what they are compared with."""
    if other is None:
        return "d compares with another epoch or an earlier attempt"
    if not other:
        return f"{name} has no settings yet"
    count = sum(1 for key in {*mine, *other} if mine.get(key) != other.get(key))
    differ = count_of(count, "setting differs", "settings differ")
    return f"{differ} from {name}" if count else f"same as {name}"


def attempt_line(attempt: Attempt) -> Line:
    """Say what became of an attempt that is not the newest."""
    role = "text" if attempt.verdict in LIVE else attempt.verdict.value
    return ((f" attempt {attempt.number} {clean_line(ending_words(attempt), 300)}", role),)


def attempt_tail(number: int, count: int, attempt: Attempt | None) -> str:
    """Write which attempt is shown and, in a word, how it ended when it ended badly."""
    ending = short_ending(attempt) if attempt is not None else ""
    return f"attempt {number}/{count} {ending}".rstrip()


def _no_outcome(attempt: Attempt | None) -> str:
    if attempt is None or attempt.verdict in LIVE:
        return "no outcome yet: it is written last"
    if attempt.verdict is Verdict.DONE:
        return "its outcome file is gone; the journal has its numbers"
    return f"no outcome: {clean_line(ending_words(attempt), 300)}"


def artefact_rows(
    files: AttemptFiles, status: JobStatus | None, columns: int, attempt: Attempt | None = None
) -> list[Row]:
    """List files with size, hash and whether they lie there; then checks, times and memory."""
    rows: list[Row] = []
    if files.problem:
        rows.append(("problem", ((clean_line(files.problem, 300), "failed"),)))
    if status is not None:
        rows.append(("contract", _contract(status)))
    path = min(44, max((len(one.path) for one in files.artefacts), default=10))
    for one in files.artefacts:
        role = "done" if one.found == "ok" else "failed"
        line: Line = (
            (fit(clean_line(one.path, 200), path), "label"),
            (f" {size(one.size):>8}  ", "text"),
            (f"{one.sha256[:12]}  ", "muted"),
            (one.found, role),
        )
        rows.append((one.path, line))
    outcome = files.outcome
    if outcome is None:
        rows.append(("none", ((_no_outcome(attempt), "muted"),)))
        return rows
    for title, values in (
        ("check", outcome.checks),
        ("time", {key: duration(value) for key, value in outcome.timings.items()}),
        ("peak memory", {key: size(value) for key, value in outcome.peak_memory.items()}),
        ("ran on", flatten(outcome.environment)),
    ):
        for key, value in values.items():
            text = clean_line(str(value), 300)
            line = ((f"{title} {clean_line(str(key), 60)}  ", "muted"), (text, "text"))
            rows.append((f"{title} {key}", fit_line(line, columns)))
    return rows


def _contract(status: JobStatus) -> Line:
    words = {
        State.DONE: ("artefacts were re-read and pass all checks", "done"),
        State.STALE: ("artefacts pass all checks, but an input has changed", "stale"),
        State.SUSPECT: ("artefacts fail their checks", "suspect"),
        State.FAILED: ("failed", "failed"),
        State.LOST: ("lost: no outcome, no live process", "lost"),
        State.STOPPED: ("stopped by the operator", "stopped"),
    }
    text, role = words.get(status.state, ("checked when it ends", "muted"))
    why = f": {clean_line(status.detail, 300)}" if status.detail else ""
    return ((f"{text}{why}", role),)


class Other(NamedTuple):
    """An attempt whose settings stand beside those of a cell."""

    job: str
    attempt: int
    """0 when it never ran: what the plan has is meant."""
    name: str


def others(snapshot: Snapshot, cell: Cell, job: JobStatus, attempt: int) -> list[Other]:
    """Return what a stage is compared with: the epochs before and after, the attempt before.

    A shared stage is the same at all epochs, so that only its attempts differ.
    """
    place = snapshot.epochs.index(cell.epoch)
    near = (*snapshot.epochs[max(0, place - 1) : place], *snapshot.epochs[place + 1 :][:1])
    found = []
    for epoch in near if job.stage in OWN_STAGES else ():
        name = job_id(job.stage, cell.source, epoch, cell.seed)
        view = find(snapshot, replace(cell, epoch=epoch))
        ran = (one.attempt for one in view.jobs if one.job == name) if view else iter(())
        found.append(Other(name, next(ran, 0), f"epoch {epoch}"))
    if attempt > 1:
        found.append(Other(job.job, attempt - 1, f"attempt {attempt - 1}"))
    return found
