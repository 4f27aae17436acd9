"""Writes the workers on other machines: host, GPU, job and last sign of each; silence in amber."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuilab.contract.foreign import clean_line
from tuilab.grid.engine_view import EngineView
from tuilab.grid.states import JobStatus
from tuilab.grid.text import ago, count_of, duration, gibibytes, whole_percent
from tuilab.grid.why_queued import workers_pending
from tuilab.tui.present.glyphs import Glyphs
from tuilab.tui.present.styled_text import Line, Piece, fit, rule

ALIVE, SILENT, PENDING = "alive", "silent", "pending"


def hosts_piece(engine: EngineView) -> Piece | None:
    """Say on how many hosts workers are, amber while one is not heard; None where on this one."""
    heard = [one for one in engine.machines if one.get("phase") != PENDING and one.get("host")]
    if not heard or not engine.is_alive:
        return None
    silent = sum(one.get("phase") == SILENT for one in heard)
    text = f"on {count_of(len({one['host'] for one in heard}), 'host')}"
    return (f"{text}, {silent} silent", "warn") if silent else (text, "running")


def machines_lines(
    engine: EngineView, known: Mapping[str, JobStatus], columns: int, glyphs: Glyphs
) -> list[Line]:
    """Return the part of the queue screen, [] where all workers are on the engine's machine."""
    if not engine.machines or not engine.is_alive:
        return []
    place = clean_line(engine.place, 20)
    working = [one for one in engine.machines if one.get("phase") != PENDING]
    title = f"machines on {place}" if place else "machines"
    lines = [rule(title, "last sign" if working else "", columns, glyphs.stroke)]
    lines += [_line(one, known, columns, glyphs) for one in working]
    if said := pending_words(engine):
        lines.append(((f" {said}", "queued"),))
    return lines


def pending_words(engine: EngineView) -> str:
    """Say how many workers wait at their place, and why; the engine's note says it alike."""
    whys = [str(one.get("why") or "") for one in engine.machines if one.get("phase") == PENDING]
    return clean_line(workers_pending(whys), 120) if whys else ""


def _line(
    one: Mapping[str, Any], known: Mapping[str, JobStatus], columns: int, glyphs: Glyphs
) -> Line:
    phase, job = str(one.get("phase")), str(one.get("job") or "")
    role = "warn" if phase == SILENT else "text"
    status = known.get(job)
    share = whole_percent(status.percent) if status is not None else ""
    work = job or ("idle" if phase == ALIVE else phase)
    at_work = role if phase == SILENT else "running" if job else "muted"
    head = f" {fit(clean_line(str(one.get('host') or one.get('worker')), 20), 14, glyphs.ellipsis)}"
    tail = _last_sign(one, share if job else "")
    room = max(8, columns - len(head) - len(tail) - 19)
    return (
        (head, role),
        (f" {_gpus(one):<15}", "muted"),
        (f" {fit(clean_line(work, 60), room, glyphs.ellipsis)}", at_work),
        (f" {tail}", role),
    )


def _last_sign(one: Mapping[str, Any], share: str) -> str:
    seconds = float(one.get("silent_seconds") or 0)
    if one.get("phase") == SILENT:
        return f"no sign for {duration(seconds)}"
    return f"{share:>4} {ago(seconds):>8}"


def _gpus(one: Mapping[str, Any]) -> str:
    gpus = one.get("devices") or ()
    if not gpus:
        return "no GPU seen"
    busy = [gpu["percent"] for gpu in gpus if gpu.get("percent") is not None]
    used = sum(gpu.get("memory_used") or 0 for gpu in gpus)
    total = sum(gpu.get("memory_total") or 0 for gpu in gpus)
    share = whole_percent(sum(busy) / len(busy)) if busy else ""
    return f"{share:>4} {gibibytes(used)}/{gibibytes(total)}G"
