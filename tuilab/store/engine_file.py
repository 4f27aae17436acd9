"""engine.json: the engine's heartbeat and its view of itself; written by it, read by everyone."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tuilab.contract import atomic
from tuilab.contract.identity import Identity, boot_id, is_alive
from tuilab.contract.parsing import read_if_sound, typed
from tuilab.grid.engine_view import EngineState, EngineView, Meter
from tuilab.store.experiment_id import copy_of, copy_sentence
from tuilab.store.layout import Layout
from tuilab.store.volume import why_no_room

ENGINE_SCHEMA = 1
SILENT_AFTER = 300.0
"""Seconds without a heartbeat after which an engine on another host counts as gone."""
ANSWERS_WITHIN = 15.0
"""Seconds without a heartbeat after which an engine on this host is stopped or hung."""
_TROUBLE_BYTES = 1024


def silence_allowed(who: Identity) -> float:
    """Seconds without a heartbeat after which an engine that cannot be looked at counts as gone.

    Under one boot there is one clock: it is in another container of this machine, or was in this
    one before a restart.
    """
    is_here = bool(who.boot_id) and who.boot_id == boot_id()
    return ANSWERS_WITHIN if is_here else SILENT_AFTER


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One reading of engine.json."""

    identity: Identity
    heartbeat_at: float
    """Unix time on the engine's host."""
    token: str = ""
    view: EngineView = field(default_factory=lambda: EngineView(state=EngineState.UNKNOWN))


def write_heartbeat(
    layout: Layout, identity: Identity, token: str, view: EngineView, now: float
) -> None:
    """Replace engine.json; the caller has checked that it still holds the lease."""
    content = {
        "schema": ENGINE_SCHEMA,
        "identity": identity.as_json(),
        "token": token,
        "heartbeat_at": now,
        "view": asdict(view),
    }
    atomic.write_json(layout.engine, content)


def read_heartbeat(layout: Layout) -> Heartbeat | None:
    """Return the last heartbeat; None when there is none or it cannot be read."""
    raw = read_if_sound(layout.engine, dict)
    if raw is None:
        return None
    for told in (raw, {name: value for name, value in raw.items() if name != "view"}):
        try:
            return typed(told, Heartbeat)
        except ValueError:
            continue  # who lives is known although a newer program has other words for it
    return None


@dataclass(frozen=True, slots=True)
class Trouble:
    """What kept the engine from going on at its last try ("" = nothing)."""

    note: str = ""
    at: float = 0.0
    """Unix time on the engine's host."""


def tell_trouble(layout: Layout, note: str, now: float) -> None:
    """Write down what keeps the engine from going on, also where the disk takes nothing more.

    Raises OSError as ``write_in_place`` does.
    """
    shown = note.encode("ascii", "replace").decode()[: _TROUBLE_BYTES // 2]
    text = json.dumps({"note": shown, "at": now})
    atomic.write_in_place(layout.engine_trouble, text, _TROUBLE_BYTES, os.O_NOFOLLOW)


def read_engine(layout: Layout, now: float) -> EngineView:
    """Return the engine as its files show it at ``now`` (unix time)."""
    if of := copy_of(layout):
        return in_copy(of, layout.root)
    beat = read_heartbeat(layout)
    return judge(beat, now, read_trouble(layout, beat))


def in_copy(of: str, root: Path) -> EngineView:
    """Return the engine of a copy: there is none, whatever its files say of the original's."""
    return EngineView(note=copy_sentence(of, root), copy_of=of)


def read_trouble(layout: Layout, beat: Heartbeat | None) -> Trouble:
    """Return what keeps the engine from going on: as it says itself, else as the volume shows.

    The trouble that a dead one told last may be over: there the volume alone is asked.
    """
    is_gone = beat is not None and is_alive(beat.identity) is False
    told = None if is_gone else read_if_sound(layout.engine_trouble, Trouble)
    told = told or Trouble()
    return told if told.note else replace(told, note=why_no_room(layout.root))


def judge(beat: Heartbeat | None, now: float, trouble: Trouble = Trouble()) -> EngineView:
    """Return the engine as a reader sees it now: alive, gone, or not answering.

    An engine whose disk is full cannot write its heartbeat; its trouble is a sign of life too.
    """
    if beat is None:
        return EngineView(note=trouble.note)
    alive = is_alive(beat.identity)
    known = replace(
        beat.view, pid=beat.identity.pid, host=beat.identity.host, heartbeat_at=beat.heartbeat_at
    )
    if known.state is EngineState.STOPPED or alive is False:
        return replace(known, state=EngineState.STOPPED, pid=None, note=trouble.note, meter=Meter())
    silent = now - max(beat.heartbeat_at, trouble.at)
    if silent > (ANSWERS_WITHIN if alive else silence_allowed(beat.identity)):
        note = f"not answering since {silent:.0f} s"
        note = f"{note}: {trouble.note}" if trouble.note else note
        return replace(known, state=EngineState.UNKNOWN, note=note, meter=Meter())
    return replace(known, note=trouble.note) if trouble.note else known
