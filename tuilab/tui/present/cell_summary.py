"""Tells one cell's story in a line or two: what it is, why, on what evidence, what to do next."""

from __future__ import annotations

from tuilab.contract.foreign import clean_line
from tuilab.contract.reasons import NEXT_ACTION, Reason
from tuilab.grid.engine_view import EngineState
from tuilab.grid.metrics import METRICS, counts_text
from tuilab.grid.shared_failures import SharedFailure, shared_failures
from tuilab.grid.states import WITH_RESULT, State
from tuilab.grid.text import MISSING, count_of, duration, whole_percent
from tuilab.grid.why_queued import held_words, next_on, why_queued
from tuilab.store.snapshot import CellView, Snapshot
from tuilab.tui.present.glyphs import Glyphs
from tuilab.tui.present.styled_text import Line, Piece

_FIRST = 2
"""Metrics on a cell's first line; the others stand below it."""


def title(snapshot: Snapshot, view: CellView, glyphs: Glyphs) -> Line:
    """Name the cell: label, epoch, and the seed where there are several."""
    cell = view.cell
    label = clean_line(snapshot.labels.get(cell.source, cell.source), 40)
    pieces: list[Piece] = [
        (f" {label}", "title"),
        (f" {glyphs.dash} epoch {cell.epoch}", "text"),
    ]
    if len(snapshot.seeds) > 1:
        pieces.append((f" {glyphs.dash} seed {cell.seed}", "text"))
    pieces.append(("   ", ""))
    return tuple(pieces)


def apart(view: CellView, glyphs: Glyphs) -> Line:
    """Say what is unlike the config, or accepted though stale; () for most cells."""
    pieces: list[Piece] = []
    if view.deviation:
        edits = ", ".join(f"{key}={value}" for key, value in view.deviation.items())
        pieces.append((f" {glyphs.dash} edited: {clean_line(edits, 200)}", "stale"))
    if word := next(iter(view.accepted.values()), ""):
        pieces.append((f" {glyphs.dash} accepted though stale: {clean_line(word, 200)}", "stale"))
    if view.note:
        pieces.append((f" {glyphs.dash} {clean_line(str(view.note), 200)}", "brand"))
    return tuple(pieces)


def copied_value(snapshot: Snapshot, view: CellView, metric: str) -> str:
    """Write a cell's number so that it stands alone: whose it is, its interval and its counts."""
    known, cell = METRICS[metric], view.cell
    label = snapshot.labels.get(cell.source, cell.source)
    seed = f", seed {cell.seed}" if snapshot.seed_given else ""
    where = f"{snapshot.name}, {label}, epoch {cell.epoch}{seed}"
    found = view.metrics.get(metric)
    if found is None:
        said = (
            f"{known.title} {MISSING} ({view.state.value}{': ' * bool(view.detail)}{view.detail})"
        )
    else:
        from tuilab.science.questions import interval_of

        interval = interval_of(found)
        value, *ends = (
            known.unit.wide(one, found.n)
            for one in (found.value, *((interval.low, interval.high) if interval else ()))
        )
        bounds = f" [{', '.join(ends)}]" if ends else ""
        said = f"{known.title} {value}{bounds}"
        said += counts_text(found.hits, found.n)
        said += f", 95% by {interval.method}" if interval else ""
        said += "" if view.state is State.DONE else f", {view.state.value}"
    edits = view.edits_behind(metric)
    return f"{where}: {said}{f', edited: {edits}' if edits else ''}" + (
        " (synthetic model)" if snapshot.synthetic else ""
    )


def story(snapshot: Snapshot, view: CellView, glyphs: Glyphs) -> tuple[Line, Line, Line]:
    """Return three lines: what and why; the evidence; what to do next (may be empty)."""
    sign = glyphs.states[view.state]
    if view.state is State.RUNNING:
        sign = glyphs.running(view.stage)
    teller = _imported if snapshot.imported_from else _TELLERS[view.state]
    what, evidence, advice = teller(snapshot, view)
    first = (*title(snapshot, view, glyphs), (f"{sign} {what}", view.state.value))
    first = (*first, *apart(view, glyphs))  # last, so that it never hides the state
    return first, ((f" {evidence}", "text"),), ((f" {advice}", "muted"),)


