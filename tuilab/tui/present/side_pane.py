"""Writes the right pane of a wide grid: what runs, the queue, the meter's past, events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuilab.contract.foreign import clean_line
from tuilab.grid.engine_view import Meter
from tuilab.grid.states import JobStatus, State
from tuilab.grid.text import clock, count_of, duration
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.glyphs import Glyphs, level
from tuilab.tui.present.header import meter_text
from tuilab.tui.present.styled_text import Line, fit, fit_line, rule, sides, wrap


def side_pane(snapshot: Snapshot, columns: int, rows: int, glyphs: Glyphs) -> list[Line]:
    """Return exactly ``rows`` lines; the queue and the events share what the meter leaves."""
    columns -= 1
    meter = _meter_lines(snapshot, columns, glyphs)
    free = max(0, rows - len(meter) - 2)
    queue = queue_lines(snapshot, columns, max(2, free // 2), glyphs)
    lines = [rule("queue", str(len(snapshot.queue) or ""), columns, glyphs.stroke), *queue]
    lines += meter
    lines.append(rule("events", "", columns, glyphs.stroke))
    lines += event_lines(snapshot, columns, max(0, rows - len(lines)), glyphs)
    padded: list[Line] = (lines + [()] * rows)[:rows]
    return [((glyphs.upright, "rule"), *line) for line in padded]


def running_jobs(snapshot: Snapshot) -> list[JobStatus]:
    """Return the live jobs, shared ones first."""
    own = [job for view in snapshot.cells if view.state is State.RUNNING for job in view.jobs]
    return [job for job in (*snapshot.shared, *own) if job.state is State.RUNNING]


def queue_lines(snapshot: Snapshot, columns: int, limit: int, glyphs: Glyphs) -> list[Line]:
    """List the live jobs with percent, then the due ones in launch order."""
    lines: list[Line] = []
    for job in running_jobs(snapshot):
        percent = "" if job.percent is None else f"{job.percent:.0f}%"
        sign = glyphs.running(job.stage.value)
        lines.append(
            sides(((f" {sign} {job.job}", "running"),), ((f"{percent} ", "running"),), columns)
        )
    for number, name in enumerate(snapshot.queue, 1):
        lines.append(fit_line(((f" {number:>2} ", "muted"), (name, "queued")), columns))
    if not lines:
        return [((" nothing runs, nothing waits", "muted"),)]
    if len(lines) > limit:
        hidden = len(lines) - limit + 1
        lines = [*lines[: limit - 1], ((f"    and {hidden} more: u", "muted"),)]
    return lines


def _meter_lines(snapshot: Snapshot, columns: int, glyphs: Glyphs) -> list[Line]:
    engine = snapshot.engine
    text = meter_text(engine.meter)
    if not text:
        return []
    past = [load_of(meter) for meter in engine.history][-(columns - 2) :]
    trend = "".join(" " if load is None else level(load / 100, glyphs) for load in past)
    name = "GPU" if engine.meter.gpus else "CPU"
    return [
        rule(name, "", columns, glyphs.stroke),
        ((" " + fit(text, columns - 1, glyphs.ellipsis), "text"),),
        ((" " + trend, "trend"),),
    ]


def load_of(meter: Meter) -> float | None:
    """Return how busy the machine is in percent: the mean of its GPUs, otherwise the CPU."""
    if meter.gpus:
        known = [float(gpu["percent"]) for gpu in meter.gpus if gpu.get("percent") is not None]
        return sum(known) / len(known) if known else None
    return meter.cpu_percent


def event_lines(snapshot: Snapshot, columns: int, limit: int, glyphs: Glyphs) -> list[Line]:
    """Write the last journal lines, newest first; a long one goes on below, as its end tells."""
    lines: list[Line] = []
    for event in reversed(snapshot.events[-limit:] if limit else ()):
        text, role = event_text(event)
        begin = f" {clock(event.get('at'))[:5]} "
        first, *rest = wrap(text, max(8, columns - len(begin)), limit=2)
        lines.append(((begin, "muted"), (first, role)))
        lines += [((" " * (len(begin) + 1), ""), (part, role)) for part in rest]
    return [fit_line(line, columns) for line in lines[:limit]] or [((" nothing yet", "muted"),)]


def event_text(event: Mapping[str, Any]) -> tuple[str, str]:
    """Write one journal line as (text, role); every part of it is foreign."""
    kind = str(event.get("kind", ""))
    job = str(event.get("job", ""))
    if kind == "settled":
        verdict = str(event.get("verdict", ""))
        reason = f" {event['reason']}" if event.get("reason") else ""
        took = f" {duration(event['seconds'])}" if event.get("seconds") else ""
        return clean_line(f"{job} {verdict}{reason}{took}", 200), verdict
    if kind in ("claimed", "started"):
        return clean_line(f"{job} {kind}", 200), "running" if kind == "started" else "muted"
    if kind == "wanted":
        verb = event.get("verb", "run")
        number = int(event.get("count") or len(event.get("jobs", ())))  # long lists are counted
        return clean_line(f"{verb}: {count_of(number, 'job')}", 200), "queued"
    text = next((str(event[key]) for key in ("why", "text", "mode", "verb") if event.get(key)), "")
    return clean_line(f"{kind} {text} {job}".strip(), 200), "text"
