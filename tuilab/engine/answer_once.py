"""Answers one request where no engine lives: holds the experiment for the moment that it takes."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from tuilab.engine.answer_requests import answer_for, answer_line
from tuilab.engine.state import JournaledStates
from tuilab.grid.request import JOURNAL_ONLY
from tuilab.store import requests
from tuilab.store.journal import Journal
from tuilab.store.layout import Layout
from tuilab.store.lease import LeaseHeldError, held
from tuilab.store.recovery import recover
from tuilab.store.replan import current_plan


def answer_once(root: Path, request_id: str) -> None:
    """Answer a request that was left; an engine that came up meanwhile answers it itself.

    Raises PlanFileError, or what making a plan of version 0.1 again raises.
    """
    layout = Layout(root)
    with suppress(LeaseHeldError), held(layout) as lease:
        plan = current_plan(layout)
        ledger = recover(layout, plan, time.time(), lease.check).ledger
        states = JournaledStates(plan, Journal(layout, lease.check), layout, ledger)
        for request in requests.pending(layout, time.time()):
            if request.id == request_id and request.verb in JOURNAL_ONLY:
                given = answer_for(layout, states, request)
                states.record_all([*given.entries, answer_line(request, given)])
                requests.discard(layout, request.id)