Told = tuple[str, str, str]


def _imported(snapshot: Snapshot, view: CellView) -> Told:
    """Tell of a measurement that was not made here: there is no attempt, no log, nothing to run."""
    origin = f"imported from {clean_line(snapshot.imported_from, 80)}"
    told = clean_line(view.detail, 200)
    if view.metrics:
        first = measured(view, snapshot, slice(_FIRST))
        rest = measured(view, snapshot, slice(_FIRST, None))
        stale = ["stale in the original"] if view.state is State.STALE else []
        return first, "   ".join([rest, *stale, origin]), told
    what = "not measured" if view.state is State.IDLE else f"{view.state.value} in the original run"
    return what, f"{told}   {origin}" if told and told != what else origin, ""


def _idle(snapshot: Snapshot, view: CellView) -> Told:
    return "not requested yet", "r runs this cell and all it needs", ""


def _waiting(snapshot: Snapshot, view: CellView) -> Told:
    if (above := _failure_above(snapshot, view)) is not None:
        return _blocked(above)
    why = clean_line(view.detail, 200) or "waiting for an upstream job"
    return f"{why}{_upstream_percent(snapshot, why)}", f"next stage: {view.stage or 'train'}", ""


def _failure_above(snapshot: Snapshot, view: CellView) -> SharedFailure | None:
    """Return the broken shared job that a cell waits for, None when it waits for none."""
    if not any(job.blocked_by for job in view.jobs):
        return None
    cells = ((one.cell, one.jobs) for one in snapshot.cells)
    found = shared_failures(snapshot.shared, cells)
    return next((one for one in found if view.cell in one.cells), None)


def _blocked(above: SharedFailure) -> Told:
    """Say which shared job is in the way and how to start it again, then its evidence."""
    job = above.status
    key = "r" if job.state is State.STOPPED else "R"
    reason = f" ({job.reason})" if job.reason else ""
    after = f" after {duration(job.seconds)}" if job.seconds else ""
    waiting = count_of(len(above.cells), "cell waits", "cells wait")
    what = f"{job.job} {job.state.value}{reason}: {key} relaunches it"
    advice = f"attempt {job.attempt}{after}; {waiting} for it. {next_action(job.reason)}"
    return what, clean_line(job.detail, 400) or "no detail recorded", advice.strip()


def _upstream_percent(snapshot: Snapshot, why: str) -> str:
    for job in snapshot.shared:
        if job.percent is not None and f" {job.job} " in f"{why} ":
            return f" {whole_percent(job.percent)}"
    return ""


def _queued(snapshot: Snapshot, view: CellView) -> Told:
    held = clean_line(view.detail, 200)
    engine = snapshot.engine
    if held:
        return (
            held_words(held),
            f"next stage: {view.stage}",
            "to release it, press H in the queue (u)",
        )
    if told := next_on(engine, view.given_to):
        return f"queued: {told}", f"next stage: {view.stage}", ""
    if engine.state is EngineState.STOPPED:
        return (
            "queued, but no engine is running",
            f"next stage: {view.stage}",
            "S starts the engine",
        )
    if engine.state is EngineState.WAITING:
        return "queued; the engine is waiting", f"next stage: {view.stage}", "S continues"
    why = clean_line(why_queued(engine, view.stage), 200)
    if engine.state is EngineState.PAUSED:
        return f"queued; paused ({engine.pause})", why, "P resumes"
    return f"queued{_place_in_queue(snapshot, view)}: {why}", f"next stage: {view.stage}", ""


def _place_in_queue(snapshot: Snapshot, view: CellView) -> str:
    for number, job in enumerate(snapshot.queue, 1):
        if job.endswith(f"/{view.cell}"):
            return f", {number} of {len(snapshot.queue)}"
    return ""


