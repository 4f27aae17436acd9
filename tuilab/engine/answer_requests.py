"""Takes requests from the folder, carries out their answers, and journals each exactly once."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tuilab.contract import atomic
from tuilab.engine.decide.facts import Facts
from tuilab.engine.decide.requests import (
    Answer,
    Entry,
    Known,
    answer,
    how_to_stop,
    takes_back,
    wanted_line,
)
from tuilab.engine.host.crash_points import crash_point
from tuilab.engine.host.model_hub import tokens_of
from tuilab.engine.startup import Opened
from tuilab.engine.state import JournaledStates
from tuilab.engine.trouble import is_of_the_machine, sentence
from tuilab.grid.cells import SelectorError, select_all
from tuilab.grid.experiment_state import ExperimentState
from tuilab.grid.growth import as_line
from tuilab.grid.jobs import Plan, descendants, with_commits
from tuilab.grid.relaunch import why_busy
from tuilab.grid.request import JOURNAL_ONLY, Request
from tuilab.store import requests
from tuilab.store.attempts import kept_checkpoints
from tuilab.store.journal import Journal
from tuilab.store.layout import Layout
from tuilab.store.lease import FencedError, LeaseHeldError, held
from tuilab.store.recovery import recover
from tuilab.store.replan import DeviationsError, NoTextError, current_plan

_ASK_FOR_JOBS = frozenset({"run", "relaunch"})
WAIT_SECONDS = 60.0
"""So long a request may wait for processes that do not end; then it is answered as things are."""


class Requests:
    """The engine's side of the requests folder."""

    def __init__(self, opened: Opened) -> None:
        self.layout = opened.layout
        self.states = opened.states
        self.performer = opened.performer
        self.gatherer = opened.gatherer
        self.wait = False
        """Whether some are left until what had ended before this engine came is settled."""
        self._ended = set(opened.ended)
        self._wait_until = time.monotonic() + WAIT_SECONDS

    def are_there(self) -> bool:
        """Whether anybody has left a request."""
        return requests.waiting(self.layout) > 0

    def answer_all(self, facts: Facts) -> None:
        """Answer every pending request, oldest first.

        Where no engine was, readers showed as ended what had ended: whoever asks for such a job
        again must not be told that it is running. So a run or a relaunch, and what was asked
        after it, is left for the next look while such an end is not settled.
        """
        self.wait = False
        self._ended = {one for one in self._ended if self._is_unsettled(*one)}
        for request in requests.pending(self.layout, time.time()):
            if request.id not in self.states.ledger.answered:
                if self._comes_too_early(request):
                    self.wait = True
                    return
                self._answer_or_refuse(request, facts)
                facts = self.gatherer.facts()
            requests.discard(self.layout, request.id)

    def _is_unsettled(self, job: str, number: int) -> bool:
        return job in self.states.live and self.states.ledger.of(job).attempts[-1].number == number

    def _comes_too_early(self, request: Request) -> bool:
        is_late = time.monotonic() > self._wait_until
        return request.verb in _ASK_FOR_JOBS and bool(self._ended) and not is_late

    def _answer_or_refuse(self, request: Request, facts: Facts) -> None:
        """Answer a request; one over which the engine stumbles is refused with what it was."""
        try:
            self._answer(request, facts)
        except FencedError:
            raise
        except Exception as error:
            if is_of_the_machine(error):
                raise
            why = f"the request cannot be carried out: {sentence(error)}"
            self.states.record(
                "request", id=request.id, verb=request.verb, accepted=False, why=why, by=request.by
            )

    def _answer(self, request: Request, facts: Facts) -> None:
        """Signals first, journal next, file last: a crash in between repeats what is harmless."""
        if request.verb in _ASK_FOR_JOBS:
            self._take_login(request)
        plan, given = self.states.plan, answer_for(self.layout, self.states, request)
        ends = how_to_stop(given.stops, facts, request.by or "an operator")
        if given.stops and not ends and not takes_back(given):
            given = Answer(accepted=False, why=f"no process of {given.stops[0]} can be reached")
        for action in ends:
            self.performer.perform(action)
        crash_point("request-before-journal")
        self.states.record_all([*given.entries, answer_line(request, given)])
        crash_point("request-after-journal")
        if self.states.plan is not plan:
            self.gatherer.take_plan()

    def _take_login(self, request: Request) -> None:
        """Let workers that start from now on have the hub's token of whoever asks."""
        found = tokens_of(request.asker)
        if new := [name for name, token in found.items() if os.environ.get(name) != token]:
            os.environ.update({name: found[name] for name in new})
            whose = f" of {request.by}" if request.by else ""
            text = f"new workers get the {' and '.join(new)}{whose}"
            self.states.record("note", text=text)


