"""The standard claims that limit the others: specificity, noise, seeds, mixed scales."""

from tuilab.grid.edits import listed
from tuilab.grid.text import count_of, percent_text, points
from tuilab.science.analysis import Analysis
from tuilab.science.claims.claim import Claim, Verdict, left_open
from tuilab.science.edit_notes import cells_set_aside, edits_notes, odd_note
from tuilab.science.significance import ALPHA
from tuilab.science.text import names, p_value


def edits_claim(analysis: Analysis) -> tuple[Claim, ...]:
    """Whether every cell ran as the config says; nothing where no edit is known."""
    notes = edits_notes(analysis)
    if not notes:
        return ()
    claim = "Every cell ran with the settings of the config"
    numbers = {
        "left_out": dict(cells_set_aside(analysis.frame)),
        "whole_sources": {r.source.key: r.edits for r in analysis.sources if r.edits},
    }
    said = "; ".join(notes)
    sentence = f"{said[:1].upper()}{said[1:]}."
    return (Claim("settings", claim, Verdict.FAILS, sentence, (), numbers),)


def specificity_claim(analysis: Analysis) -> Claim:
    """Whether every source shows the marker itself; without that its leakage means little."""
    parts, absent, numbers, evidence = [], [], {}, []
    shown = []
    for result in analysis.alike:
        cells = [cell for cell in analysis.specificity if cell.source == result.source.key]
        rates = [cell.source_rate for cell in cells if cell.source_rate is not None]
        label = result.source.label
        numbers[result.source.key] = {
            "measured": len(rates),
            "lowest_source_rate": min(rates, default=None),
            "highest_bystander": max(
                (cell.max_bystander for cell in cells if cell.max_bystander is not None),
                default=None,
            ),
        }
        if not rates:
            absent.append(label)
            evidence.append(f"{label}: source rate n/a, {cells[0].source_reason}")
            continue
        shown.append(min(rates) > 0)
        parts.append(
            f"{label} {percent_text(min(rates), 1)} to {percent_text(max(rates), 1)}"
            f" in {count_of(len(rates), 'cell')}"
        )
    verdict = Verdict.NOT_MEASURED
    if shown and not all(shown):
        verdict = Verdict.FAILS
    elif shown and not absent:
        verdict = Verdict.HOLDS
    text = [f"The source's own marker rate: {'; '.join(parts)}"] if parts else []
    if absent:
        text.append(f"The source's own marker rate is not measured for {names(absent)}")
    sentence = f"{'. '.join(text)}{odd_note(analysis.sources, analysis.odd)}."
    verdict = left_open(verdict, analysis.odd)
    claim = "Every source shows the marker itself"
    return Claim("specificity", claim, verdict, sentence, tuple(evidence), numbers)


def overdispersion_claim(analysis: Analysis) -> Claim:
    """Whether later checkpoints differ more than sampling completions explains."""
    ratios, wide, numbers = [], [], {}
    for result in analysis.sources:
        for run in result.runs:
            found = run.overdispersion
            name = result.source.label
            if len(result.runs) > 1:
                name = f"{name} seed {run.trajectory.seed}"
            numbers[name] = None if found is None else found.ratio
            if found is None:
                continue
            ratios.append(f"{name} {found.ratio:.1f} ({p_value(found.p)})")
            if found.p < ALPHA:
                wide.append(name)
    claim = "Later checkpoints differ by no more than sampling"
    if not ratios:
        sentence = (
            "Dispersion between checkpoints cannot be computed: it needs counts at two of them"
            " after epoch 0, and hits that are neither none nor all."
        )
        return Claim("dispersion", claim, Verdict.NOT_MEASURED, sentence, (), numbers)
    meaning = (
        "binomial intervals and tests are too narrow there" if wide else "sampling explains them"
    )
    return Claim(
        "dispersion",
        claim,
        Verdict.FAILS if wide else Verdict.HOLDS,
        f"Checkpoints after epoch 0 differ by more than sampling in {len(wide)} of {len(ratios)}"
        f" runs ({names(wide)}; Pearson chi-square over df, by trend or training noise);"
        f" {meaning}.",
        tuple(ratios),
        numbers,
    )


def seeds_claim(analysis: Analysis) -> Claim:
    """Whether there is more than one seed, and what the spread between seeds is."""
    seeds = analysis.design.seeds
    claim = "The results are replicated over seeds"
    if one := analysis.design.one_seed:
        sentence = f"{one[:1].upper()}{one[1:]}: nothing is replicated and the spread is unknown."
        known = {"seeds": list(seeds) if analysis.design.seed_given else []}
        return Claim("seeds", claim, Verdict.NOT_MEASURED, sentence, (), known)
    aside = cells_set_aside(analysis.frame)
    parts, complete = [], not aside
    for result in analysis.sources:
        net = result.net
        complete &= net.measured == net.planned
        spread = "spread n/a" if net.spread is None else f"sd {points(net.spread).lstrip('+')}"
        mean = points(net.mean)
        parts.append(
            f"{result.source.label}: net {mean}, {spread}, {net.measured}/{net.planned} seeds,"
            f" {result.change.value}" + (f", all of it with {result.edits}" if result.edits else "")
        )
    numbered = ", ".join(map(str, seeds))
    mixed = [r.source.label for r in analysis.sources if r.change.value == "mixed"]
    verdict = Verdict.FAILS if mixed else Verdict.HOLDS if complete else Verdict.NOT_MEASURED
    split = f"disagree on the class of {names(mixed)}" if mixed else "agree on every class"
    sentence = f"{len(seeds)} seeds ({numbered}), which {split} as far as they are measured"
    if aside:
        sentence += f"; left out, since other settings are no replication: {listed(aside)}"
    numbers = {"seeds": list(seeds), "left_out": dict(aside)}
    return Claim("seeds", claim, verdict, f"{sentence}.", tuple(parts), numbers)


def published_scale_claim(analysis: Analysis) -> tuple[Claim, ...]:
    """Whether the published cosines shown beside ours are on one scale; nothing without any."""
    pools: dict[str, list[str]] = {}
    for result in analysis.sources:
        row = analysis.design.published.get(result.source.key)
        if row is not None and row.cosine is not None:
            pools.setdefault(str(row.cosine_scale or "scale unknown"), []).append(
                result.source.label
            )
    if not pools:
        return ()
    listed = "; ".join(f"{pool}: {names(labels)}" for pool, labels in pools.items())
    claim = "The published headline cosines share one scale"
    verdict = Verdict.HOLDS if len(pools) == 1 else Verdict.FAILS
    sentence = f"The published headline cosines are on {count_of(len(pools), 'scale')} ({listed})"
    if len(pools) > 1:
        sentence += ", so they cannot be compared with each other"
    return (Claim("published-cosines", claim, verdict, f"{sentence}.", (), dict(pools)),)
