"""Waits for the engine's answer to a wish, by following the journal."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tuilab.contract.tail import JsonlFollower
from tuilab.store.layout import Layout


@dataclass(frozen=True, slots=True)
class Reply:
    """What the engine made of a request."""

    accepted: bool | None
    """None when it has not answered in time."""
    why: str = ""


def journal_end(root: Path) -> int:
    """Return the journal's size in bytes: where answers will begin."""
    try:
        return Layout(root).journal.stat().st_size
    except FileNotFoundError:
        return 0


def wait_for_answer(
    root: Path,
    request: str,
    offset: int,
    seconds: float = 20.0,
    clock: Callable[[], float] = time.monotonic,
) -> Reply:
    """Return the answer to ``request`` that stands in the journal behind ``offset``."""
    follower = JsonlFollower(Layout(root).journal, offset)
    deadline = clock() + seconds
    while True:
        for line in follower.read():
            if line.get("kind") == "request" and line.get("id") == request:
                return Reply(bool(line.get("accepted")), str(line.get("why") or ""))
        if clock() > deadline:
            return Reply(None, "the engine has not answered yet; the wish stays in requests/")
        time.sleep(0.1)
