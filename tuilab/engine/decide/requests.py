"""Decides what a request comes to: journal lines, attempts to end, or why not; pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuilab.engine.decide.actions import Action, StopWorker, Withdraw
from tuilab.engine.decide.facts import Facts
from tuilab.engine.decide.phase import Phase
from tuilab.grid.acceptance import Kept, acceptances, why_not_accept
from tuilab.grid.cells import SelectorError, select_all
from tuilab.grid.claims_lock import LOCKED, plan_digest
from tuilab.grid.experiment_state import ExperimentState
from tuilab.grid.fingerprint import digest_of_text
from tuilab.grid.jobs import Plan, ancestors
from tuilab.grid.ledger import HUB, Ledger
from tuilab.grid.limits import LIMIT
from tuilab.grid.notes import LONGEST, read_tags
from tuilab.grid.relaunch import attempt_after, why_busy
from tuilab.grid.request import Request
from tuilab.grid.stages import Stage
from tuilab.grid.states import LIVE, Explain, no_settings

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """What a request is answered from."""

    state: ExperimentState
    ledger: Ledger
    changed: Collection[str] = ()
    """Jobs whose settings the request's edits have changed."""
    explain: Explain = no_settings
    checkpoints: Kept = lambda job, number: {}
    """What is told by the files of an attempt: its settings, the hashes of its checkpoints."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What follows from a request."""

    entries: tuple[Entry, ...] = ()
    """Journal entries."""
    stops: tuple[str, ...] = ()
    """Jobs whose live attempts are to end."""
    why: str = ""
    """What was refused, or what it comes to."""
    accepted: bool = True


def answer(request: Request, known: Known) -> Answer:
    """Return what a request comes to; never raises for what a person asked."""
    verb = _VERBS.get(request.verb)
    if verb is None:
        verbs = ", ".join(sorted(_VERBS))
        return Answer(accepted=False, why=f"{request.verb!r} is not a verb: {verbs}")
    try:
        return verb(request, known)
    except (SelectorError, ValueError) as error:
        return Answer(accepted=False, why=str(error))


def _run(request: Request, known: Known) -> Answer:
    state = known.state
    if request.jobs:
        wanted = _exactly(request.jobs, known)
    else:
        wanted = state.run(state.cells(request.cells)).wanted
    why = "" if wanted else "everything asked for is done or under way"
    return Answer((wanted_line(request, wanted), *_limits(request, known.ledger)), why=why)


def _limits(request: Request, ledger: Ledger) -> list[Entry]:
    """Set the limit that a run asks for, or take the last one back; a run goes on after a drain."""
    given = {key: request.options.get(key) for key in ("until", "gpu_hours")}
    found: list[Entry] = []
    if ledger.limit or any(value is not None for value in given.values()):
        found.append({"kind": "limited", **given, "by": request.by})
    if ledger.pause and ledger.pause_by == LIMIT:
        found.append({"kind": "resumed", "by": request.by})
    return found


def _relaunch(request: Request, known: Known) -> Answer:
    state = known.state
    if request.jobs:
        found = _exactly(request.jobs, known)
        busy = [job for job in request.jobs if job not in found]
        refused = {job: why_busy(state.statuses[job]) for job in busy}
    elif request.options.get("failed"):
        expansion = state.relaunch_failed()
        found, refused = expansion.wanted, dict(expansion.refused)
    else:
        stage = Stage(request.from_stage) if request.from_stage else None
        expansion = state.relaunch(state.cells(request.cells), stage, known.changed)
        found, refused = expansion.wanted, dict(expansion.refused)
    why = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
    if not found:
        return Answer(accepted=False, why=why or "there is nothing to relaunch")
    entry = dict(wanted_line(request, found))
    if request.from_stage or request.options.get("restart"):
        entry["restart"] = True  # a stage that is made again begins anew
    return Answer((entry,), why=why)


def _accept(request: Request, known: Known) -> Answer:
    """Let stale results count as current, with those that they share with other cells."""
    state, why = known.state, str(request.options.get("why") or "").strip()
    if not why:
        return Answer(accepted=False, why="say why: an accepted result is named in every report")
    cells = state.cells(request.cells)
    if refused := why_not_accept(state.plan, state.statuses, cells):
        return Answer(accepted=False, why=refused)
    jobs = acceptances(state.plan, known.ledger.of, cells, known.explain, known.checkpoints)
    return Answer(({"kind": "accepted", "jobs": jobs, "by": request.by, "why": why},))


def _stop(request: Request, known: Known) -> Answer:
    chosen = _jobs(request, known.state.plan)
    ledger = known.ledger
    live = [job for job in chosen if _is_live(ledger, job)]
    due = [job for job in chosen if ledger.of(job).is_due]
    if not live and not due:
        return Answer(accepted=False, why="none of these is running, queued or waiting")
    entries = ({"kind": "unwanted", "jobs": [*dict.fromkeys([*live, *due])], "by": request.by},)
    return Answer(entries, tuple(live))


def _pause(request: Request, known: Known) -> Answer:
    mode = request.options.get("mode", "soft")
    if mode not in ("soft", "hard"):
        return Answer(accepted=False, why=f"{mode!r} is not a way to pause: soft or hard")
    if known.ledger.pause == mode and known.ledger.pause_by != HUB:
        return Answer(accepted=False, why=f"it is already paused ({mode})")
    return Answer(({"kind": "paused", "mode": mode, "by": request.by},))


def _resume(request: Request, known: Known) -> Answer:
    if known.ledger.go and not known.ledger.pause:
        return Answer(accepted=False, why="nothing is paused")
    lifted = [{"kind": "limited", "by": request.by}] if known.ledger.limit else []
    return Answer((*lifted, {"kind": "resumed", "by": request.by}))


