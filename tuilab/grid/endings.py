"""How an attempt ended, and the words for it; shared by readers, the engine, keys and verbs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tuilab.grid.states import LIVE, Attempt, Verdict


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of an attempt: by its outcome, or by how its worker ended without one."""

    verdict: Verdict
    reason: str | None = None
    detail: str = ""
    seconds: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    output_hash: str = ""
    by: str = ""
    """Who ended it, when an operator did."""
    checkpoints: Mapping[int, str] = field(default_factory=dict)
    """Hash of each checkpoint of a convergence run, by epoch."""
    bytes: int = 0
    """Size of the artefacts."""
    peak_device: int = 0
    """Most bytes of GPU memory that it held; 0 where that was not measured."""
    retry_after: float | None = None
    """Seconds that a hub asks to wait; None when it asked for none."""


def settled(attempt: Attempt, ending: Ending) -> Attempt:
    """Return an attempt as it is with what became of it."""
    return replace(
        attempt,
        verdict=ending.verdict,
        reason=str(ending.reason) if ending.reason else None,
        detail=ending.detail,
        seconds=ending.seconds,
        started_at=attempt.started_at if ending.started_at is None else ending.started_at,
        finished_at=ending.finished_at,
        output_hash=ending.output_hash,
        by=ending.by,
        checkpoints=ending.checkpoints,
        percent=None,
    )


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
