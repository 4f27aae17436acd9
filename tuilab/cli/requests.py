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

import typer

from tuilab.cli.errors import ERROR, OK
from tuilab.cli.output import document, is_interactive, plain, tell
from tuilab.engine import answer_once, start
from tuilab.grid.engine_view import EngineState
from tuilab.grid.request import JOURNAL_ONLY, Request
from tuilab.store import journal
from tuilab.store.engine_file import read_engine
from tuilab.store.experiment_id import refuse_copy
from tuilab.store.layout import Layout
from tuilab.store.lease import holder
from tuilab.store.requests import leave

HUNG_SECONDS = 5.0
"""How long an engine is waited for that has shown no sign of life for long."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the engine made of a request."""

    accepted: bool | None
    """None when it has not answered in time."""
    why: str = ""
    since: int = 0
    """Journal byte from which on things happened after the request."""

    @property
    def code(self) -> int:
        """Exit code: only a request that was accepted is no error."""
        return OK if self.accepted else ERROR


def ask(root: Path, verb: str, go: bool = True, on: str = "", **parts: Any) -> Reply:
    """Leave a request, start an engine if none is alive, and wait for the answer.

    ``go`` lets a new engine start queued work at once, ``on`` names where its workers run. What is
    only written down needs none.
    """
    refuse_copy(Layout(root))
    since = _journal_size(root)
    request = _leave(root, verb, **parts)
    reply = _have_answered(root, request, since, verb, go, on)
    if reply.accepted is None and holder(Layout(root), time.time()) is None:
        # By now its engine counts as gone: a pod that another one replaced.
        reply = _have_answered(root, request, since, verb, go, on)
    return reply


def _have_answered(root: Path, request: str, since: int, verb: str, go: bool, on: str) -> Reply:
    if holder(Layout(root), time.time()) is None:
        if verb in JOURNAL_ONLY:
            answer_once(root, request)
        else:
            start_engine(root, go, on=on)
    return wait_for_answer(root, request, since)


def ask_and_say(root: Path, verb: str, done: str, as_json: bool, **parts: Any) -> int:
    """Ask for ``verb`` and print the answer; ``done`` says that it was accepted."""
    reply = ask(root, verb, go=verb == "resume", **parts)
    if as_json:
        document({"verb": verb, "accepted": reply.accepted, "why": reply.why})
    else:
        tell(plain(reply.why or done))
    return reply.code


def agreed(question: str, yes: bool) -> bool:
    """Ask a person at a terminal; anywhere else, and with ``yes``, nobody is asked."""
    if yes or not is_interactive() or typer.confirm(question, default=False):
        return True
    tell("nothing was changed")
    return False


def start_engine(root: Path, go: bool = True, takeover: bool = False, on: str = "") -> None:
    """Start the engine unless one is alive."""
    identity = start(root, go=go, takeover=takeover, on=on)
    tell(f"engine: pid {identity.pid} on {identity.host}")


def wait_for_answer(
    root: Path,
    request: str,
    since: int,
    seconds: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
) -> Reply:
    """Return the answer to ``request`` from the journal, read from byte ``since`` on.

    An engine that has long not answered is not waited for to the end.
    """
    follower = journal.follow(Layout(root), since)
    begin = clock()
    look_at = begin + HUNG_SECONDS
    while True:
        for line in follower.read():
            if line.get("kind") == "request" and line.get("id") == request:
                return Reply(bool(line.get("accepted")), str(line.get("why") or ""), since)
        if (now := clock()) > look_at:
            look_at = now + 1.0
            engine = read_engine(Layout(root), time.time())
            if engine.state is EngineState.UNKNOWN or now > begin + seconds:
                is_hung = engine.note.startswith("not ")
                note = f"the engine is {engine.note}" if is_hung else engine.note
                why = f"no answer in {now - begin:.0f} s: {note or 'the engine has not got to it'}"
                return Reply(None, f"{why}; the request waits for it", since)
        time.sleep(0.1)


def _leave(root: Path, verb: str, **parts: Any) -> str:
    """Leave a request with the command that was typed, and return its id."""
    options = {**parts.pop("options", {}), "command": sys.orig_argv}
    return leave(Layout(root), Request(verb=verb, by=who(), options=options, **parts))


def who() -> str:
    """Name the person at the keyboard, for the journal."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):
        return f"uid {os.getuid()}@{socket.gethostname()}"


def _journal_size(root: Path) -> int:
    try:
        return Layout(root).journal.stat().st_size
    except FileNotFoundError:
        return 0