def answer_once(root: Path, request_id: str) -> None:
    """Answer a request where no engine lives: hold the experiment for the moment that it takes.

    An engine that came up meanwhile answers it itself. Raises PlanFileError, or what making a plan
    of version 0.1 again raises.
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


def answer_line(request: Request, given: Answer) -> dict[str, Any]:
    """Return the journal line that says that a request was answered, and how."""
    return {
        "kind": "request",
        "id": request.id,
        "verb": request.verb,
        "accepted": given.accepted,
        "why": given.why,
        "by": request.by,
        **{key: request.options[key] for key in ("command",) if key in request.options},
    }


def answer_for(layout: Layout, states: JournaledStates, request: Request) -> Answer:
    """Decide what a request comes to; takes another plan in, with its files, where it asks for one.

    What follows for the journal is for the caller to write.
    """
    if request.verb == "grow":
        return _grow(layout, states, request)
    if request.sets or request.options.get("as_planned"):
        return _edit(layout, states, request)
    return answer(request, _known(layout, states))


def _edit(layout: Layout, states: JournaledStates, request: Request) -> Answer:
    """Take the edits of some cells into the plan, then answer the relaunch that asks for them."""
    as_planned = bool(request.options.get("as_planned"))
    if request.verb != "relaunch":
        return Answer(accepted=False, why="edits can only be made by a relaunch")
    try:
        cells = _edited_cells(request, states.plan)
        made, changed = plan_with_edits(layout, states.plan, cells, request.sets, as_planned)
    except (EditRefusedError, SelectorError) as error:
        return Answer(accepted=False, why=str(error))
    if running := sorted((changed | descendants(made, changed)) & states.live):
        return Answer(accepted=False, why=why_busy(states.statuses[running[0]]))
    keep_edits(layout, made, cells, request.sets, as_planned)
    states.replace_plan(made)
    given = answer(request, replace(_known(layout, states), changed=changed))
    edit: dict[str, Any] = {
        "kind": "deviation",
        "cells": cells,
        "sets": dict(request.sets),
        "by": request.by,
    }
    if as_planned:
        edit["as_planned"] = True
    return replace(given, entries=(edit, *given.entries))


def _grow(layout: Layout, states: JournaledStates, request: Request) -> Answer:
    """Take in the plan that the files ask for, with more cells; what runs goes on as it was begun.

    Imports the config schema (pydantic), which little else in the engine needs.
    """
    from tuilab.grid.grow_config import more_from
    from tuilab.store.growth import keep, propose

    state = _known(layout, states).state
    try:
        found = propose(layout, state.plan, lambda _: state, more_from(request.options))
    except (ValueError, DeviationsError, NoTextError, OSError) as error:
        return Answer(accepted=False, why=str(error))
    if gone := sorted(job for job in states.live if job not in found.plan.by_id):
        why = f"{gone[0]} is running and would leave the plan: stop it first"
        return Answer(accepted=False, why=why)
    due = [job.id for job in state.plan.jobs if states.of(job.id).is_due]
    keep(layout, found)  # also where only a comment has changed
    entries: list[Entry] = []
    if found.why:
        states.replace_plan(found.plan)
        told = {**as_line(found.growth), "cause": found.why}
        entries.append({"kind": "grown", **told, "by": request.by})
    if unplanned := [job for job in due if job not in found.plan.by_id]:
        entries.append({"kind": "unwanted", "jobs": unplanned, "by": request.by})
    if request.cells:
        now = _known(layout, states).state
        entries.append(wanted_line(request, now.run(now.cells(request.cells)).wanted))
    return Answer(tuple(entries))


def _known(layout: Layout, states: JournaledStates) -> Known:
    return Known(
        ExperimentState(states.plan, states, states.statuses),
        states.ledger,
        explain=states.explain,
        checkpoints=partial(kept_checkpoints, layout),
    )


def _edited_cells(request: Request, plan: Plan) -> list[str]:
    """Return the cells that an edit is for; EditRefusedError when it names none."""
    if request.cells:
        return [str(cell) for cell in select_all(request.cells, plan.cells)]
    named = {job.cell for name in request.jobs if (job := plan.by_id.get(name)) and job.cell}
    if not named:
        raise EditRefusedError("name the cells that the edit is for; experiment.toml is for all")
    return [str(cell) for cell in plan.cells if cell in named]


class EditRefusedError(Exception):
    """The edits cannot be made; the text says why."""


def plan_with_edits(
    layout: Layout, plan: Plan, cells: Sequence[str], sets: Mapping[str, Any], as_planned: bool
) -> tuple[Plan, frozenset[str]]:
    """Return the plan under further edits and the jobs that they change; writes nothing.

    With ``as_planned`` the cells first lose the edits that they carry.
    Imports the config schema (pydantic), which nothing else in the engine needs.
    Raises EditRefusedError.
    """
    from tuilab.grid.config_text import ConfigError
    from tuilab.grid.edits import Deviation, EditError
    from tuilab.grid.planning import PlanError
    from tuilab.store.replan import DeviationsError, plan_of

    try:
        made = plan_of(
            layout.root, [Deviation(tuple(cells), dict(sets))], cells if as_planned else ()
        )
    except (ConfigError, EditError, PlanError, DeviationsError, OSError) as error:
        raise EditRefusedError(str(error)) from error
    made = with_commits(made, plan)
    changed = {
        job.id
        for job in made.jobs
        if job.id not in plan.by_id or plan.by_id[job.id].fingerprint != job.fingerprint
    }
    return made, frozenset(changed)


def keep_edits(
    layout: Layout, plan: Plan, cells: Sequence[str], sets: Mapping[str, Any], as_planned: bool
) -> None:
    """Write the edits to deviations.json, then the plan that was made with them."""
    from tuilab.grid.edits import without
    from tuilab.store.plan_file import save_plan
    from tuilab.store.replan import read_deviations

    before = [deviation.as_json() for deviation in read_deviations(layout)]
    kept = without(read_deviations(layout), cells if as_planned else ())
    known = [deviation.as_json() for deviation in kept]
    entry = {"cells": list(cells), "sets": dict(sets)}
    # The last one only: a repeated request adds nothing, but a value may come back after another.
    if sets and known[-1:] != [entry]:
        known.append(entry)
    if known != before:
        atomic.write_json(layout.deviations, known)
    save_plan(layout, plan)
