"""Wishes left for the engine, one file each; the only place that knows the requests folder."""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import asdict, replace
from pathlib import Path

from tuilab.contract import atomic
from tuilab.contract.foreign import redact_all
from tuilab.contract.identity import me
from tuilab.contract.parsing import loads, read_bytes, typed
from tuilab.grid.request import Request
from tuilab.store.layout import Layout
from tuilab.store.quarantine import quarantine

REQUEST_SCHEMA = 1
MOST_BYTES = 4 * 1024 * 1024
"""Largest request: one that names every job of a large grid is half of that."""


class RequestError(ValueError):
    """A request file that cannot be understood; its text says why."""


def leave(layout: Layout, request: Request, at: float | None = None) -> str:
    """Publish a request by rename and return its id; the engine finds it at its next tick."""
    when = time.time() if at is None else at
    name = f"{int(when * 1e6):017d}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    layout.requests.mkdir(parents=True, exist_ok=True)
    known = replace(request, id=name, at=when, asker=me().as_json())
    content = {"schema": REQUEST_SCHEMA, **redact_all(asdict(known))}
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
        raw = loads(read_bytes(path, MOST_BYTES, follow=False))
        request = typed(raw, Request)
        schema = typed(raw.get("schema"), int, "schema")
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise RequestError(f"the request cannot be read: {error}") from error
    if schema > REQUEST_SCHEMA:
        raise RequestError(f"the request has schema {schema}: update tuilab")
    return replace(request, id=path.name.removesuffix(".json"))


def _files(layout: Layout) -> list[Path]:
    """Request files in order; drafts begin with a dot and are not among them."""
    return sorted(path for path in layout.requests.glob("*.json") if not path.name.startswith("."))
