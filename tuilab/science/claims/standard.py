"""The claims every experiment is asked, worded from its own numbers and given a verdict."""

from collections import Counter
from collections.abc import Sequence

from tuilab.grid.edits import listed
from tuilab.grid.text import count_of, percent_text, points, signed
from tuilab.science.against import Against, against
from tuilab.science.analysis import Analysis, SourceResult, overdispersed
from tuilab.science.claims.claim import Claim, Finding, Verdict, for_all, left_open, weakest
from tuilab.science.claims.correlations import describe, prediction_verdict, predictions
from tuilab.science.claims.declared import CosineClaim
from tuilab.science.claims.evaluate import (
    cosine_changes,
    front_loaded,
    is_beyond_noise,
    kind_words,
    summary,
    with_specificity,
)
from tuilab.science.classify import Change
from tuilab.science.contrasts import Noise
from tuilab.science.design import BASELINE_EPOCH
from tuilab.science.edit_notes import cells_set_aside, edits_notes, left_out_note, odd_note, why_odd
from tuilab.science.specificity import LEAST_SOURCE, Kind, Specificity
from tuilab.science.text import bracket, full_sentence, names, p_value, share

_NO_CHANGE = {
    Change.FLAT: "does not change beyond noise",
    Change.NOT_DECIDED: "is not decided",
    Change.NOT_MEASURED: "cannot be judged",
}
"""How a class without a change reads in the middle of a sentence."""
_OPEN = {
    Change.NOT_MEASURED: Verdict.NOT_MEASURED,
    Change.FLAT: Verdict.WITHIN_NOISE,
    Change.NOT_DECIDED: Verdict.WITHIN_NOISE,
}


def standard_claims(analysis: Analysis) -> tuple[Claim, ...]:
    """Return the standard claims in reading order; an unmeasured experiment gets them all too."""
    several = analysis.reference
    return (
        coverage_claim(analysis),
        *edits_claim(analysis),
        classes_claim(several),
        *(change_claim(result, analysis) for result in analysis.sources),
        *(against_claim(one, analysis) for one in against(analysis)),
        front_loading_claim(several),
        cosine_claim(several),
        *prediction_claims(several),
        specificity_claim(several),
        overdispersion_claim(analysis),
        seeds_claim(analysis),
        *published_scale_claim(analysis),
    )


def against_claim(found: Against, analysis: Analysis) -> Claim:
    """Whether a line changes more, or less, than its control or than what it varies."""
    line, other = found.line.source, found.other.source
    what = "its control" if found.is_control else "what it varies"
    digits = min(found.line.digits, found.other.digits)
    epoch, said = found.epoch, "cannot be compared: a cell at one end is not measured"
    verdict = Verdict.NOT_MEASURED
    if found.value is not None:
        verdict = Verdict.HOLDS if found.beyond else Verdict.WITHIN_NOISE
        said = (
            f"{points(found.value, digits)} {bracket(found.interval, digits)} from epoch 0 to"
            f" {epoch}, {count_of(found.seeds, 'seed')} of {found.planned}"
        )
        if found.is_open:
            said += "; beyond counting noise, not beyond that of training"
        elif found.beyond is None:
            said += "; within noise"
    return Claim(
        f"against:{line.key}:{other.key}",
        f"Leakage of {line.label} changes otherwise than that of {what}, {other.label}",
        verdict,
        f"{line.label} minus {other.label}, change in {analysis.design.what} rate: {said}.",
        (),
        {
            "line": line.key,
            "other": other.key,
            "epoch": epoch,
            "difference": found.value,
            "low": found.interval and found.interval.low,
            "high": found.interval and found.interval.high,
        },
        found.beyond,
    )


