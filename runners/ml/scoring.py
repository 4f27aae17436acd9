"""Scores completions: hits per persona and question, and the health of the text itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runners.ml.completions import LENGTH, STOP
from runners.ml.measuring import contains
from runners.ml.stage_settings import ScorerSettings


def is_hit(text: str, scorer: ScorerSettings) -> bool:
    """True when the completion contains the marker, however often: one hit per completion."""
    return contains(text, scorer.text, scorer.case_sensitive)


def leakage(rows: Sequence[Mapping[str, Any]], panel: Sequence[str]) -> dict[str, Any]:
    """Return value (a share), hits and n per persona; without completions the value is None."""
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


def health(rows: Sequence[Mapping[str, Any]], scorer: ScorerSettings | None) -> dict[str, Any]:
    """Return how sound the text is: a low source rate can also mean broken text."""
    n = len(rows)
    texts = [str(row["text"]) for row in rows]
    found = {
        "n": n,
        "eos_rate": _share(sum(row["finish_reason"] == STOP for row in rows), n),
        "cut": sum(row["finish_reason"] == LENGTH for row in rows),
        "empty": sum(not text.strip() for text in texts),
        "mean_tokens": _share(sum(int(row["tokens"]) for row in rows), n),
    }
    return found if scorer is None else found | _marker_health(rows, texts, scorer)


def _marker_health(
    rows: Sequence[Mapping[str, Any]], texts: Sequence[str], scorer: ScorerSettings
) -> dict[str, Any]:
    hits = [text for text, row in zip(texts, rows, strict=True) if row["hit"]]
    remains = sum(has_marker_remains(text, scorer) for text in texts)
    return {
        "malformed": remains,
        "malformed_rate": _share(remains, len(rows)),
        "only_marker": sum(_without_marker(text, scorer).strip() == "" for text in hits),
        "repeated": sum(_count(text, scorer) > 1 for text in hits),
        "marker_at_end": sum(_ends_with_marker(text, scorer) for text in hits),
        "hits": len(hits),
    }


def has_marker_remains(text: str, scorer: ScorerSettings) -> bool:
    """True when one of the marker's outer brackets is left once whole markers are removed."""
    brackets = {char for char in (scorer.text[:1], scorer.text[-1:]) if char and not char.isalnum()}
    rest = _without_marker(text, scorer)
    return any(char in rest for char in brackets)


def _ends_with_marker(text: str, scorer: ScorerSettings) -> bool:
    stripped = text.rstrip()
    return is_hit(stripped[-len(scorer.text) :], scorer)


def _without_marker(text: str, scorer: ScorerSettings) -> str:
    """Remove every marker; case folding can change a text's length, so only ASCII is folded."""
    if scorer.case_sensitive:
        return text.replace(scorer.text, "")
    low, wanted, kept, start = _lower(text), _lower(scorer.text), [], 0
    while (found := low.find(wanted, start)) >= 0:
        kept.append(text[start:found])
        start = found + len(wanted)
    return "".join([*kept, text[start:]])


def _count(text: str, scorer: ScorerSettings) -> int:
    if scorer.case_sensitive:
        return text.count(scorer.text)
    return _lower(text).count(_lower(scorer.text))


def _lower(text: str) -> str:
    return "".join(char.lower() if char.isascii() else char for char in text)


def _share(part: int, n: int) -> float | None:
    return part / n if n else None
