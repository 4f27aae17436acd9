"""Says in one line what became of an attempt; shared by keys and verbs."""

from __future__ import annotations

from tuilab.grid.states import LIVE, Attempt, Verdict

_LIVE_WORDS = {Verdict.CLAIMED: "it has not begun yet", Verdict.RUNNING: "it is running"}


def ending_words(attempt: Attempt) -> str:
    """Name the verdict, its reason and its evidence, such as ``failed (code): KeyError: 'x'``."""
    if attempt.verdict in LIVE:
        return _LIVE_WORDS[attempt.verdict]
    return how_it_ended(attempt.verdict.value, attempt.reason, attempt.detail)


def how_it_ended(verdict: str, reason: str | None, detail: str) -> str:
    """Say the same from its parts; a detail that begins with one of them is not told twice."""
    if verdict == Verdict.LOST and not reason and detail.startswith("never"):
        return detail
    if reason and detail.startswith(f"{reason} "):
        return detail
    cause = f" ({reason})" if reason else ""
    if detail.startswith(f"{verdict} "):
        return detail + cause
    return f"{verdict}{cause}" + (f": {detail}" if detail else "")


def short_ending(attempt: Attempt) -> str:
    """Name in a word what ended an attempt; "" while it lives and where it did what it should."""
    if attempt.verdict in LIVE or attempt.verdict is Verdict.DONE:
        return ""
    if attempt.verdict is Verdict.STOPPED:
        return attempt.verdict.value
    return attempt.reason or attempt.verdict.value
