"""Generates the standing caveats by rule: what the reader of any number here must know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tuilab.grid.edits import LEGEND, edits_text, listed
from tuilab.grid.text import count_of, percent_text
from tuilab.report.finished_jobs import FinishedJob
from tuilab.science.edit_notes import cells_set_aside
from tuilab.science.significance import ALPHA
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
        *_sizes(study),
        *_cut(ran),
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
        yield (
            f"{which}: nothing is replicated. An earlier study of the same recipe gave 2.5, 31 and"
            " 63 % for one source over three seeds."
        )


def _cells(study: Study) -> Iterator[str]:
    by_state: dict[str, list[str]] = {}
    for view in study.snapshot.cells:
        if view.state.value != "done":
            by_state.setdefault(view.state.value, []).append(str(view.cell))
    for state, cells in by_state.items():
        told = f"{count_of(len(cells), 'cell is', 'cells are')} {state}"
        kept = "kept out of every number" if state in _UNUSABLE else "without a value yet"
        yield f"{told}, {kept}: {_some(cells)}."


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


def _by_size(study: Study) -> dict[int, set[str]]:
    sizes: dict[int, set[str]] = {}
    for row in study.rows:
        if row["metric"] == "leakage" and row["persona"] == study.snapshot.target and row["n"]:
            label = study.snapshot.labels.get(row["source"], row["source"])
            sizes.setdefault(row["n"], set()).add(label)
    return sizes


def sizes_said(study: Study) -> str:
    """Word how many target completions a cell rests on; "" when no row tells."""
    sizes = _by_size(study)
    target = study.snapshot.labels.get(study.snapshot.target, study.snapshot.target)
    if len(sizes) == 1:
        return f"{next(iter(sizes))} {target} completions in every cell"
    told = "; ".join(f"n = {n}: {_some(sorted(who))}" for n, who in sorted(sizes.items()))
    return f"{target} completions differ: {told}" if told else ""


def _sizes(study: Study) -> Iterator[str]:
    if len(_by_size(study)) > 1:
        yield f"Cells rest on different n. {sizes_said(study)}."


def _cut(ran: Sequence[FinishedJob]) -> Iterator[str]:
    health = [one.outcome.metrics.get("health", {}) for one in ran if one.stage == "eval"]
    total = sum(int(found.get("n") or 0) for found in health)
    cut = sum(int(found.get("cut") or 0) for found in health)
    if total and cut / total > CUT_LIMIT:
        yield (
            f"{cut} of {total} completions ({percent_text(cut / total, 1)}) were cut at the token"
            " limit and cannot show a marker at their end."
        )


def _cosine_scales(study: Study) -> Iterator[str]:
    if len(study.analysis.scales) > 1:
        told = "; ".join(str(scale) for scale in study.analysis.scales)
        yield f"Cosines exist on several scales ({told}); only one is shown, they never mix."


def _deviations(study: Study) -> Iterator[str]:
    ran = [(str(view.cell), edits_text(view.edits)) for view in study.snapshot.cells if view.edits]
    if ran:
        yield f"{count_of(len(ran), 'cell')} {LEGEND}: {listed(ran)}."
    if aside := cells_set_aside(study.analysis.frame):
        yield (
            f"{count_of(len(aside), 'edited cell')} among others of the source"
            f" {'is' if len(aside) == 1 else 'are'} kept out of every number: {listed(aside)}."
        )
    if odd := study.analysis.odd:
        labels = _some([study.design.label(key) for key in sorted(odd)])
        yield f"What is said of several sources leaves out those with their own settings: {labels}."
    if study.snapshot.config_changed:
        yield "experiment.toml has been changed since these results were planned."


def _picked(study: Study) -> Iterator[str]:
    if len(study.design.epochs) > 1:
        yield (
            f"Each peak is the largest of {len(study.design.epochs)} checkpoints: it is biased"
            " upward, and its interval ignores the picking."
        )


def _clustered(study: Study) -> Iterator[str]:
    if not any(row["metric"] == "leakage" and row["n"] for row in study.rows):
        return
    tests = "The Fisher tests treat all completions of a cell as independent, though several answer"
    if study.hits:
        yield f"{tests} the same question; the intervals do not where questions were resampled."
    else:
        yield (
            f"{tests} the same question, and so do the intervals: without completions there is"
            " nothing to resample, and both may be too narrow."
        )


def _overdispersed(study: Study) -> Iterator[str]:
    wide = [
        result.source.label
        for result in study.analysis.sources
        for run in result.runs
        if run.overdispersion is not None and run.overdispersion.p < ALPHA
    ]
    if wide:
        yield (
            f"Checkpoints of {_some(list(dict.fromkeys(wide)))} scatter more than sampling alone"
            " explains: binomial intervals and tests are too narrow there."
        )


def _in_distribution(ran: Sequence[FinishedJob]) -> Iterator[str]:
    trained = {q for one in ran if one.stage == "data" for q in one.settings.get("questions", ())}
    asked = {q for one in ran if one.stage == "eval" for q in one.settings.get("questions", ())}
    if not trained or not asked:
        return
    if shared := trained & asked:
        yield (
            f"{len(shared)} of {len(asked)} evaluation questions were also trained on: the rates"
            " there are not those of unseen questions."
        )
    else:
        yield (
            f"In distribution: the {len(asked)} evaluation questions are none of the"
            f" {len(trained)} training questions and of the same kind; personas and prompts are"
            " the same in both."
        )


def _some(names: Sequence[str], limit: int = 8) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
