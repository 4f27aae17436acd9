"""Leaves one wish, sees that an engine reads it, and says what it answered."""

from __future__ import annotations

import time
from pathlib import Path

from tuilab.cli.guard import ERROR, OK


def wish(root: Path, verb: str, said: str, as_json: bool, **parts: object) -> int:
    """Ask for ``verb`` and wait for the answer; ``said`` is printed where it was accepted."""
    from tuilab.cli.answers import journal_end, wait_for_answer
    from tuilab.cli.launching import leave_request, start_engine
    from tuilab.cli.say import document, plain, tell
    from tuilab.store.layout import Layout
    from tuilab.store.lease import holder

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