def coverage_claim(analysis: Analysis) -> Claim:
    """Whether every planned cell has a measured leakage."""
    measured, planned = analysis.cells_measured, analysis.cells_planned
    sentence = f"Leakage is measured in {measured} of {planned} cells."
    if not measured:
        sentence = f"Nothing is measured yet (0 of {planned} cells): run or evaluate some cells."
    gaps = [
        f"{result.source.label}, epoch {point.epoch}, seed {run.trajectory.seed}:"
        f" {point.status}" + (f" ({point.reason})" if point.reason else "")
        for result in analysis.sources
        for run in result.runs
        for point in run.trajectory.points
        if point.counted is None
    ]
    verdict = Verdict.HOLDS if measured == planned else Verdict.NOT_MEASURED
    numbers = {"measured": measured, "planned": planned}
    return Claim(
        "coverage", "Every planned cell is measured", verdict, sentence, tuple(gaps), numbers
    )


def classes_claim(analysis: Analysis) -> Claim:
    """How many sources rise, decline, stay flat; by the written rule, not by their maxima."""
    total = len(analysis.sources)
    parts, numbers = [], {}
    for change in Change:
        having = [result for result in analysis.alike if result.change is change]
        numbers[change.value] = [result.source.key for result in having]
        by_words: dict[str, list[str]] = {}
        for result in having:
            words = _NO_CHANGE.get(change) or result.classification.said
            label = result.source.label + _kinds_beside(analysis, result.source.key)
            by_words.setdefault(words, []).append(label)
        parts += [
            f"{words} in {len(labels)} of {total} sources ({names(labels)})"
            for words, labels in by_words.items()
        ]
    odd = analysis.odd
    target = analysis.design.target.label
    verdicts = {**_OPEN, Change.RISES: Verdict.HOLDS}
    findings = [
        Finding(Verdict.NOT_MEASURED, why_odd(result))
        if result.source.key in odd
        else _classed(result, verdicts.get(result.change, Verdict.FAILS), analysis)
        for result in analysis.sources
    ]
    return Claim(
        "classes",
        f"Leakage to {target} rises in every source",
        for_all(findings),
        f"Leakage to {target} {'; '.join(parts)}{odd_note(analysis.sources, odd)}.",
        tuple(
            f"{result.source.label}: {found.evidence}"
            for result, found in zip(analysis.sources, findings, strict=True)
        ),
        numbers,
        weakest(findings),
    )


def _classed(result: SourceResult, verdict: Verdict, analysis: Analysis) -> Finding:
    found = result.classification
    return with_specificity(Finding(verdict, found.why, found.beyond), result, analysis)


def _kinds_beside(analysis: Analysis, source: str) -> str:
    """`` [global in 1 of 3 cells]`` behind a name whose leakage is not the source's own, or ""."""
    kinds = analysis.kinds(source)
    total = kinds.total()
    odd = [
        kind if kinds[kind] == total else f"{kind} in {kinds[kind]} of {total} cells"
        for kind in (Kind.NOT_IMPLANTED, Kind.INVERTED, Kind.GLOBAL)
        if kinds[kind]
    ]
    return f" [{', '.join(odd)}]" if odd else ""


def change_claim(result: SourceResult, analysis: Analysis) -> Claim:
    """One source: baseline, peak, final, net, counts and class, always together."""
    trajectory, found = result.leakage, result.classification
    label = result.source.label
    verdict = _OPEN.get(result.change, Verdict.HOLDS)
    judged = _classed(result, verdict, analysis)
    above = result.above_baseline
    counted = "no later checkpoint can be compared with epoch 0"
    if above is not None:
        counted = (
            f"{above} of {result.compared} later checkpoints are above epoch 0"
            f" ({count_of(result.ties or 0, 'tie')})"
        )
    tested = f"{found.up} up and {found.down} down of {found.tested} tests (Fisher, Holm)"
    is_open = result.change in (Change.NOT_MEASURED, Change.NOT_DECIDED)
    why = f": {found.why}" if is_open or found.beyond is Noise.COUNTING else ""
    kinds = kind_words(analysis.kinds(result.source.key)) if judged.verdict is not verdict else ""
    kinds = kinds and f"; {kinds}"
    edits = f"; all its cells ran with {result.edits}, unlike the config" if result.edits else ""
    edits = left_out_note(result.set_aside) or edits
    sentence = f"{label}: {summary(result)}; {counted}; {tested}; {found.said}{why}{kinds}{edits}."
    net = result.net
    return Claim(
        f"change:{result.source.key}",
        f"Leakage of {label} changes",
        judged.verdict,
        sentence,
        (judged.evidence,),
        {
            "class": result.change.value,
            "baseline": trajectory.baseline,
            "peak": trajectory.peak,
            "peak_epoch": trajectory.peak_epoch,
            "picked_from": trajectory.picked_from,
            "final": trajectory.final,
            "rise": result.rise.mean,
            "net": net.mean,
            "above_baseline": above,
            "ties": result.ties,
            "up": found.up,
            "down": found.down,
            "tested": found.tested,
            "seeds": net.measured,
            "seeds_planned": net.planned,
            "edits": result.edits or None,
            "left_out": dict(result.set_aside),
        },
        found.beyond,
    )


