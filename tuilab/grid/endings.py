"""Says in one line what became of an attempt; shared by keys and verbs."""

from __future__ import annotations

from tuilab.grid.states import LIVE, Attempt, Verdict

_LIVE_WORDS = {Verdict.CLAIMED: "it has not begun yet", Verdict.RUNNING: "it is running"}


def ending_words(attempt: Attempt) -> str:
    """Name the verdict, its reason and its evidence, such as ``failed (killed): by signal 9``."""
    if attempt.verdict in LIVE:
        return _LIVE_WORDS[attempt.verdict]
    verdict = attempt.verdict.value
    reason = f" ({attempt.reason})" if attempt.reason else ""
    if attempt.detail.startswith(f"{verdict} "):
        return attempt.detail + reason
    return f"{verdict}{reason}" + (f": {attempt.detail}" if attempt.detail else "")


def short_ending(attempt: Attempt) -> str:
    """Name in a word what ended an attempt; "" while it lives and where it did what it should."""
    if attempt.verdict in LIVE or attempt.verdict is Verdict.DONE:
        return ""
    if attempt.verdict is Verdict.STOPPED:
        return attempt.verdict.value
    return attempt.reason or attempt.verdict.value
