"""Writes the queue and the machine: what runs, what is next and why not yet, who holds what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import heapreplace
from statistics import median

from tuilab.contract.foreign import clean_line
from tuilab.grid.engine_view import EngineState, Meter
from tuilab.grid.states import JobStatus, State
from tuilab.grid.text import MISSING, ago, count_of, duration, gibibytes, moment, whole_percent
from tuilab.grid.why_not import RESULTS_ONLY
from tuilab.grid.why_queued import why_not_yet
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.glyphs import Glyphs
from tuilab.tui.present.header import engine_text
from tuilab.tui.present.machines_text import machines_lines, pending_words
from tuilab.tui.present.side_pane import load_trend, running_jobs
from tuilab.tui.present.styled_text import Line, fit, rule


def queue_rows(
    snapshot: Snapshot, order: Sequence[str], known: Mapping[str, JobStatus], glyphs: Glyphs
) -> list[tuple[str, Line]]:
    """Return (job id, line) of what runs, then of what is due in ``order``.

    Jobs of one cell that follow one another stand under its name; each says when it ends.
    """
    ends, now = expected_ends(snapshot, order, known), snapshot.taken_at
    names = [_cell_name(job) for job in (*order, *known)]
    width = min(32, max((len(name) for name in names), default=10))
    times = {job: f"  ends {moment(at, now)}" for job, at in ends.items()}
    longest = max(map(len, times.values()), default=0)
    rows: list[tuple[str, Line]] = []
    before = ""
    for job in running_jobs(snapshot):
        cell = _cell_name(job.job)
        head = _head("" if cell == before else cell, job.stage.value, "running", width, glyphs)
        sign = (f"     {glyphs.running(job.stage.value)} ", "running")
        end = (times.get(job.job, "").ljust(longest), "label")
        rows.append((job.job, (sign, *head, end, *_so_far(job, now))))
        before = cell
    for number, name in enumerate(order, 1):
        cell, status = _cell_name(name), known.get(name)
        state = status.state if status is not None else State.QUEUED
        head = _head("" if cell == before else cell, _stage(name), state.value, width, glyphs)
        why = "" if status is None else why_not_yet(snapshot.engine, status)
        why = why.replace(f"/{cell}", "")  # a stage of the very cell needs no name
        line: Line = (
            (f"{number:>4} ", "muted"),
            (f"{glyphs.states[state]} ", state.value),
            *head,
            (times.get(name, "").ljust(longest), "label"),
            (f"  {clean_line(why, 120)}", "warn" if is_held(status) else "muted"),
        )
        rows.append((name, line))
        before = cell
    return rows


def _head(cell: str, stage: str, role: str, width: int, glyphs: Glyphs) -> Line:
    return ((fit(cell, width, glyphs.ellipsis), role), (f" {stage:<8}", role))


def _cell_name(job: str) -> str:
    """``eval/villain@4#42`` -> ``villain@4#42``."""
    return job.partition("/")[2] or job


def _stage(job: str) -> str:
    return job.partition("/")[0]


def _so_far(job: JobStatus, now: float) -> Line:
    """Say how far a running job is; one that has reported nothing yet loads."""
    since = "" if job.started_at is None else f"for {duration(max(0.0, now - job.started_at))}"
    if job.percent is None and job.transfer is None:
        return ((f"  starts: loads the model, {since}".rstrip(", "), "text"),)
    return ((f"  {whole_percent(job.percent)} {since}", "text"),)


def expected_ends(
    snapshot: Snapshot, order: Sequence[str], known: Mapping[str, JobStatus]
) -> dict[str, float]:
    """Return the unix time at which each job should end, from what its stage took so far.

    Jobs go in order to the slot that is free first. A job whose stage was never measured has no
    time, nor has any that comes after it.
    """
    if snapshot.engine.state is not EngineState.RUNNING:
        return {}
    typical = typical_seconds(known.values())
    free = [snapshot.taken_at] * max(1, snapshot.engine.workers)
    found: dict[str, float] = {}
    for job in running_jobs(snapshot):
        seconds = typical.get(job.stage.value)
        if seconds is None:
            return found
        found[job.job] = snapshot.taken_at + seconds * (1 - (job.percent or 0.0) / 100)
        heapreplace(free, found[job.job])
    for name in order:
        seconds, status = typical.get(_stage(name)), known.get(name)
        if is_held(status):
            continue
        if seconds is None:
            break
        own = [at for job, at in found.items() if _cell_name(job) == _cell_name(name)]
        found[name] = max([free[0], *own]) + seconds  # after the stages of its cell before it
        heapreplace(free, found[name])
    return found