def _some(labels: Sequence[str]) -> str:
    return str(len(labels)) if labels else "none"


def _who(labels: Sequence[str]) -> str:
    return f" ({names(labels)})" if labels else ""


def front_loading_claim(analysis: Analysis) -> Claim:
    """Whether, where leakage rises, most of the rise is there at the first checkpoint."""
    later = analysis.design.later_epochs
    rising = [result for result in analysis.alike if result.change is Change.RISES]
    left_out = odd_note(analysis.sources, analysis.odd)
    if len(later) < 2 or not rising:
        why = "no source has been shown to rise" if later else "no checkpoint follows epoch 0"
        if len(later) == 1 and rising:
            why = "a single checkpoint follows epoch 0"
        elif later and all(one.change is Change.NOT_MEASURED for one in analysis.alike):
            why = "nothing could be tested"
        claim = "Most of every rise is already there at the first checkpoint"
        sentence = f"It is not known how early leakage rises: {why}{left_out}."
        return Claim("front-loaded", claim, Verdict.NOT_MEASURED, sentence)
    epoch = later[0]
    findings = [(result, front_loaded(result, epoch, 0.5)) for result in rising]
    holding = [r.source.label for r, found in findings if found.verdict is Verdict.HOLDS]
    parts = [
        f"{r.source.label} {share(r.fraction_of_peak(epoch), r.digits)} of peak and"
        f" {share(r.fraction_of_rise(epoch), r.digits)} of rise"
        for r in rising
    ]
    return Claim(
        "front-loaded",
        f"Where leakage rises, over half of the rise is there by epoch {epoch}, with no"
        " gain beyond counting noise later",
        left_open(for_all([found for _, found in findings]), analysis.odd),
        f"By epoch {epoch} the rise is largely done in {_some(holding)} of {len(rising)} rising"
        f" sources{_who(holding)}: {'; '.join(parts)}{left_out}.",
        tuple(f"{r.source.label}: {found.evidence}" for r, found in findings),
        {
            r.source.key: {
                "fraction_of_peak": r.fraction_of_peak(epoch),
                "fraction_of_rise": r.fraction_of_rise(epoch),
            }
            for r in rising
        },
    )


