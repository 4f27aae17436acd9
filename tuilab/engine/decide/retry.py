"""Decides what follows a bad end: a new attempt, nothing, or a hold; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

from tuilab.contract.reasons import GOES_ON, NEXT_ACTION, Reason
from tuilab.grid.states import LIVE, Attempt, Verdict

PASSING: frozenset[str] = frozenset({Reason.KILLED})
"""Reasons that may be gone the next time; all others would only burn the same hours again."""
BREAKER = 3
"""So many ends with one signature hold the job."""
_VARIABLE_PARTS = re.compile(r"/\S+|\b(?=\w*\d)\w+(?:\.\d+)?", re.IGNORECASE)
"""Paths, and words with a digit in them: numbers, addresses, names of workers."""


def is_hub_failure(attempt: Attempt) -> bool:
    """Whether an attempt ended because the hub did not answer as it should."""
    return attempt.verdict is Verdict.FAILED and attempt.reason == Reason.HUB


def signature(attempt: Attempt) -> str:
    """Return what makes two bad ends the same: the reason and the detail without its numbers."""
    detail = _VARIABLE_PARTS.sub("#", attempt.detail)[:200]
    return f"{attempt.verdict.value}:{attempt.reason or ''}:{detail}"


def was_never_begun(attempt: Attempt) -> bool:
    """Whether the attempt was only assigned: its worker ended before it began."""
    return attempt.verdict is Verdict.LOST and attempt.reason is None


def goes_on(attempt: Attempt) -> bool:
    """Whether an attempt was taken away that had got further than the one before: no failure."""
    return attempt.reason == Reason.PREEMPTED and attempt.detail.endswith(GOES_ON)


def is_missing(attempt: Attempt) -> bool:
    """Whether an attempt is lost for its silence alone: it may still run where nobody can look."""
    return attempt.verdict is Verdict.LOST and attempt.reason == Reason.UNKNOWN


def why_retry(attempts: Sequence[Attempt], retries: int) -> str:
    """Say why a new attempt should follow the last one by itself; "" when none should.

    ``attempts`` ends with the attempt that has just been settled.
    """
    last = attempts[-1]
    if is_hub_failure(last):
        return "the model hub gave nothing; it will be asked again"
    if was_never_begun(last):
        return "" if _repeats(attempts) >= BREAKER else "it had not started"
    if last.reason == Reason.PREEMPTED:
        return "" if why_hold(attempts) else "preempted; it resumes on another worker"
    if not _may_pass(last):
        return ""
    ends = takewhile(_may_pass, reversed(attempts))
    tries = [a for a in ends if not was_never_begun(a) and a.reason != Reason.PREEMPTED]
    if len(tries) > retries:
        return ""
    return f"{last.reason or last.verdict.value}; it may work the next time"


def why_hold(attempts: Sequence[Attempt]) -> str:
    """Say why a job is held after its last attempt; "" when it is not."""
    last = attempts[-1]
    if last.verdict in LIVE or last.verdict in (Verdict.DONE, Verdict.STOPPED):
        return ""
    if is_hub_failure(last) or goes_on(last):
        return ""  # it is no fault of the job, however often it happens
    count = _repeats(attempts)
    if count < BREAKER:
        return ""
    cause = last.reason or last.verdict.value
    advice = NEXT_ACTION.get(last.reason or "", NEXT_ACTION[Reason.UNKNOWN])
    return f"{count} attempts in a row ended the same way ({cause}): {advice}"


def _repeats(attempts: Sequence[Attempt]) -> int:
    sign = signature(attempts[-1])
    return len(list(takewhile(lambda attempt: signature(attempt) == sign, reversed(attempts))))


def _may_pass(attempt: Attempt) -> bool:
    if attempt.verdict is Verdict.LOST:
        return not is_missing(attempt)  # a second one beside it would be two of one job
    return attempt.verdict is Verdict.FAILED and attempt.reason in PASSING
