"""Takes requests from the folder, carries out their answers, and journals each exactly once."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from tuilab.engine.crash import crash_point
from tuilab.engine.facts import Facts
from tuilab.engine.opening import Opened
from tuilab.engine.replanning import EditRefusedError, keep_edits, plan_with_edits
from tuilab.engine.stopping import how_to_stop
from tuilab.engine.wishes import Answer, Standing, answer
from tuilab.grid.cells import SelectorError, select_all
from tuilab.grid.jobs import Plan
from tuilab.grid.relaunch import why_busy
from tuilab.store import requests
from tuilab.store.requests import Request


class Requesting:
    """The engine's side of the requests folder."""

    def __init__(self, opened: Opened) -> None:
        self.layout = opened.layout
        self.board = opened.board
        self.records = opened.records
        self.performer = opened.performer
        self.gatherer = opened.gatherer
        self.has_changed = False
        """Whether the last call answered anything."""

    def answer_all(self, facts: Facts) -> None:
        """Answer every pending request, oldest first."""
        self.has_changed = False
        for request in requests.pending(self.layout, time.time()):
            if request.id not in self.board.ledger.answered:
                self._answer(request, facts if not self.has_changed else self.gatherer.facts())
                self.has_changed = True
            requests.discard(self.layout, request.id)

    def _answer(self, request: Request, facts: Facts) -> None:
        """Signals first, journal next, file last: a crash in between repeats what is harmless."""
        plan, given = self.board.plan, self._answer_for(request)
        for action in how_to_stop(given.stops, facts, request.by or "an operator"):
            self.performer.perform(action)
        crash_point("request-before-journal")
        line = {
            "kind": "request",
            "id": request.id,
            "verb": request.verb,
            "accepted": given.accepted,
            "why": given.why,
            "by": request.by,
            **{key: request.options[key] for key in ("command",) if key in request.options},
        }
        self.records.say_all([*given.entries, line])
        crash_point("request-after-journal")
        if self.board.plan is not plan:
            self.gatherer.take_plan()

    def _answer_for(self, request: Request) -> Answer:
        as_planned = bool(request.options.get("as_planned"))
        if not request.sets and not as_planned:
            return answer(request, self._standing(self.board.plan))
        if request.verb != "relaunch":
            return Answer(accepted=False, why="edits can only be made by a relaunch")
        try:
            cells = _edited_cells(request, self.board.plan)
            made, changed = plan_with_edits(
                self.layout, self.board.plan, cells, request.sets, as_planned
            )
        except (EditRefusedError, SelectorError) as error:
            return Answer(accepted=False, why=str(error))
        if running := sorted(changed & self.board.live):
            return Answer(accepted=False, why=why_busy(self.board.statuses[running[0]]))
        keep_edits(self.layout, made, cells, request.sets, as_planned)
        self.board.replace_plan(made)
        given = answer(request, replace(self._standing(made), changed=changed))
        edit: dict[str, Any] = {
            "kind": "deviation",
            "cells": cells,
            "sets": dict(request.sets),
            "by": request.by,
        }
        if as_planned:
            edit["as_planned"] = True
        return replace(given, entries=(edit, *given.entries))

    def _standing(self, plan: Plan) -> Standing:
        return Standing(plan, self.board.ledger, self.board.statuses)


def _edited_cells(request: Request, plan: Plan) -> list[str]:
    """Return the cells that an edit is for; EditRefusedError when it names none."""
    if request.cells:
        return [str(cell) for cell in select_all(request.cells, plan.cells)]
    named = {job.cell for name in request.jobs if (job := plan.by_id.get(name)) and job.cell}
    if not named:
        raise EditRefusedError("name the cells that the edit is for; experiment.toml is for all")
    return [str(cell) for cell in plan.cells if cell in named]
