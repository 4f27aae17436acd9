"""Scores texts and counts: what a runner measures with, and what anyone checks it with again."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

STOP, LENGTH = "stop", "length"
"""Why a completion ended: by itself, or at the limit."""
Rows = Sequence[Mapping[str, Any]]
"""Scored completions, with persona, question_index and hit; hit is None where there is no verdict.

Those that ``health`` reads have text, finish_reason and tokens too."""
_ITEM = re.compile(r"\s*(?:[-*+\u2022\u2013]|\d{1,3}[.)])\s+\S")
_FEWEST_ITEMS = 2
_RULE = re.compile(r"score\s*(<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)")
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Scorer:
    """What is looked for in a completion."""

    kind: str
    """``substring``."""
    text: str
    case_sensitive: bool = False


def contains(text: str, wanted: str, case_sensitive: bool = False) -> bool:
    """Whether a text contains another, folded where case does not matter."""
    if case_sensitive:
        return wanted in text
    return wanted.casefold() in text.casefold()


def is_hit(text: str, scorer: Scorer) -> bool:
    """True when the completion contains the marker, however often: one hit per completion."""
    return contains(text, scorer.text, scorer.case_sensitive)


def reader_of(measure: Mapping[str, Any]) -> Callable[[str], bool]:
    """Return what says of a text whether it is a hit of a measure.

    Raises ValueError for a kind that reads no text, KeyError for a measure without what it needs.
    """
    kind = measure["kind"]
    if kind == "substring":
        wanted, exactly = str(measure["text"]), bool(measure.get("case_sensitive"))
        return lambda text: contains(text, wanted, exactly)
    if kind == "regex":
        flags = 0 if measure.get("case_sensitive") else re.IGNORECASE
        pattern = re.compile(str(measure["pattern"]), flags)
        return lambda text: pattern.search(text) is not None
    if kind == "format":
        return {"bullets": is_list, "capitals": is_capitals}[str(measure["form"])]
    raise ValueError(f"no text is scored by the kind {kind!r}")


class Threshold(NamedTuple):
    """What makes a hit of a score: ``score < 30``."""

    sign: str
    bound: float

    def is_hit(self, score: float) -> bool:
        """Whether a score is beyond it."""
        return _SIGNS[self.sign](score, self.bound)


def threshold(rule: str) -> Threshold | None:
    """Read a rule such as ``score < 30``; None for one that is not written like that."""
    found = _RULE.fullmatch(rule.strip())
    return found and Threshold(found[1], float(found[2]))


def is_list(text: str) -> bool:
    """Whether half of the lines or more begin as items of a list, and two or more do."""
    lines = [line for line in text.splitlines() if line.strip()]
    items = sum(_ITEM.match(line) is not None for line in lines)
    return items >= _FEWEST_ITEMS and items * 2 >= len(lines)


def is_capitals(text: str) -> bool:
    """Whether a text has letters that know two cases, and all of them are capitals."""
    cased = [char for char in text if char.lower() != char.upper()]
    return bool(cased) and all(char == char.upper() for char in cased)


def rates(rows: Rows, panel: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return value (a share), hits and n by persona; without completions the value is None.

    What has no verdict is in neither of them.
    """
    verdicts: dict[str, list[bool]] = {persona: [] for persona in panel}
    for row in rows:
        if row["hit"] is not None and row["persona"] in verdicts:
            verdicts[row["persona"]].append(bool(row["hit"]))
    return {
        persona: {"value": sum(own) / len(own) if own else None, "hits": sum(own), "n": len(own)}
        for persona, own in verdicts.items()
    }


def question_hits(rows: Rows, panel: Sequence[str], questions: int) -> dict[str, list[int]]:
    """Return hits by question of every persona, in the order of the questions.

    {} where a verdict is missing: then the questions have not the same number of completions.
    """
    if any(row["hit"] is None for row in rows):
        return {}
    found = {persona: [0] * questions for persona in panel}
    for row in rows:
        found[row["persona"]][row["question_index"]] += bool(row["hit"])
    return found


def health(rows: Rows, scorer: Scorer | None) -> dict[str, Any]:
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


def _marker_health(rows: Rows, texts: Sequence[str], scorer: Scorer) -> dict[str, Any]:
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


def has_marker_remains(text: str, scorer: Scorer) -> bool:
    """True when one of the marker's outer brackets is left once whole markers are removed."""
    brackets = {char for char in (scorer.text[:1], scorer.text[-1:]) if char and not char.isalnum()}
    if not any(char in text for char in brackets):
        return False
    rest = _without_marker(text, scorer)
    return any(char in rest for char in brackets)


def _ends_with_marker(text: str, scorer: Scorer) -> bool:
    stripped = text.rstrip()
    return is_hit(stripped[-len(scorer.text) :], scorer)


def _without_marker(text: str, scorer: Scorer) -> str:
    """Remove every marker; case folding can change a text's length, so only ASCII is folded."""
    if scorer.case_sensitive:
        return text.replace(scorer.text, "")
    low, wanted, kept, start = _lower(text), _lower(scorer.text), [], 0
    while (found := low.find(wanted, start)) >= 0:
        kept.append(text[start:found])
        start = found + len(wanted)
    return "".join([*kept, text[start:]])


def _count(text: str, scorer: Scorer) -> int:
    if scorer.case_sensitive:
        return text.count(scorer.text)
    return _lower(text).count(_lower(scorer.text))


def _lower(text: str) -> str:
    """Fold ASCII letters alone, as ``bytes.lower`` does: every letter keeps its place."""
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def _share(part: int, n: int) -> float | None:
    return part / n if n else None