def _running(snapshot: Snapshot, view: CellView) -> Told:
    percent = f" {whole_percent(view.percent)}".rstrip()
    job = next((j for j in view.jobs if j.state is State.RUNNING), None)
    since = ""
    if job is not None and job.started_at is not None:
        since = f" for {duration(max(0.0, snapshot.taken_at - job.started_at))}"
    if not percent and job is not None and job.transfer is None:
        percent = " starts: it loads the model"
    return f"{view.stage}{percent}{since}, attempt {view.attempt}", stage_times(view), ""


def _done(snapshot: Snapshot, view: CellView) -> Told:
    rates = measured(view, snapshot, slice(_FIRST))
    rest = measured(view, snapshot, slice(_FIRST, None))
    took = f"   took {duration(view.seconds)}" if view.attempt else ""
    took += f", attempt {view.attempt}" if view.attempt > 1 else ""
    return rates, f"{rest}{took}", ""


def _stale(snapshot: Snapshot, view: CellView) -> Told:
    why = clean_line(view.detail, 200) or "an input has changed since"
    return f"stale: {why}", measured(view, snapshot), "r relaunches it"


def _failed(snapshot: Snapshot, view: CellView) -> Told:
    job = next((j for j in view.jobs if j.state is view.state), None)
    after = f" after {duration(job.seconds)}" if job is not None and job.seconds else ""
    what = f"{view.reason or 'unknown'} in {view.stage}{after}, attempt {view.attempt}"
    return what, clean_line(view.detail, 400), next_action(view.reason)


def next_action(reason: str | None) -> str:
    """Return what to do about a failure reason ("" when the reason is not one)."""
    try:
        return NEXT_ACTION[Reason(reason or "")]
    except ValueError:
        return ""


def _suspect(snapshot: Snapshot, view: CellView) -> Told:
    what = (
        f"suspect: {view.stage} finished, but its output failed the checks, attempt {view.attempt}"
    )
    return what, clean_line(view.detail, 400), next_action(view.reason) or "r relaunches it"


def _lost(snapshot: Snapshot, view: CellView) -> Told:
    what = f"lost in {view.stage}, attempt {view.attempt}: no outcome, no live process"
    return what, clean_line(view.detail, 400), "R relaunches all lost cells"


def _stopped(snapshot: Snapshot, view: CellView) -> Told:
    detail = clean_line(view.detail, 400) or "stopped by the operator"
    if view.earlier:
        first = snapshot.metrics[0]
        detail += f"; before: {METRICS[first].said(view.earlier.get(first))}"
    return f"stopped in {view.stage}, attempt {view.attempt}", detail, "r relaunches it"


_TELLERS = {
    State.IDLE: _idle,
    State.WAITING: _waiting,
    State.QUEUED: _queued,
    State.RUNNING: _running,
    State.DONE: _done,
    State.STALE: _stale,
    State.FAILED: _failed,
    State.SUSPECT: _suspect,
    State.LOST: _lost,
    State.STOPPED: _stopped,
}


def measured(view: CellView, snapshot: Snapshot, part: slice = slice(None)) -> str:
    """Write what a cell's stages measured; n/a for each metric that is missing."""
    keys = [key for key in snapshot.metrics if METRICS[key].measure.stage is not None]
    labels = snapshot.labels
    whose = [found.who for found in view.metrics.values() if found.who]
    names = {who: clean_line(labels.get(who, who), 20) for who in whose}
    return "  ".join(
        METRICS[key].said(view.metrics.get(key), names, with_counts=key == keys[0])
        for key in keys[part]
    )


def stage_times(view: CellView) -> str:
    """Write how long each stage took; ``not recorded`` when the snapshot does not say."""
    parts = [
        f"{job.stage} {duration(job.seconds)}" for job in view.jobs if job.state in WITH_RESULT
    ]
    if parts:
        return "  ".join(parts)
    return f"{duration(view.seconds)} in all" if view.seconds else ""
