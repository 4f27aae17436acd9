"""Writes the header: name, progress, counts per state, engine, meter, time to go."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from tuilab.contract.foreign import clean_line
from tuilab.grid.engine_view import EngineState, EngineView, Meter
from tuilab.grid.states import BROKEN, State
from tuilab.grid.text import MISSING, count_of, duration, gibibytes, moment, whole_percent
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.glyphs import COUNTED, Glyphs
from tuilab.tui.present.machines_text import hosts_piece
from tuilab.tui.present.styled_text import Line, Piece, sides, width


class _Part(NamedTuple):
    """One part of the header; the lowest ``rank`` has room first, what still fits comes after."""

    rank: int
    pieces: Line
    is_right: bool = False


def header(snapshot: Snapshot, columns: int, glyphs: Glyphs) -> Line:
    """Write the header in one line; what matters least goes first when it is narrow."""
    parts = [
        _Part(7, (("tuilab", "brand"),)),
        _Part(1, ((clean_line(snapshot.name, 40), "title"),)),
        *_tags(snapshot, glyphs),
        _Part(-1, (_progress(snapshot),)),
        *_counts(snapshot, glyphs),
        *_engine(snapshot, glyphs),
        *_host(snapshot.engine),
        *_meter(snapshot.engine.meter),
        *_eta(snapshot.engine, snapshot.taken_at),
        *_limits(snapshot),
    ]
    kept: list[_Part] = []
    for part in sorted(parts, key=lambda part: part.rank):
        if not kept or _columns([*kept, part]) <= columns:
            kept.append(part)
    left = _join([part.pieces for part in parts if part in kept and not part.is_right])
    right = _join([part.pieces for part in parts if part in kept and part.is_right])
    return sides(((" ", ""), *left), (*right, (" ", "")) if right else (), columns)


def _join(groups: list[Line]) -> Line:
    pieces: list[Piece] = []
    for group in groups:
        if pieces:
            pieces.append(("  ", ""))
        pieces += group
    return tuple(pieces)


def _columns(parts: list[_Part]) -> int:
    return sum(width(part.pieces) + 2 for part in parts) + 1  # a margin at the left


def _tags(snapshot: Snapshot, glyphs: Glyphs) -> list[_Part]:
    parts = []
    if snapshot.synthetic:
        parts.append(_Part(0, (("synthetic model", "warn"),)))
    if snapshot.read_only:
        parts.append(_Part(2, (("read-only", "warn"),)))
    if of := snapshot.engine.copy_of:
        parts.append(_Part(1, ((f"copy of {clean_line(of, 60)}", "warn"),)))
    if snapshot.config_changed:
        parts.append(_Part(3, (("config changed", "stale"),)))
    if snapshot.other_code:
        parts.append(_Part(3, (("code changed", "stale"),)))
    if snapshot.problems:
        parts.append(_Part(2, ((f"{len(snapshot.problems)} unreadable", "failed"),)))
    return parts


def _progress(snapshot: Snapshot) -> Piece:
    done = snapshot.counts.get(State.DONE, 0)
    role = "done" if snapshot.cells and done == len(snapshot.cells) else "strong"
    return f"{done}/{len(snapshot.cells)}", role


def counts(snapshot: Snapshot, glyphs: Glyphs) -> list[Piece]:
    """Return one (glyph and number, role) per state that occurs; running cells by stage."""
    live: Counter[str] = Counter()
    if snapshot.counts.get(State.RUNNING):
        running = (view for view in snapshot.cells if view.state is State.RUNNING)
        live.update(glyphs.running(view.stage) for view in running)
    pieces: list[Piece] = [(f"{sign}{number}", "running") for sign, number in live.items()]
    waiting = [
        (f"{glyphs.states[state]}{number}", state.value)
        for state in COUNTED
        if (number := snapshot.counts.get(state, 0))
    ]
    return [*pieces, *waiting]


def _counts(snapshot: Snapshot, glyphs: Glyphs) -> list[_Part]:
    spaced: list[Piece] = []
    for piece in counts(snapshot, glyphs):
        spaced += [piece] if not spaced else [(" ", ""), piece]
    shared = sum(1 for job in snapshot.shared if job.state is State.RUNNING)
    transfer = next((job.transfer for job in snapshot.shared if job.transfer), None)
    if shared and transfer is None:
        sign = glyphs.states[State.RUNNING]
        spaced += [(" " if spaced else "", ""), (f"{sign}{shared} shared", "running")]
    hosts = hosts_piece(snapshot.engine)
    if hosts is not None and spaced:
        spaced += [(" ", ""), hosts]
    parts = [_Part(2, tuple(spaced))] if spaced else []
    if transfer is not None:
        sign = glyphs.states[State.RUNNING]
        parts.append(_Part(1, ((f"{sign} fetching {transfer}", "running"),)))
    failed = sum(1 for job in snapshot.shared if job.state in BROKEN)
    if failed:
        parts.append(_Part(1, ((f"{count_of(failed, 'shared job')} failed", "failed"),)))
    return parts


def engine_text(engine: EngineView, glyphs: Glyphs, has_work: bool = True) -> Piece | None:
    """Say what the engine does when it does not simply run; None when it does.

    That no engine runs is an alarm only where something waits for one.
    """
    if engine.state is EngineState.PAUSED:
        return f"{glyphs.pause} paused {engine.pause}".rstrip(), "warn"
    if engine.state is EngineState.WAITING:
        return f"{glyphs.pause} engine waiting: S continues", "warn"
    if engine.state is EngineState.STOPPED and not has_work:
        return "no engine, nothing queued", "muted"
    if engine.state is EngineState.STOPPED:
        return f"{glyphs.engine_off} no engine: S starts it", "failed"
    if engine.state is EngineState.UNKNOWN:
        return f"engine {clean_line(engine.note or 'unknown', 60)}", "failed"
    return None


def _engine(snapshot: Snapshot, glyphs: Glyphs) -> list[_Part]:
    if snapshot.imported_from or snapshot.engine.copy_of:
        return []
    text = engine_text(snapshot.engine, glyphs, bool(snapshot.queue))
    return [_Part(1, (text,), is_right=True)] if text else []


def meter_text(meter: Meter) -> str:
    """Write the use of the machine: GPUs where there are any, otherwise the CPU."""
    if meter.gpus:
        more = [f"+{len(meter.gpus) - 2}"] if len(meter.gpus) > 2 else []
        return " ".join([*(_gpu(gpu) for gpu in meter.gpus[:2]), *more])
    if meter.cpu_percent is None:
        return ""
    memory = ""
    if meter.memory_total:
        memory = f" {gibibytes(meter.memory_used)}/{gibibytes(meter.memory_total)}G"
    return f"CPU {whole_percent(meter.cpu_percent)}{memory}"


def _gpu(gpu: object) -> str:
    fields = gpu if isinstance(gpu, dict) else dict(gpu)  # type: ignore[call-overload]
    used, total = fields.get("memory_used"), fields.get("memory_total")
    share = whole_percent(fields.get("percent")) or MISSING
    return f"GPU{fields.get('index', '')} {share} {gibibytes(used)}/{gibibytes(total)}G"


def _host(engine: EngineView) -> list[_Part]:
    host = clean_line(engine.host or "", 30)
    return [_Part(5, ((host, "muted"),), is_right=True)] if host else []


def _meter(meter: Meter) -> list[_Part]:
    text = meter_text(meter)
    return [_Part(4, ((text, "muted"),), is_right=True)] if text else []


def _eta(engine: EngineView, now: float) -> list[_Part]:
    if engine.eta_seconds is None or engine.state is EngineState.STOPPED:
        return []
    time: Line = ((duration(engine.eta_seconds), "strong"), (" left", "muted"))
    parts = [_Part(3, time, is_right=True)]
    if (ends := engine.ends_at(now)) is not None:
        parts.append(_Part(6, ((f"ends {moment(ends, now)}", "muted"),), is_right=True))
    return parts


def _limits(snapshot: Snapshot) -> list[_Part]:
    """How long the run may go on, and what it has cost so far."""
    parts = []
    if limit := snapshot.engine.limit:
        parts.append(_Part(3, ((limit, "warn"),), is_right=True))
    if snapshot.cost:
        parts.append(_Part(3, ((snapshot.cost, "muted"),), is_right=True))
    return parts