def typical_seconds(known: Iterable[JobStatus]) -> dict[str, float]:
    """Return the median seconds of each stage's results."""
    times: dict[str, list[float]] = {}
    for job in known:
        if job.result is not None and job.result.attempt.seconds > 0:
            times.setdefault(job.stage.value, []).append(job.result.attempt.seconds)
    return {stage: median(seconds) for stage, seconds in times.items()}


def why_empty(snapshot: Snapshot) -> str:
    """Say why nothing is listed, and what would ask for work."""
    if snapshot.imported_from:
        return RESULTS_ONLY
    return "nothing runs and nothing is queued: r on the grid runs cells"


def is_held(status: JobStatus | None) -> bool:
    """Whether a due job is kept from starting by a person or the breaker."""
    return status is not None and bool(status.held)


def why_not_moved(job: str | None, order: Sequence[str], known: Mapping[str, JobStatus]) -> str:
    """Say why a job has no other place in the queue; "" when it may have one."""
    if job is None or job not in order:
        return "a running job has no place in the queue"
    status = known.get(job)
    if status is not None and status.given_to:
        return f"{job} is already next on a worker"
    return ""


def moved(order: Sequence[str], place: int, step: int) -> list[str]:
    """Return the order with one job moved; at the ends nothing changes."""
    target = place + step
    if not (0 <= place < len(order) and 0 <= target < len(order)):
        return list(order)
    found = list(order)
    found.insert(target, found.pop(place))
    return found


def machine_lines(snapshot: Snapshot, now: float, columns: int, glyphs: Glyphs) -> list[Line]:
    """Write the engine's state and the machine's meters with their past."""
    engine = snapshot.engine
    said = engine_text(engine, glyphs, bool(snapshot.queue))
    state = said if said is not None else ("running", "done")
    told = [count_of(engine.workers, "slot")] if engine.workers else []
    told += [f"pid {engine.pid} on {clean_line(engine.host or '?', 40)}"] if engine.pid else []
    told += [f"heartbeat {ago(now - engine.heartbeat_at)}"] if engine.heartbeat_at else []
    lines: list[Line] = [rule("engine", "", columns, glyphs.stroke)]
    lines.append(((" ", ""), state, *((f"  {one}", "muted") for one in told)))
    if engine.note not in ("", pending_words(engine)):  # the machines below tell of those
        lines.append(((f" {clean_line(engine.note, 200)}", "warn"),))
    if engine.eta_seconds is not None and engine.state is not EngineState.STOPPED:
        left = f" about {duration(engine.eta_seconds)} left"
        if (ends := engine.ends_at(now)) is not None:
            left += f": all ends at {moment(ends, now)}"
        lines.append(((left, "text"),))
    lines += machines_lines(engine, snapshot.statuses, columns, glyphs)
    lines += _meter_lines(engine.meter, engine.history, columns, glyphs)
    return lines


def _meter_lines(
    meter: Meter, history: Sequence[Meter], columns: int, glyphs: Glyphs
) -> list[Line]:
    lines: list[Line] = []
    for gpu in meter.gpus:
        name = clean_line(str(gpu.get("name", "")), 30)
        busy, used, total = map(gpu.get, ("percent", "memory_used", "memory_total"))
        lines.append(_bar(f"GPU{gpu.get('index', '')} {name}", busy, used, total, glyphs))
        if jobs := gpu.get("jobs"):
            names = clean_line(", ".join(map(str, jobs)), columns - 8)
            lines.append(((f"      {names}", "running"),))
        if gpu.get("unattributed"):
            held = gibibytes(gpu["unattributed"])
            lines.append(((f"      {held} GiB are in use by other processes", "warn"),))
    if meter.cpu_percent is not None:
        lines.append(_bar("CPU", meter.cpu_percent, meter.memory_used, meter.memory_total, glyphs))
    if history:
        name = f"{'GPU' if meter.gpus else 'CPU'} history"
        trend = load_trend(history, columns - 25, glyphs)
        lines.append(((f" {fit(name, 22)} ", "label"), (trend, "trend")))
    if not lines:
        lines.append(((" no readings", "muted"),))
    return [rule("machine", "", columns, glyphs.stroke), *lines]


def _bar(
    name: str, percent: float | None, used: float | None, total: float | None, glyphs: Glyphs
) -> Line:
    filled = round(20 * (percent or 0) / 100)
    share = whole_percent(percent) or MISSING
    memory = f"{gibibytes(used)} of {gibibytes(total)} GiB" if total else ""
    return (
        (f" {fit(name, 22)} ", "label"),
        (glyphs.full * filled, "running"),
        (glyphs.empty * (20 - filled), "rule"),
        (f" {share:>4}  {memory}", "text"),
    )
