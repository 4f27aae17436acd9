"""Generates the standing caveats by rule: what the reader of any number here must know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tuilab.report.evidence import Ran
from tuilab.study.opening import Study

CUT_LIMIT = 0.02
"""Share of completions cut at the token limit above which a caveat is due."""
_UNUSABLE = ("failed", "lost", "suspect", "stopped", "stale")


def caveats(study: Study, ran: Sequence[Ran]) -> list[str]:
    """Return one sentence per caveat that applies."""
    return [
        *_synthetic(study),
        *_seeds(study),
        *_cells(study),
        *_unmeasured_sources(study),
        *_sizes(study),
        *_cut(ran),
        *_cosine_scales(study),
        *_deviations(study),
        *_picked(study),
        *_in_distribution(ran),
    ]


def _synthetic(study: Study) -> Iterator[str]:
    if study.snapshot.synthetic:
        yield (
            "The model is synthetic: a tiny base whose behaviour was designed so that there is"
            " something to measure. Nothing here is evidence about a real model."
        )


def _seeds(study: Study) -> Iterator[str]:
    seeds = study.snapshot.seeds
    if len(seeds) == 1:
        yield (
            f"Single seed ({seeds[0]}): nothing is replicated. An earlier study of the same recipe"
            " gave 2.5, 31 and 63 % for one source over three seeds."
        )


def _cells(study: Study) -> Iterator[str]:
    by_state: dict[str, list[str]] = {}
    for view in study.snapshot.cells:
        if view.state.value != "done":
            by_state.setdefault(view.state.value, []).append(str(view.cell))
    for state, cells in by_state.items():
        kept = "are kept out of every number" if state in _UNUSABLE else "have no value yet"
        yield f"{len(cells)} cells are {state} and {kept}: {_some(cells)}."


def _unmeasured_sources(study: Study) -> Iterator[str]:
    measured = {
        row["source"]
        for row in study.rows
        if row["metric"] == "leakage"
        and row["persona"] == row["source"]
        and row["value"] is not None
    }
    labels = study.snapshot.labels
    absent = [labels.get(key, key) for key in study.snapshot.sources if key not in measured]
    if absent:
        yield (
            f"The marker rate of the source itself was not measured for {_some(absent)}: it is n/a,"
            " not 0, so a low leakage there may mean a marker that never took."
        )
    with_cosine = {
        row["source"] for row in study.rows if row["metric"] == "cosine" and row["value"]
    }
    without = [labels.get(key, key) for key in study.snapshot.sources if key not in with_cosine]
    if without and with_cosine:
        yield f"No cosine was measured for {_some(without)}."


def _sizes(study: Study) -> Iterator[str]:
    sizes: dict[int, set[str]] = {}
    for row in study.rows:
        if row["metric"] == "leakage" and row["persona"] == study.snapshot.target and row["n"]:
            sizes.setdefault(row["n"], set()).add(study.snapshot.labels[row["source"]])
    if len(sizes) > 1:
        told = "; ".join(f"n = {n}: {_some(sorted(who))}" for n, who in sorted(sizes.items()))
        yield f"Cells rest on different numbers of completions ({told})."


def _cut(ran: Sequence[Ran]) -> Iterator[str]:
    health = [one.outcome.metrics.get("health", {}) for one in ran if one.stage == "eval"]
    total = sum(int(found.get("n") or 0) for found in health)
    cut = sum(int(found.get("cut") or 0) for found in health)
    if total and cut / total > CUT_LIMIT:
        yield (
            f"{cut} of {total} completions ({cut / total:.1%}) were cut at the token limit and"
            " cannot show a marker at their end."
        )


def _cosine_scales(study: Study) -> Iterator[str]:
    if len(study.analysis.scales) > 1:
        told = "; ".join(str(scale) for scale in study.analysis.scales)
        yield f"Cosines exist on several scales ({told}); only one is shown, they never mix."


def _deviations(study: Study) -> Iterator[str]:
    edits = Counter(
        f"{name} = {value}"
        for view in study.snapshot.cells
        for name, value in view.deviation.items()
    )
    for edit, count in edits.items():
        yield f"{count} cells deviate from the config: {edit}."
    if study.snapshot.config_changed:
        yield "experiment.toml has been changed since these results were planned."


def _picked(study: Study) -> Iterator[str]:
    if len(study.design.epochs) > 1:
        yield (
            f"Each peak is the largest of {len(study.design.epochs)} checkpoints: it is biased"
            " upward, and its interval ignores the picking."
        )


def _in_distribution(ran: Sequence[Ran]) -> Iterator[str]:
    if ran:
        yield (
            "Questions, personas and prompts are in distribution: evaluation questions differ from"
            " the training questions and are of the same kind."
        )


def _some(names: Sequence[str], limit: int = 8) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
