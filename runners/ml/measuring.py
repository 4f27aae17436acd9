"""Counts what measures found: rates by persona, and hits by question for resampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Scored = Sequence[Mapping[str, Any]]
"""Rows with persona, question_index and hit; hit is None where there is no verdict."""


def rates(scored: Scored, panel: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return value, hits and n by persona; what has no verdict is in neither of them."""
    found = {}
    for persona in panel:
        own = [one["hit"] for one in scored if one["persona"] == persona]
        hits = [hit for hit in own if hit is not None]
        value = sum(hits) / len(hits) if hits else None
        found[persona] = {"value": value, "hits": sum(hits), "n": len(hits)}
    return found


def question_hits(scored: Scored, panel: Sequence[str], questions: int) -> dict[str, list[int]]:
    """Return hits by question of every persona, in the order of the questions.

    {} where a verdict is missing: then the questions have not the same number of completions.
    """
    if any(one["hit"] is None for one in scored):
        return {}
    found = {persona: [0] * questions for persona in panel}
    for one in scored:
        found[one["persona"]][one["question_index"]] += bool(one["hit"])
    return found


def contains(text: str, wanted: str, case_sensitive: bool = False) -> bool:
    """Whether a text contains another, folded where case does not matter."""
    if case_sensitive:
        return wanted in text
    return wanted.casefold() in text.casefold()