def cosine_claim(analysis: Analysis) -> Claim:
    """Whether the cosine to the target rises; who falls and who only scatters is named."""
    claim = CosineClaim(key="", says="", kind="cosine_increases")
    findings = [(result, cosine_changes(claim, result)) for result in analysis.alike]
    known = [r for r in analysis.alike if r.cosine_change.mean is not None]
    absent = [r.source.label for r in analysis.alike if r.cosine_change.mean is None]
    said = f"Cosine to {analysis.design.target.label} rises in every source measured"
    without = f"; not measured for {names(absent)}" if absent else ""
    without += odd_note(analysis.sources, analysis.odd)
    if not known:
        return Claim(
            "cosine", said, Verdict.NOT_MEASURED, f"No change of cosine is measured{without}."
        )
    moved = {r.source.label: r.cosine_change.mean or 0.0 for r in known}
    up = [f"{label} {signed(change)}" for label, change in moved.items() if change > 0]
    down = [f"{label} {signed(change)}" for label, change in moved.items() if change < 0]
    noisy = [r.source.label for r in known if is_beyond_noise(r) is False]
    unknown = [r.source.label for r in known if is_beyond_noise(r) is None]
    sentence = (
        f"Cosine ({analysis.scale}) ends higher than it began in {len(up)} of {len(known)} sources"
        f"{_who(up)} and lower in {_some(down)}{_who(down)}; changes within the"
        f" scatter between checkpoints or seeds: {names(noisy)}"
        f"{f'; that scatter is not known for {names(unknown)}' * bool(unknown)}{without}."
    )
    return Claim(
        "cosine",
        said,
        left_open(for_all([found for r, found in findings if r in known]), analysis.odd),
        sentence,
        tuple(f"{r.source.label}: {found.evidence}" for r, found in findings),
        {r.source.key: r.cosine_change.mean for r in analysis.alike},
    )


def prediction_claims(analysis: Analysis) -> tuple[Claim, ...]:
    """Whether the cosine at epoch 0 predicts peak, baseline, rise, net: four tests, all shown."""
    return tuple(
        Claim(
            f"cosine-predicts:{found.y}",
            f"Cosine at epoch 0 predicts {found.y}",
            prediction_verdict(found),
            full_sentence(describe(found, analysis)),
            (),
            {
                "rho": found.rho,
                "p": found.p,
                "p_holm": found.p_holm,
                "least_p": found.least_p,
                "rho_needed": found.needed,
                "method": found.method,
                "extreme": found.extreme,
                "permutations": found.permutations,
                "n": found.n,
                "tests": found.tests,
            },
        )
        for found in predictions(analysis)
    )


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
    sentence = full_sentence("; ".join(notes))
    return (Claim("settings", claim, Verdict.FAILS, sentence, (), numbers),)


def specificity_claim(analysis: Analysis) -> Claim:
    """Whether every source shows the marker itself, more than anybody else does."""
    parts, absent, numbers, evidence = [], [], {}, []
    findings = []
    for result in analysis.alike:
        cells = [cell for cell in analysis.specificity if cell.source == result.source.key]
        rates = [cell.source_rate for cell in cells if cell.source_rate is not None]
        label, digits = result.source.label, result.digits
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
            findings.append(Finding(Verdict.NOT_MEASURED, evidence[-1]))
            continue
        kinds = Counter(cell.kind for cell in cells)
        counted = ", ".join(f"{kind} in {count}" for kind, count in kinds.items())
        evidence.append(
            f"{label}: {counted} of {count_of(len(cells), 'cell')}{_change(cells, digits)}"
        )
        findings += [_own(cell) for cell in cells]
        others = [o for c in cells for o in (c.target_rate, c.max_bystander) if o is not None]
        beside = f", others up to {percent_text(max(others), digits)}" if others else ""
        parts.append(
            f"{label} {percent_text(min(rates), digits)} to {percent_text(max(rates), digits)}"
            f" in {count_of(len(rates), 'cell')}{beside}"
        )
    what = analysis.design.what
    text = [f"The source's own {what} rate: {'; '.join(parts)}"] if parts else []
    if absent:
        text.append(f"The source's own {what} rate is not measured for {names(absent)}")
    sentence = f"{'. '.join(text)}{odd_note(analysis.sources, analysis.odd)}."
    verdict = left_open(for_all(findings), analysis.odd)
    shows = "the marker" if what == "marker" else what
    claim = (
        f"Every source shows {shows} itself, in {percent_text(LEAST_SOURCE)} of its completions"
        " or more, and nobody else measured shows it more"
    )
    return Claim("specificity", claim, verdict, sentence, tuple(evidence), numbers)


def _own(cell: Specificity) -> Finding:
    """Whether the marker of one cell is the source's own."""
    if cell.is_own is not None:
        return Finding(Verdict.HOLDS if cell.is_own else Verdict.FAILS, "")
    is_known = cell.source_rate is not None and cell.target_rate is not None
    return Finding(Verdict.WITHIN_NOISE if is_known else Verdict.NOT_MEASURED, "")


