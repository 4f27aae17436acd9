"""engine.json: the engine's heartbeat and its view of itself; written by it, read by everyone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from tuilab.contract import atomic
from tuilab.contract.identity import Identity, from_json, is_alive
from tuilab.contract.worker import read_json
from tuilab.grid.engine_view import EngineState, EngineView, Meter
from tuilab.store.layout import Layout

ENGINE_SCHEMA = 1
SILENT_AFTER = 300.0
"""Seconds without a heartbeat after which an engine on another host counts as gone."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One reading of engine.json."""

    identity: Identity
    token: str
    at: float
    """Unix time on the engine's host."""
    view: EngineView


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
    raw = read_json(layout.engine) or {}
    identity = from_json(raw.get("identity"))
    at = raw.get("heartbeat_at")
    if identity is None or not isinstance(at, int | float):
        return None
    return Heartbeat(identity, str(raw.get("token", "")), float(at), view_from_json(raw))


def judge(beat: Heartbeat | None, now: float) -> EngineView:
    """Return the engine as a reader sees it now: alive, gone, or on another host and silent."""
    if beat is None:
        return EngineView()
    alive = is_alive(beat.identity)
    known = replace(
        beat.view,
        pid=beat.identity.pid,
        host=beat.identity.host,
        heartbeat_at=beat.at,
    )
    if known.state is EngineState.STOPPED or alive is False:
        return replace(known, state=EngineState.STOPPED, pid=None, note="", meter=Meter())
    if alive is None and now - beat.at > SILENT_AFTER:
        note = f"no sign of the engine on {beat.identity.host}"
        return replace(known, state=EngineState.UNKNOWN, note=note, meter=Meter())
    return known


def view_from_json(raw: Mapping[str, Any]) -> EngineView:
    """Read an engine view back; parts that are missing or of another kind keep their default."""
    view = raw.get("view")
    if not isinstance(view, dict):
        return EngineView()
    try:
        state = EngineState(str(view.get("state")))
    except ValueError:
        state = EngineState.UNKNOWN
    workers, eta = view.get("workers"), view.get("eta_seconds")
    return EngineView(
        state=state,
        note=str(view.get("note", "")),
        pause=str(view.get("pause", "")),
        workers=workers if isinstance(workers, int) else 0,
        eta_seconds=float(eta) if isinstance(eta, int | float) else None,
        meter=_meter(view.get("meter")),
        history=tuple(_meter(item) for item in _list(view.get("history"))),
        queued=str(view.get("queued", "")),
        is_still=view.get("is_still") is True,
        queued_stages=_texts(view.get("queued_stages")),
    )


def _meter(raw: Any) -> Meter:
    if not isinstance(raw, dict):
        return Meter()
    gpus = tuple(item for item in _list(raw.get("gpus")) if isinstance(item, dict))
    return Meter(raw.get("cpu_percent"), raw.get("memory_used"), raw.get("memory_total"), gpus)


def _texts(raw: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in raw.items()} if isinstance(raw, dict) else {}


def _list(raw: Any) -> list[Any]:
    return raw if isinstance(raw, list) else []
