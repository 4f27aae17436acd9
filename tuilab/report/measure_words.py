"""Says in the words of the run card what each measure of an experiment counts, and over what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tuilab.grid.text import count_of

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
