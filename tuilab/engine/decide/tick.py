"""One decision of the engine: from the facts of a moment to the actions they ask for; pure."""

from __future__ import annotations

from tuilab.contract.reasons import Reason
from tuilab.engine.decide.actions import Action, Close, Pause, Settle
from tuilab.engine.decide.assign import assign_jobs
from tuilab.engine.decide.facts import Facts
from tuilab.engine.decide.hub_wait import fetch_again, go_on, wait_for_hub
from tuilab.engine.decide.limits import drain
from tuilab.engine.decide.settle import settle_attempts
from tuilab.engine.decide.workers import keep_up


def decide(facts: Facts, may_start: bool = True) -> list[Action]:
    """Return what to do now, in order.

    Ends are recorded first; new work is given only in a round that settles nothing, so that what
    has just become ready is weighed with the rest, that does not pause, and that closes no worker,
    who would be given some of it; and none while a person's wish is to be heard first. Ages and
    durations are part of the facts: no clock is read here.
    """
    actions = [*settle_attempts(facts), *keep_up(facts), *go_on(facts)]
    if lost := list(fetch_again(facts)):
        return [*actions, *lost]
    settled = [action for action in actions if isinstance(action, Settle)]
    if not settled:
        is_winding_down = any(isinstance(action, Close | Pause) for action in actions)
        given = assign_jobs(facts) if may_start and not is_winding_down else []
        return [*actions, *given, *(() if given or not may_start else drain(facts))]
    full = next((s for s in settled if s.ending.reason == Reason.DISK_FULL), None)
    if full is not None and not facts.ledger.pause:
        actions.append(Pause(f"the disk was full in {full.job}: {full.ending.detail}"))
    return [*actions, *wait_for_hub(facts, settled)]
