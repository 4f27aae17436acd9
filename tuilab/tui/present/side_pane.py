"""Writes the right pane of a wide grid: what runs, the queue, the meter's past, events."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tuilab.contract.foreign import clean_line
from tuilab.grid.engine_view import Meter
from tuilab.grid.history import Event, events_of
from tuilab.grid.states import JobStatus, State
from tuilab.grid.text import clock, whole_percent
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.glyphs import Glyphs, level
from tuilab.tui.present.header import meter_text
from tuilab.tui.present.styled_text import Line, fit, fit_line, rule, sides, wrap

Closer = Callable[[int, int], list[Line]]
"""Writes at most so many (columns, rows) about the cell under the cursor."""
_NEWS = 5
"""Rows that events keep, their rule among them."""


def side_pane(
    snapshot: Snapshot,
    events: Sequence[Event],
    columns: int,
    rows: int,
    glyphs: Glyphs,
    closer: Closer | None = None,
) -> list[Line]:
    """Return exactly ``rows`` lines: the cell under the cursor, what runs, the machine, events.

    ``events`` are ``last_events`` of the snapshot: to tell them again at every key would be slow.
    """
    columns -= 1
    lines: list[Line] = []
    work = [] if snapshot.imported_from else _work_lines(snapshot, columns, rows, glyphs)
    news = 0 if snapshot.imported_from else _NEWS
    if closer is not None:
        lines += closer(columns, max(0, rows - len(work) - news))
    lines += work
    if news and rows - len(lines) >= 2:
        lines.append(rule("events", "v history", columns, glyphs.stroke))
        lines += event_lines(events, columns, rows - len(lines))
    padded: list[Line] = (lines + [()] * rows)[:rows]
    return [((glyphs.upright, "rule"), *line) for line in padded]


def _work_lines(snapshot: Snapshot, columns: int, rows: int, glyphs: Glyphs) -> list[Line]:
    """Write the queue and the meter; a queue in which nothing is takes no room."""
    meter = _meter_lines(snapshot, columns, glyphs)
    if not snapshot.queue and not running_jobs(snapshot):
        return meter
    listed = queue_lines(snapshot, columns, max(2, min(10, rows // 4)), glyphs)
    return [rule("queue", str(len(snapshot.queue) or ""), columns, glyphs.stroke), *listed, *meter]


def running_jobs(snapshot: Snapshot) -> list[JobStatus]:
    """Return the live jobs, shared ones first."""
    own = [job for view in snapshot.cells if view.state is State.RUNNING for job in view.jobs]
    return [job for job in (*snapshot.shared, *own) if job.state is State.RUNNING]


def queue_lines(snapshot: Snapshot, columns: int, limit: int, glyphs: Glyphs) -> list[Line]:
    """List the live jobs with percent, then the due ones in launch order."""
    lines: list[Line] = []
    for job in running_jobs(snapshot):
        sign = glyphs.running(job.stage.value)
        lines.append(
            sides(
                ((f" {sign} {job.job}", "running"),),
                ((f"{whole_percent(job.percent)} ", "running"),),
                columns,
            )
        )
    for number, name in enumerate(snapshot.queue, 1):
        lines.append(fit_line(((f" {number:>2} ", "muted"), (name, "queued")), columns))
    if not lines:
        return [((" nothing running, nothing queued", "muted"),)]
    if len(lines) > limit:
        hidden = len(lines) - limit + 1
        lines = [*lines[: limit - 1], ((f"    and {hidden} more: u", "muted"),)]
    return lines


def _meter_lines(snapshot: Snapshot, columns: int, glyphs: Glyphs) -> list[Line]:
    engine = snapshot.engine
    text = meter_text(engine.meter)
    if not text:
        return []
    trend = load_trend(engine.history, columns - 2, glyphs)
    name = "GPU" if engine.meter.gpus else "CPU"
    return [
        rule(name, "", columns, glyphs.stroke),
        ((" " + fit(text, columns - 1, glyphs.ellipsis), "text"),),
        ((" " + trend, "trend"),),
    ]


def load_trend(history: Sequence[Meter], columns: int, glyphs: Glyphs) -> str:
    """Draw how busy the machine was at the last looks, one in a column."""
    past = map(load_of, history[-columns:])
    return "".join(" " if load is None else level(load / 100, glyphs) for load in past)


def load_of(meter: Meter) -> float | None:
    """Return how busy the machine is in percent: the mean of its GPUs, otherwise the CPU."""
    if meter.gpus:
        known = [float(gpu["percent"]) for gpu in meter.gpus if gpu.get("percent") is not None]
        return sum(known) / len(known) if known else None
    return meter.cpu_percent


def event_lines(events: Sequence[Event], columns: int, limit: int) -> list[Line]:
    """Write the last events, newest first; a long one goes on below, as its end tells."""
    lines: list[Line] = []
    for event in reversed(events[-limit:]):
        begin = f" {clock(event.at)[:5]} "
        first, *rest = wrap(clean_line(event.text, 200), max(8, columns - len(begin)), limit=2)
        lines.append(((begin, "muted"), (first, event.role)))
        lines += [((" " * (len(begin) + 1), ""), (part, event.role)) for part in rest]
    return [fit_line(line, columns) for line in lines[:limit]] or [((" nothing yet", "muted"),)]


def last_events(snapshot: Snapshot, limit: int) -> list[Event]:
    """Return up to ``limit`` of the newest events that are news, oldest first."""
    # Of the lines about a job one in two is news; one line is seldom no event.
    events = events_of(snapshot.events[-4 * limit - 8 :])
    return [event for event in events if event.is_news][-limit:] if limit else []
