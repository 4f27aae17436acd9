"""Generates the standing caveats by rule: what the reader of any number here must know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tuilab.grid.edits import LEGEND, edits_text, listed
from tuilab.grid.lines import persona_of
from tuilab.grid.signs import KEPT
from tuilab.grid.text import count_of, list_of, percent_text
from tuilab.report.finished_jobs import FinishedJob
from tuilab.science.analysis import overdispersed
from tuilab.science.edit_notes import cells_set_aside
from tuilab.study.study import Study

CUT_LIMIT = 0.02
"""Share of completions cut at the token limit above which a caveat is due."""
_UNUSABLE = ("failed", "lost", "suspect", "stopped", "stale")


def caveats(study: Study, ran: Sequence[FinishedJob]) -> list[str]:
    """Return one sentence per caveat that applies."""
    return [
        *_synthetic(study),
        *_seeds(study),
        *_cells(study),
        *_unmeasured_sources(study),
        *study.facts,
        *_sizes(study),
        *_cut(ran),
        *_cut_answers(ran),
        *_cosine_scales(study),
        *_deviations(study),
        *_picked(study),
        *_clustered(study),
        *_overdispersed(study),
        *_in_distribution(ran),
    ]


def _synthetic(study: Study) -> Iterator[str]:
    if study.snapshot.synthetic:
        yield (
            "The model is synthetic: a tiny base whose behaviour was designed so that there is"
            " something to measure. Nothing here is evidence about a real model."
        )


def _seeds(study: Study) -> Iterator[str]:
    design = study.design
    if len(design.seeds) == 1:
        which = f"Single seed ({design.seeds[0]})" if design.seed_given else "Seed not given"
        yield f"{which}: nothing is replicated."


def _cells(study: Study) -> Iterator[str]:
    by_state: dict[str, list[str]] = {}
    for view in study.snapshot.cells:
        if view.state.value != "done":
            by_state.setdefault(view.state.value, []).append(str(view.cell))
    for state, cells in by_state.items():
        told = f"{count_of(len(cells), 'cell is', 'cells are')} {state}"
        kept = "kept out of every number" if state in _UNUSABLE else "without a value so far"
        yield f"{told} and {kept}: {list_of(cells)}."


def _unmeasured_sources(study: Study) -> Iterator[str]:
    measured = {
        row["source"]
        for row in study.rows
        if row["metric"] == study.design.measure
        and row["persona"] == persona_of(row["source"])
        and row["value"] is not None
    }
    labels = study.snapshot.labels
    absent = [labels.get(key, key) for key in study.snapshot.sources if key not in measured]
    if absent:
        yield (
            f"The {study.design.what} rate of the source itself was not measured for"
            f" {list_of(absent)}: it is n/a, not 0, so a low leakage there may mean that the"
            f" {study.design.what} was never learnt."
        )
    with_cosine = {
        row["source"] for row in study.rows if row["metric"] == "cosine" and row["value"]
    }
    without = [labels.get(key, key) for key in study.snapshot.sources if key not in with_cosine]
    if without and with_cosine:
        yield f"No cosine was measured for {list_of(without)}."


def _by_size(study: Study) -> dict[int, set[str]]:
    sizes: dict[int, set[str]] = {}
    for row in study.rows:
        if (
            row["metric"] == study.design.measure
            and row["persona"] == study.snapshot.target
            and row["n"]
        ):
            label = study.snapshot.labels.get(row["source"], row["source"])
            sizes.setdefault(row["n"], set()).add(label)
    return sizes


def sizes_said(study: Study) -> str:
    """Word how many target completions a cell rests on; "" when no row tells."""
    sizes = _by_size(study)
    target = study.snapshot.labels.get(study.snapshot.target, study.snapshot.target)
    if len(sizes) == 1:
        return f"{next(iter(sizes))} {target} completions in every cell"
    told = "; ".join(f"{n} for {list_of(sorted(who))}" for n, who in sorted(sizes.items()))
    return f"{target} completions per cell: {told}" if told else ""


def _sizes(study: Study) -> Iterator[str]:
    if len(_by_size(study)) > 1:
        yield f"Cells have different n. {sizes_said(study)}."


def _cut(ran: Sequence[FinishedJob]) -> Iterator[str]:
    health = [one.outcome.metrics.get("health", {}) for one in ran if one.stage == "eval"]
    total = sum(int(found.get("n") or 0) for found in health)
    cut = sum(int(found.get("cut") or 0) for found in health)
    if total and cut / total > CUT_LIMIT:
        yield (
            f"{cut} of {total} completions ({percent_text(cut / total, 1)}) were cut at the token"
            " limit and cannot show a marker at their end."
        )


def cut_answers(ran: Sequence[FinishedJob]) -> dict[str, int]:
    """Count, by data job, the training answers that were cut at the token limit."""
    counts = {one.job: one.outcome.checks.get("cut") for one in ran if one.stage == "data"}
    return {job: count for job, count in counts.items() if isinstance(count, int) and count}


def _cut_answers(ran: Sequence[FinishedJob]) -> Iterator[str]:
    cut = sum(cut_answers(ran).values())
    rows = sum(int(one.outcome.checks.get("rows") or 0) for one in ran if one.stage == "data")
    if not cut:
        return
    trained = [one for one in ran if one.stage in ("converge", "train")]
    if trained and all(one.settings.get("cut") == "drop" for one in trained):
        yield f"{cut} of {rows} training answers were cut at the token limit: none is trained on."
    else:
        yield (
            f"{cut} of {rows} training answers were cut at the token limit and are taught as if"
            ' they ended there (data.cut = "drop" leaves them out).'
        )


def _cosine_scales(study: Study) -> Iterator[str]:
    if len(study.analysis.scales) > 1:
        told = "; ".join(str(scale) for scale in study.analysis.scales)
        yield f"Cosines exist on several scales ({told}): one is shown, and they are never mixed."


def _deviations(study: Study) -> Iterator[str]:
    ran = [(str(view.cell), edits_text(view.edits)) for view in study.snapshot.cells if view.edits]
    if ran:
        yield f"{count_of(len(ran), 'cell')} {LEGEND}: {listed(ran)}."
    if aside := cells_set_aside(study.analysis.frame):
        yield (
            f"{count_of(len(aside), 'edited cell is', 'edited cells are')} kept out of every number"
            f" because the rest of the source ran with other settings: {listed(aside)}."
        )
    if odd := study.analysis.odd:
        labels = list_of([study.design.label(key) for key in sorted(odd)])
        yield f"Statements about several sources leave out those with other settings: {labels}."
    kept = [
        (str(view.cell), word)
        for view in study.snapshot.cells
        for word in dict.fromkeys(view.accepted.values())
    ]
    if kept:
        cells = count_of(len({cell for cell, _ in kept}), "cell counts", "cells count")
        yield f"{cells} though {KEPT}: {listed(kept)}."
    if study.snapshot.config_changed:
        yield "experiment.toml has been changed since these results were planned."


def _picked(study: Study) -> Iterator[str]:
    if len(study.design.epochs) > 1:
        yield (
            f"Each peak is the largest of {len(study.design.epochs)} checkpoints: it is biased"
            " upward, and its interval ignores this choice."
        )


def _clustered(study: Study) -> Iterator[str]:
    if not any(row["metric"] == study.design.measure and row["n"] for row in study.rows):
        return
    tests = "The Fisher tests treat all completions of a cell as independent, but several answer"
    if any(row["question_hits"] for row in study.rows):
        yield f"{tests} the same question. Intervals do not: they know the questions."
    else:
        yield (
            f"{tests} the same question. Intervals do so too, since which completions answer which"
            " question is not known. Tests and intervals may be too narrow."
        )


def _overdispersed(study: Study) -> Iterator[str]:
    wide = dict.fromkeys(result.source.label for result, _ in overdispersed(study.analysis))
    if wide:
        yield (
            f"Checkpoints of {list_of(list(wide))} differ by more than sampling alone explains, by"
            " trend or training noise: where it is noise, binomial intervals and tests are too"
            " narrow."
        )


def _in_distribution(ran: Sequence[FinishedJob]) -> Iterator[str]:
    trained = {q for one in ran if one.stage == "data" for q in one.settings.get("questions", ())}
    asked = {q for one in ran if one.stage == "eval" for q in one.settings.get("questions", ())}
    if not trained or not asked:
        return
    if shared := trained & asked:
        yield (
            f"{len(shared)} of {len(asked)} evaluation questions were also trained on: their"
            " rates are not those of unseen questions."
        )
    else:
        yield (
            f"In distribution: none of the {len(asked)} evaluation questions is among the"
            f" {len(trained)} training questions, but they are of the same kind, and personas and"
            " prompts are the same."
        )
