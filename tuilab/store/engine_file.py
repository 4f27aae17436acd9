"""engine.json: the engine's heartbeat and its view of itself; written by it, read by everyone."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

from tuilab.contract import atomic
from tuilab.contract.identity import Identity, is_alive
from tuilab.contract.parsing import read_if_sound, typed
from tuilab.grid.engine_view import EngineState, EngineView, Meter
from tuilab.store.layout import Layout

ENGINE_SCHEMA = 1
SILENT_AFTER = 300.0
"""Seconds without a heartbeat after which an engine on another host counts as gone."""


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


def judge(beat: Heartbeat | None, now: float) -> EngineView:
    """Return the engine as a reader sees it now: alive, gone, or on another host and silent."""
    if beat is None:
        return EngineView()
    alive = is_alive(beat.identity)
    known = replace(
        beat.view,
        pid=beat.identity.pid,
        host=beat.identity.host,
        heartbeat_at=beat.heartbeat_at,
    )
    if known.state is EngineState.STOPPED or alive is False:
        return replace(known, state=EngineState.STOPPED, pid=None, note="", meter=Meter())
    if alive is None and now - beat.heartbeat_at > SILENT_AFTER:
        note = f"no sign of the engine on {beat.identity.host}"
        return replace(known, state=EngineState.UNKNOWN, note=note, meter=Meter())
    return known
