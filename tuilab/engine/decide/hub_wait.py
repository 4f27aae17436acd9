"""Decides when a model hub that gave nothing is asked again; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

from tuilab.contract.reasons import Reason
from tuilab.engine.decide.actions import Action, FetchAgain, Pause, Resume, Settle
from tuilab.engine.decide.facts import Facts
from tuilab.engine.decide.retry import is_hub_failure
from tuilab.grid.ledger import HUB
from tuilab.grid.states import Attempt

LONGEST = 600.0
"""Seconds between two tries at most, unless the hub itself asks for more."""


def seconds_to_wait(before: Sequence[Attempt], first: float, told: float | None = None) -> float:
    """Return how long to wait after one more failure: as told, else twice as long each time.

    ``before`` are the attempts before it; ``first`` is the wait after the first failure in a row.
    """
    if told is not None:
        return max(1.0, told)
    count = len(list(takewhile(is_hub_failure, reversed(before))))
    return float(min(LONGEST, first * 2 ** min(20, count)))


def wait_for_hub(facts: Facts, settled: Sequence[Settle]) -> Iterator[Action]:
    """Pause once when a hub gave nothing; what waits for it would fail one after the other."""
    failed = next((one for one in settled if one.ending.reason == Reason.HUB), None)
    if failed is None or facts.ledger.pause:
        return
    before = [one for one in facts.ledger.of(failed.job).attempts if one.number < failed.number]
    told = failed.ending.retry_after
    seconds = seconds_to_wait(before, facts.policy.hub_wait_seconds, told)
    yield Pause(failed.ending.detail, by=HUB, seconds=seconds)


def go_on(facts: Facts) -> Iterator[Action]:
    """Go on when the time is over and the hub answers again; a person's pause is left alone."""
    if facts.ledger.pause and facts.ledger.pause_by == HUB and facts.hub_answers:
        yield Resume("the model hub answers again")


def fetch_again(facts: Facts) -> Iterator[Action]:
    """Fetch again what this machine's cache has lost, before anything loads it."""
    for job in facts.absent_bases:
        known = facts.ledger.of(job)
        is_gone = known.last is not None and known.last is known.last_done
        if is_gone and not known.is_due and not known.held:
            yield FetchAgain(job)
