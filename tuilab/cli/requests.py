"""Leaves requests for the engine, and waits for its answers by following the journal."""

from __future__ import annotations

import getpass
import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuilab.cli.errors import ERROR, OK
from tuilab.cli.output import document, plain, tell
from tuilab.contract.foreign import redact
from tuilab.contract.tail import JsonlFollower
from tuilab.engine import start
from tuilab.grid.request import Request
from tuilab.store.layout import Layout
from tuilab.store.lease import holder
from tuilab.store.requests import leave


def who() -> str:
    """Name the person at the keyboard, for the journal."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):
        return f"uid {os.getuid()}@{socket.gethostname()}"


def leave_request(root: Path, verb: str, **parts: Any) -> str:
    """Leave a wish for the engine, with the command that was typed, and return its id."""

    command = [redact(word) for word in sys.orig_argv]
    options = {**parts.pop("options", {}), "command": command}
    return leave(Layout(root), Request(verb=verb, by=who(), options=options, **parts))


def start_engine(root: Path, go: bool = True, takeover: bool = False) -> None:
    """Start the engine unless one is alive."""

    identity = start(root, go=go, takeover=takeover)
    tell(f"engine: pid {identity.pid} on {identity.host}")


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


def wish(root: Path, verb: str, said: str, as_json: bool, **parts: object) -> int:
    """Ask for ``verb`` and wait for the answer; ``said`` is printed where it was accepted."""

    end = journal_end(root)
    request = leave_request(root, verb, **parts)
    if holder(Layout(root), time.time()) is None:
        start_engine(root, go=verb == "resume")
    reply = wait_for_answer(root, request, end)
    if as_json:
        document({"verb": verb, "accepted": reply.accepted, "why": reply.why})
    elif reply.accepted is None:
        tell(reply.why)
    else:
        tell(plain(reply.why) if reply.why else said)
    return ERROR if reply.accepted is False else OK