def _hold(request: Request, known: Known) -> Answer:
    why = str(request.options.get("why") or f"held by {request.by or 'an operator'}")
    chosen = _jobs(request, known.state.plan)
    jobs = [job for job in chosen if not _is_live(known.ledger, job)]
    if chosen and not jobs:
        return Answer(accepted=False, why=why_busy(known.state.statuses[chosen[0]]))
    return Answer(({"kind": "held", "jobs": jobs, "why": why, "by": request.by},))


def _release(request: Request, known: Known) -> Answer:
    jobs = [job for job in _jobs(request, known.state.plan) if known.ledger.of(job).held]
    if not jobs:
        return Answer(accepted=False, why="none of these is held")
    return Answer(({"kind": "released", "jobs": jobs, "by": request.by},))


def _order(request: Request, known: Known) -> Answer:
    """Move jobs to the front, each behind what it needs; those moved earlier follow them."""
    plan, ledger = known.state.plan, known.ledger
    places = plan.places
    wished: dict[str, None] = {}
    for job in _jobs(request, plan):
        needed = sorted(ancestors(plan, [job]), key=places.__getitem__)
        wished.update(dict.fromkeys([*needed, job]))
    front = [job for job in wished if ledger.of(job).is_due]
    if not front:
        given = next((job for job in wished if known.state.statuses[job].given_to), "")
        why = f"{given} is next on a worker already" if given else ""
        return Answer(accepted=False, why=why or "none of these is queued or waiting")
    kept = [job for job in ledger.order if job not in front and ledger.of(job).is_due]
    return Answer(({"kind": "ordered", "jobs": [*front, *kept], "by": request.by},))


def _note(request: Request, known: Known) -> Answer:
    """Write down what a person says of cells, or of the whole experiment."""
    text, tags = request.options.get("text"), read_tags(request.options.get("tags") or ())
    untag = read_tags(request.options.get("untag") or ())
    if text is None and not tags and not untag:
        return Answer(accepted=False, why="there is nothing to note: give a text or a tag")
    if len(str(text or "")) > LONGEST:
        return Answer(accepted=False, why=f"a note has at most {LONGEST} characters")
    cells = [str(cell) for cell in known.state.cells(request.cells)] if request.cells else []
    entry = {"kind": "noted", "cells": cells, "by": request.by, "tags": tags, "untag": untag}
    return Answer(({**entry, "text": None if text is None else " ".join(str(text).split())},))


def _lock(request: Request, known: Known) -> Answer:
    """Write down a claims file and what is planned; its place in the journal tells when."""
    text, code = request.options.get("text"), request.options.get("code")
    if not isinstance(text, str) or not isinstance(code, str):
        return Answer(accepted=False, why="there is no claims file to lock")
    digests = {"sha256": digest_of_text(text), "plan": plan_digest(known.state.plan), "code": code}
    name = str(request.options.get("name") or "")
    return Answer(({"kind": LOCKED, "title": name, "text": text, **digests, "by": request.by},))


_VERBS: dict[str, Callable[[Request, Known], Answer]] = {
    "run": _run, "relaunch": _relaunch, "accept": _accept, "note": _note, "lock": _lock,
    "stop": _stop, "pause": _pause, "resume": _resume, "hold": _hold, "release": _release,
    "order": _order,
}  # fmt: skip


def wanted_line(request: Request, jobs: Mapping[str, int]) -> Entry:
    """Return the journal line that asks for attempts, by number."""
    return {
        "kind": "wanted",
        "jobs": dict(jobs),
        "verb": request.verb,
        "by": request.by,
        "request": request.id,
    }


def _exactly(jobs: Sequence[str], known: Known) -> dict[str, int]:
    """Ask for exactly these jobs: what was shown is what happens."""
    if unknown := [job for job in jobs if job not in known.state.plan.by_id]:
        raise ValueError(f"{unknown[0]!r} is not a job of this plan")
    ledger = known.ledger
    return {job: attempt_after(ledger.of(job)) for job in jobs if not _is_live(ledger, job)}


def _jobs(request: Request, plan: Plan) -> list[str]:
    """Return the jobs that a request names: its own list, the cells' own jobs, or all."""
    if request.jobs:
        return [job for job in request.jobs if job in plan.by_id]
    if not request.cells:
        return [job.id for job in plan.jobs]
    chosen = set(select_all(request.cells, plan.cells))
    stage = Stage(request.from_stage) if request.from_stage else None
    return [
        job.id for job in plan.jobs if job.cell in chosen and (stage is None or job.stage is stage)
    ]


def _is_live(ledger: Ledger, job: str) -> bool:
    last = ledger.of(job).last
    return last is not None and last.verdict in LIVE


def takes_back(given: Answer) -> bool:
    """Whether a stop also takes back what is only queued or waiting."""
    named = {job for entry in given.entries for job in entry.get("jobs", ())}
    return bool(named - set(given.stops))


def how_to_stop(jobs: Collection[str], facts: Facts, by: str) -> list[Action]:
    """Return the actions that end the live attempts of ``jobs``; none on another host.

    A worker whose present job is meant ends as a whole; what only waits behind a job that is not
    meant is taken out of the inbox.
    """
    meant = set(jobs)
    found: list[Action] = []
    for worker in facts.workers:
        here = tuple(job for job in worker.queue if job in meant)
        if not here or worker.phase is Phase.FOREIGN:
            continue
        if worker.queue[0] in meant:
            found.append(StopWorker(worker.id, here, by))
        else:
            found += [Withdraw(job, worker.id, worker.queue[0], by) for job in here]
    return found
