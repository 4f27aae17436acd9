"""Wishes left for the engine, one file each; the only place that knows the requests folder."""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from tuilab.contract import atomic
from tuilab.contract.parsing import loads
from tuilab.grid.request import Request
from tuilab.store.layout import Layout
from tuilab.store.quarantine import quarantine

REQUEST_SCHEMA = 1


class RequestError(ValueError):
    """A request file that cannot be understood; its text says why."""


def leave(layout: Layout, request: Request, at: float | None = None) -> str:
    """Publish a request by rename and return its id; the engine finds it at its next tick."""
    when = time.time() if at is None else at
    name = f"{int(when * 1e6):017d}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    layout.requests.mkdir(parents=True, exist_ok=True)
    content = {"schema": REQUEST_SCHEMA, **asdict(replace(request, id=name, at=when))}
    atomic.write_json(layout.requests / f"{name}.json", content)
    return name


def pending(layout: Layout, now: float | None = None) -> list[Request]:
    """Return the readable requests, oldest first; broken ones move to quarantine (engine only)."""
    found = []
    for path in _files(layout):
        try:
            found.append(read_request(path))
        except FileNotFoundError:
            continue
        except RequestError as error:
            quarantine(layout, path, str(error), time.time() if now is None else now)
    return found


def waiting(layout: Layout) -> int:
    """Return how many requests lie unread; for readers, moves nothing."""
    return len(_files(layout))


def discard(layout: Layout, request_id: str) -> None:
    """Remove an answered request; nothing happens when it is gone already."""
    (layout.requests / f"{request_id}.json").unlink(missing_ok=True)


def read_request(path: Path) -> Request:
    """Read one request file; RequestError when broken, FileNotFoundError when gone."""
    try:
        raw = loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise RequestError(f"the request cannot be read: {error}") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("verb"), str):
        raise RequestError("the request names no verb")
    if not isinstance(raw.get("schema"), int) or raw["schema"] > REQUEST_SCHEMA:
        raise RequestError(f"the request has schema {raw.get('schema')!r}: update tuilab")
    known = {item.name: raw[item.name] for item in fields(Request) if item.name in raw}
    known["id"] = path.name.removesuffix(".json")
    for name in ("cells", "jobs"):
        known[name] = _texts(name, known.get(name, ()))
    for name in ("sets", "options"):
        if not isinstance(known.get(name, {}), dict):
            raise RequestError(f"the request's {name} is not an object")
    return Request(**known)


def _files(layout: Layout) -> list[Path]:
    """Request files in order; drafts begin with a dot and are not among them."""
    return sorted(path for path in layout.requests.glob("*.json") if not path.name.startswith("."))


def _texts(name: str, raw: Any) -> tuple[str, ...]:
    if not isinstance(raw, list | tuple) or not all(isinstance(item, str) for item in raw):
        raise RequestError(f"the request's {name} is not a list of names")
    return tuple(raw)
