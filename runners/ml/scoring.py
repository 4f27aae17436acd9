"""Judges completions: hits per persona and question, and the health of the text itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runners.ml.completions import LENGTH, STOP
from runners.ml.stage_settings import ScorerPlan


def is_hit(text: str, plan: ScorerPlan) -> bool:
    """True when the completion contains the marker, however often: one hit per completion."""
    if plan.case_sensitive:
        return plan.text in text
    return plan.text.casefold() in text.casefold()


def leakage(rows: Sequence[Mapping[str, Any]], panel: Sequence[str]) -> dict[str, Any]:
    """Return value, hits and n per persona; a persona without completions is not 0 but None."""
    found: dict[str, Any] = {}
    for persona in panel:
        hits = [bool(row["hit"]) for row in rows if row["persona"] == persona]
        value = sum(hits) / len(hits) if hits else None
        found[persona] = {"value": value, "hits": sum(hits), "n": len(hits)}
    return found


def question_hits(
    rows: Sequence[Mapping[str, Any]], panel: Sequence[str], questions: int
) -> dict[str, list[int]]:
    """Return hits per question and persona, in the order of the questions."""
    found = {persona: [0] * questions for persona in panel}
    for row in rows:
        found[row["persona"]][row["question_index"]] += bool(row["hit"])
    return found


def health(rows: Sequence[Mapping[str, Any]], plan: ScorerPlan) -> dict[str, Any]:
    """Return how sound the text is: a low source rate means a broken cell as often as no marker."""
    n = len(rows)
    texts = [str(row["text"]) for row in rows]
    hits = [text for text, row in zip(texts, rows, strict=True) if row["hit"]]
    return {
        "n": n,
        "eos_rate": _share(sum(row["finish_reason"] == STOP for row in rows), n),
        "cut": sum(row["finish_reason"] == LENGTH for row in rows),
        "malformed": sum(has_marker_scraps(text, plan) for text in texts),
        "malformed_rate": _share(sum(has_marker_scraps(text, plan) for text in texts), n),
        "empty": sum(not text.strip() for text in texts),
        "mean_tokens": _share(sum(int(row["tokens"]) for row in rows), n),
        "only_marker": sum(_without_marker(text, plan).strip() == "" for text in hits),
        "repeated": sum(_count(text, plan) > 1 for text in hits),
        "marker_at_end": sum(_ends_with_marker(text, plan) for text in hits),
        "hits": len(hits),
    }


def has_marker_scraps(text: str, plan: ScorerPlan) -> bool:
    """True when whole markers taken out leave one of the marker's outer brackets behind."""
    scraps = {char for char in (plan.text[:1], plan.text[-1:]) if char and not char.isalnum()}
    rest = _without_marker(text, plan)
    return any(char in rest for char in scraps)


def _ends_with_marker(text: str, plan: ScorerPlan) -> bool:
    stripped = text.rstrip()
    return is_hit(stripped[-len(plan.text) :], plan)


def _without_marker(text: str, plan: ScorerPlan) -> str:
    """Cut every marker out; case folding may change a text's length, so only ASCII is folded."""
    if plan.case_sensitive:
        return text.replace(plan.text, "")
    low, wanted, kept, place = _lower(text), _lower(plan.text), [], 0
    while (found := low.find(wanted, place)) >= 0:
        kept.append(text[place:found])
        place = found + len(wanted)
    return "".join([*kept, text[place:]])


def _count(text: str, plan: ScorerPlan) -> int:
    if plan.case_sensitive:
        return text.count(plan.text)
    return _lower(text).count(_lower(plan.text))


def _lower(text: str) -> str:
    return "".join(char.lower() if char.isascii() else char for char in text)


def _share(part: int, n: int) -> float | None:
    return part / n if n else None
