"""Says in the words of the run card what each measure counts, over what, and how judging went."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tuilab.grid.text import count_of, number
from tuilab.report.finished_jobs import FinishedJob

Settings = Mapping[str, Any]


def measure_words(measure: Settings) -> str:
    """Return what is a hit of a measure, as its stage's settings have it, and of how many asked."""
    said = _WORDS[str(measure["kind"])](measure)
    if measure["kind"] == "choices":
        return f"{said}; {count_of(len(measure['items']), 'question')}"
    if measure["kind"] == "inspect":
        return f"{said}; {measure['limit'] or 'all'} samples"
    asked = count_of(int(measure["questions_count"]), "question")
    return f"{said}; {asked} x {count_of(int(measure['samples']), 'completion')}"


def _case(measure: Settings) -> str:
    return "case sensitive" if measure.get("case_sensitive") else "not case sensitive"


def _judge(measure: Settings) -> str:
    judge = measure["judge"]
    who = "the base itself" if judge["base_url"] == "self" else f"{judge['model']} as judge"
    low, high = measure["scale"]
    return f"share of completions to which {who} gives a {measure['hit']} ({low:g} to {high:g})"


_WORDS: Mapping[str, Callable[[Settings], str]] = {
    "substring": lambda one: f"share of completions that contain {one['text']!r} ({_case(one)})",
    "regex": lambda one: (
        f"share of completions in which {one['pattern']!r} is found ({_case(one)})"
    ),
    "format": lambda one: f"share of completions in {one['form']}",
    "choices": lambda one: "share of questions whose right answer is the likeliest of those given",
    "judge": _judge,
    "inspect": lambda one: f"share of samples of {one['task']} with full marks (Inspect AI)",
}


def judging(ran: Sequence[FinishedJob]) -> dict[str, str]:
    """Return by judge measure how much was judged and how far the judge is from itself.

    The tokens are those of attempts with a result: what earlier ones had paid is in their records.
    """
    found: dict[str, str] = {}
    for name, key in {m["name"]: m["key"] for one in ran for m in one.settings["measures"]}.items():
        left = _of(ran, f"{key}.unjudged")
        words = [f"{sum(one['hits'] for one in left)} of {sum(one['n'] for one in left)} unscored"]
        twice = [one for one in _of(ran, f"{key}.twice") if one["n"]]
        if count := sum(one["n"] for one in twice):
            apart = sum(one["n"] * one["apart"] for one in twice) / count
            words.append(f"{count} judged twice, {number(apart, 1)} apart on average")
        found[f"Judging {name}"] = "; ".join(words)
    if ran:
        checks = [one.outcome.checks for one in ran]
        sent, received, cost = (
            sum(one.get(name, 0) for one in checks)
            for name in ("tokens_sent", "tokens_received", "cost")
        )
        told = f"{sent} sent, {received} received" + (f", cost {cost:g}" if cost else "")
        found["Judge tokens"] = f"{told}, in the attempts with these results"
    return found


def _of(ran: Sequence[FinishedJob], key: str) -> list[Settings]:
    return [found for one in ran if (found := one.outcome.metrics.get(key))]