def _change(cells: Sequence[Specificity], digits: int) -> str:
    """Say the difference in differences of the last cell that has one."""
    known = [cell for cell in cells if cell.excess_change and cell.epoch > BASELINE_EPOCH]
    if not known or known[-1].excess_change is None:
        return ""
    last, found = known[-1], known[-1].excess_change
    return (
        f"; target minus mean bystander changed by {points(found.value, digits)}"
        f" {bracket(found.interval, digits)}"
        f" from epoch 0 to {last.epoch} (difference in differences)"
    ).replace("  ", " ")


def overdispersion_claim(analysis: Analysis) -> Claim:
    """Whether later checkpoints differ more than sampling completions explains."""
    found = [(result, run) for result in analysis.sources for run in result.runs]
    wide = overdispersed(analysis)

    def named(result: SourceResult, seed: int | None) -> str:
        return result.source.label + (f" seed {seed}" if len(result.runs) > 1 else "")

    numbers = {
        named(result, run.trajectory.seed): run.overdispersion and run.overdispersion.ratio
        for result, run in found
    }
    ratios = [
        f"{named(result, run.trajectory.seed)} {over.ratio:.1f} ({p_value(over.p)})"
        for result, run in found
        if (over := run.overdispersion) is not None
    ]
    claim = "Later checkpoints differ by no more than sampling"
    if not ratios:
        sentence = (
            "Dispersion between checkpoints cannot be computed: it needs counts at two checkpoints"
            " after epoch 0, and hits that are neither none nor all."
        )
        return Claim("dispersion", claim, Verdict.NOT_MEASURED, sentence, (), numbers)
    meaning = "sampling could explain them, which does not show that it does"
    if wide:
        meaning = "where it is noise, binomial intervals and tests are too narrow"
    who = _who([named(*one) for one in wide])
    return Claim(
        "dispersion",
        claim,
        Verdict.FAILS if wide else Verdict.WITHIN_NOISE,
        f"Checkpoints after epoch 0 differ by more than sampling in {len(wide)} of {len(ratios)}"
        f" runs{who}, by trend or training noise: {meaning} (Pearson chi-square over df, Holm over"
        " runs).",
        tuple(ratios),
        numbers,
    )


def seeds_claim(analysis: Analysis) -> Claim:
    """Whether there is more than one seed, and what the spread between seeds is."""
    seeds = analysis.design.seeds
    claim = "Several seeds ran, and no source ends above epoch 0 in one and below it in another"
    if one := analysis.design.one_seed:
        sentence = full_sentence(f"{one}: nothing is replicated and the spread is unknown")
        known = {"seeds": list(seeds) if analysis.design.seed_given else []}
        return Claim("seeds", claim, Verdict.NOT_MEASURED, sentence, (), known)
    aside = cells_set_aside(analysis.frame)
    parts, complete = [], not aside
    for result in analysis.sources:
        net, digits = result.net, result.digits
        complete &= net.measured == net.planned
        sd = "spread n/a" if net.spread is None else f"sd {points(net.spread, digits).lstrip('+')}"
        parts.append(
            f"{result.source.label}: net {points(net.mean, digits)}, {sd},"
            f" {net.measured}/{net.planned} seeds,"
            f" {result.change.value}" + (f", all cells with {result.edits}" if result.edits else "")
        )
    numbered = ", ".join(map(str, seeds))
    apart = [r.source.label for r in analysis.sources if r.is_split]
    verdict = Verdict.FAILS if apart else Verdict.HOLDS if complete else Verdict.NOT_MEASURED
    split = "no source ends above epoch 0 in one and below it in another"
    if apart:
        split = f"{names(apart)} ends above epoch 0 in one and below it in another"
    sentence = f"{len(seeds)} seeds ({numbered}); beyond counting noise, {split}"
    if aside:
        sentence += f"; left out because other settings are no replication: {listed(aside)}"
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
