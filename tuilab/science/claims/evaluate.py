"""Evaluates declared claims against an analysis: verdict, numbers, evidence."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from tuilab.grid.text import MISSING, nearest, percent_text, points, rate_digits, signed
from tuilab.science.analysis import Analysis, SourceResult, odd_sources
from tuilab.science.claims.claim import (
    Claim,
    Finding,
    Verdict,
    for_all,
    for_exactly,
    weakest,
)
from tuilab.science.claims.correlations import correlates, predicts
from tuilab.science.claims.declared import (
    ChangeClaim,
    CorrelatesClaim,
    CosineClaim,
    DeclaredClaim,
    FrontLoadedClaim,
    MechanismClaim,
    PredictsClaim,
    SameClaim,
    ShapeClaim,
    ShareClaim,
    Sources,
    ValueClaim,
)
from tuilab.science.classify import TURNS, Change
from tuilab.science.contrasts import Noise
from tuilab.science.design import BASELINE_EPOCH
from tuilab.science.distributions import t_quantile
from tuilab.science.edit_notes import odd_note, why_odd
from tuilab.science.error_rates import ALPHA
from tuilab.science.replication import MARGIN, change_interval
from tuilab.science.seeds import mean_trajectory, runs_of
from tuilab.science.significance import after, fisher
from tuilab.science.specificity import Kind
from tuilab.science.text import bracket, full_sentence, names, p_value, share
from tuilab.science.trajectories import (
    SAME,
    Point,
    Trajectory,
    cosine_trajectories,
    rate_trajectories,
)

PRINTED_PERCENT: Final = 0.05
"""Half of the last digit of a percentage with one decimal: the tolerance of "equals"."""

PRINTED_COSINE: Final = 0.005
"""Half of the last digit of a cosine with two decimals."""

CAUSAL: Final = re.compile(
    r"\b(because|caus(?:e[sd]?|al|ally|ing)|due to|sufficient|necessary|mechanisms?"
    r"|explain(?:s|ed)?|leads? to|results? in|responsible for|driven by|drives"
    r"|raises|lowers|makes|induces|produces)\b",
    re.IGNORECASE,
)
"""Words that claim a cause, which no rate and no correlation shows."""

_BySource = ChangeClaim | ShapeClaim | FrontLoadedClaim | ShareClaim | CosineClaim | ValueClaim


def evaluate(claims: Sequence[DeclaredClaim], analysis: Analysis) -> tuple[Claim, ...]:
    """Evaluate every claim; one about an unknown source is not measured, and says so."""
    return tuple(_without_cause(_evaluate(claim, analysis)) for claim in claims)


def _without_cause(claim: Claim) -> Claim:
    """Take the verdict from a claim whose words name a cause: its numbers cannot show one."""
    found = CAUSAL.search(claim.claim)
    if found is None or claim.verdict in (Verdict.FAILS, Verdict.UNSUPPORTED):
        return claim
    sentence = (
        f"Nothing measured here could show what {found.group()!r} says; the numbers alone:"
        f" {claim.said}. {claim.sentence}"
    )
    return replace(claim, verdict=Verdict.UNSUPPORTED, sentence=sentence, beyond=None)


def _evaluate(claim: DeclaredClaim, analysis: Analysis) -> Claim:
    match claim:
        case PredictsClaim():
            finding = predicts(claim, analysis)
        case CorrelatesClaim():
            finding = correlates(claim, analysis)
        case SameClaim():
            finding = _same(claim, analysis)
        case MechanismClaim():
            finding = Finding(
                Verdict.UNSUPPORTED,
                "nothing measured here could show it: a mechanism needs a run in which only that"
                " mechanism differs",
            )
        case _:
            return _evaluate_sources(claim, analysis)
    return Claim(claim.key, claim.says, finding.verdict, full_sentence(finding.evidence))


def _same(claim: SameClaim, analysis: Analysis) -> Finding:
    results, unknown = _resolve(claim.sources, analysis)
    if unknown:
        return Finding(Verdict.NOT_MEASURED, unknown[0])
    if odd := odd_sources(results):
        return Finding(Verdict.NOT_MEASURED, odd_note(results, odd).lstrip("; "))
    if claim.metric == "cosine":
        return _same_cosine(claim, results, analysis)
    return _same_leakage(claim, results)


def _evaluate_sources(claim: _BySource, analysis: Analysis) -> Claim:
    results, unknown = _resolve(claim.sources, analysis)
    odd = odd_sources(results)
    judged = {
        result.source.label: Finding(Verdict.NOT_MEASURED, why_odd(result))
        if result.source.key in odd
        else _judged(claim, result, analysis)
        for result in results
    }
    findings = [*judged.values(), *(Finding(Verdict.NOT_MEASURED, text) for text in unknown)]
    count = claim.exactly
    verdict = for_all(findings) if count is None else for_exactly(count, findings)
    evidence = [f"{label}: {finding.evidence}" for label, finding in judged.items()]
    return Claim(
        claim.key,
        claim.says,
        verdict,
        _tally(judged, unknown),
        (*evidence, *unknown),
        {label: finding.verdict.value for label, finding in judged.items()},
        weakest(findings),
    )


def _judged(claim: _BySource, result: SourceResult, analysis: Analysis) -> Finding:
    """Ask one source; beside what is about leakage stands whose the marker is."""
    match claim:
        case ChangeClaim():
            found = _changes(claim, result)
        case ShapeClaim():
            found = _shape(claim, result)
        case FrontLoadedClaim():
            found = front_loaded(result, claim.by_epoch, claim.at_least)
        case ShareClaim():
            return _has_share(claim, result)
        case CosineClaim():
            return cosine_changes(claim, result)
        case ValueClaim():
            return _has_value(claim, result, analysis)
    return with_specificity(found, result, analysis)


def with_specificity(found: Finding, result: SourceResult, analysis: Analysis) -> Finding:
    """Say whose the marker is; what was not implanted cannot be said to leak."""
    kinds = analysis.kinds(result.source.key)
    words = kind_words(kinds)
    if not words:
        return found
    found = replace(found, evidence=f"{found.evidence}; {words}")
    is_nobodys = kinds[Kind.NOT_IMPLANTED] * 2 > kinds.total()
    is_shown = is_nobodys and found.verdict is Verdict.HOLDS
    return replace(found, verdict=Verdict.UNSUPPORTED) if is_shown else found


def kind_words(kinds: Counter[Kind]) -> str:
    """``global in 4 of 10 cells``, and what else makes leakage mean less; "" for none of it."""
    said = [
        f"{kind} in {kinds[kind]} of {kinds.total()} cells"
        for kind in (Kind.NOT_IMPLANTED, Kind.INVERTED, Kind.GLOBAL)
        if kinds[kind]
    ]
    if kinds and kinds[Kind.NOT_KNOWN] == kinds.total():
        said = ["whose the marker is, is not known: source or bystanders were not measured"]
    return ", ".join(said)


def _resolve(wanted: Sources, analysis: Analysis) -> tuple[list[SourceResult], list[str]]:
    """Return the sources meant, and a sentence for every name nobody has."""
    if wanted == "all":
        return list(analysis.reference.sources), []
    if wanted == "rising":
        rising = list(analysis.reference.having(Change.RISES))
        return rising, [] if rising else ["no source rises beyond noise"]
    keys = [result.source.key for result in analysis.sources]
    results, unknown = [], []
    for key in wanted:
        result = analysis.source(key)
        if result is not None:
            results.append(result)
            continue
        hint = nearest(key, keys) or f": use {', '.join(keys)}"
        unknown.append(f"there is no source {key!r} in this experiment{hint}")
    return results, unknown


def _tally(judged: dict[str, Finding], unknown: Sequence[str]) -> str:
    """One sentence: who holds, who fails, who cannot be told."""
    parts = []
    for verdict in Verdict:
        labels = [label for label, finding in judged.items() if finding.verdict is verdict]
        if labels:
            parts.append(f"{verdict.value} for {len(labels)} of {len(judged)} ({names(labels)})")
    text = "; ".join([*parts, *unknown]) or "there is no source to judge"
    return full_sentence(text)


def _changes(claim: ChangeClaim, result: SourceResult) -> Finding:
    """Whether a source rises (declines), and by at least as much as claimed."""
    wanted = Change.RISES if claim.kind == "rises" else Change.DECLINES
    evidence = _classed(result)
    verdict, beyond = _class_verdict(result.change, wanted), result.classification.beyond
    if verdict is Verdict.HOLDS and claim.at_least_pp is not None:
        verdict, by = _by_at_least(claim, result)
        evidence = f"{evidence}; {by}"
        if len(result.runs) == 1:  # its interval knows no noise of training
            beyond = Noise.COUNTING
    return Finding(verdict, evidence, beyond)


def _classed(result: SourceResult) -> str:
    found = result.classification
    return f"{summary(result)}; class: {found.said}, {found.why}"


def _shape(claim: ShapeClaim, result: SourceResult) -> Finding:
    """Whether a source is flat, or has a transient peak or dip."""
    evidence = _classed(result)
    if claim.kind == "flat":
        verdict = _class_verdict(result.change, Change.FLAT)
        if verdict is Verdict.HOLDS:
            verdict, found = _stays(result)
            evidence = f"{evidence}; {found}"
        return Finding(verdict, evidence)
    change = result.change
    if change in (*TURNS, Change.NOT_MEASURED):
        return Finding(_class_verdict(change, *TURNS), evidence, result.classification.beyond)
    if change in (Change.RISES, Change.DECLINES) or not result.rise.mean:
        return Finding(Verdict.FAILS, evidence)
    # A maximum above epoch 0 that no corrected test supports is what noise looks like.
    return Finding(Verdict.WITHIN_NOISE, f"{evidence}; its maximum {_peak_test(result)}")


def _stays(result: SourceResult) -> tuple[Verdict, str]:
    """Whether a change is excluded: that nothing was found is no proof of it."""
    net = result.gain_interval(result.leakage.points[-1].epoch)
    found = change_interval(result.classification.contrasts, net)
    if found is None:
        return Verdict.NOT_MEASURED, "the change from epoch 0 to the last has no interval"
    said = f"its change of {bracket(found, result.digits)} pp ({found.method})"
    is_small = found.low > -MARGIN and found.high < MARGIN
    excludes = f"{'excludes' if is_small else 'does not exclude'} {points(MARGIN).lstrip('+')}"
    return Verdict.HOLDS if is_small else Verdict.WITHIN_NOISE, f"{said} {excludes}"


def front_loaded(result: SourceResult, epoch: int, at_least: float) -> Finding:
    """Whether a share of the rise is there by ``epoch``, and no gain beyond counting afterwards."""
    trajectory, digits = result.leakage, result.digits
    part = result.fraction_of_rise(epoch)
    evidence = (
        f"epoch {epoch} has {share(result.fraction_of_peak(epoch), digits)} of the peak and"
        f" {share(part, digits)} of the rise ({points(result.rise.mean, digits)} at epoch"
        f" {trajectory.peak_epoch})"
    )
    if result.change is Change.NOT_MEASURED or trajectory.value_at(epoch) is None:
        return Finding(Verdict.NOT_MEASURED, f"epoch 0, {epoch} or the later ones are not measured")
    if epoch >= trajectory.points[-1].epoch:
        return Finding(Verdict.NOT_MEASURED, f"no checkpoint follows epoch {epoch}")
    if result.change in (Change.FLAT, Change.NOT_DECIDED):
        return Finding(Verdict.WITHIN_NOISE, f"{evidence}; the rise itself is within noise")
    if result.change is Change.DECLINES or part is None:
        return Finding(Verdict.FAILS, f"{evidence}; leakage does not rise, it declines")
    point, baseline, rise = trajectory.at(epoch), trajectory.baseline, result.rise.mean
    needed = (baseline or 0.0) + at_least * (rise or 0.0)
    near = point is not None and point.interval is not None and needed in point.interval
    if part < at_least - SAME:
        return Finding(Verdict.WITHIN_NOISE if near else Verdict.FAILS, evidence)
    grown = [test for run in result.runs for test in after(run.trajectory, epoch) if test.is_up]
    if grown:
        most = max(grown, key=lambda test: test.difference)
        further = (
            f"{points(most.difference, digits)} more by epoch {most.epoch}, beyond counting noise"
            f" (Fisher, Holm over {most.family}: {p_value(most.p_holm)})"
        )
        return Finding(Verdict.FAILS, f"{evidence}; {further}")
    evidence = f"{evidence}; no later one is higher beyond counting noise"
    return Finding(Verdict.WITHIN_NOISE if near else Verdict.HOLDS, evidence)


def _has_share(claim: ShareClaim, result: SourceResult) -> Finding:
    """Whether a share of the peak or the rise is there at an epoch.

    A share is arithmetic on what was measured: it is right or wrong as written, never noise.
    """
    of_peak, of_rise = result.fraction_of_peak(claim.epoch), result.fraction_of_rise(claim.epoch)
    found = of_peak if claim.of == "peak" else of_rise
    evidence = (
        f"epoch {claim.epoch} has {share(of_peak, result.digits)} of the peak and"
        f" {share(of_rise, result.digits)} of the rise,"
        f" against {claim.equals:g}% of the {claim.of} claimed"
    )
    if found is None:
        return Finding(Verdict.NOT_MEASURED, evidence)
    is_so = abs(found - claim.equals / 100) <= claim.tolerance / 100 + SAME
    return Finding(Verdict.HOLDS if is_so else Verdict.FAILS, evidence)


def _same_leakage(claim: SameClaim, results: Sequence[SourceResult]) -> Finding:
    """Whether sources leak equally at one epoch."""
    found = [(result.source.label, result.leakage.at(claim.epoch)) for result in results]
    digits = min(result.digits for result in results)
    values = [(label, point.counted if point else None) for label, point in found]
    listed = ", ".join(f"{label} {percent_text(value, digits)}" for label, value in values)
    known = [value for _, value in values if value is not None]
    if len(known) < len(values):
        return Finding(Verdict.NOT_MEASURED, f"at epoch {claim.epoch}: {listed}")
    tolerance = (PRINTED_PERCENT if claim.tolerance is None else claim.tolerance) / 100
    if max(known) - min(known) <= tolerance + SAME:
        return Finding(Verdict.HOLDS, f"at epoch {claim.epoch}: {listed}")
    measured = [point for _, point in found if point is not None]
    low = min(measured, key=lambda point: point.value or 0.0)
    high = max(measured, key=lambda point: point.value or 0.0)
    p = fisher(high, low)
    verdict = Verdict.FAILS if p is not None and p < ALPHA else Verdict.WITHIN_NOISE
    return Finding(verdict, f"at epoch {claim.epoch}: {listed} (Fisher, {p_value(p)})")


def _has_value(claim: ValueClaim, result: SourceResult, analysis: Analysis) -> Finding:
    """Whether a rate or a cosine equals a number, at one epoch or at every planned one."""
    trajectory = _meant(claim, result, analysis)
    epochs = analysis.design.epochs if claim.epoch == "every" else (claim.epoch,)
    is_rate = claim.metric != "cosine"
    unit = 0.01 if is_rate else 1.0
    printed = PRINTED_PERCENT if is_rate else PRINTED_COSINE
    tolerance = (printed if claim.tolerance is None else claim.tolerance) * unit
    findings = [
        _equals(trajectory.at(epoch), epoch, claim.equals * unit, tolerance, is_rate)
        for epoch in epochs
    ]
    verdict = for_all(findings)
    alike = [finding.evidence for finding in findings if finding.verdict is verdict]
    told = f"{verdict.value} at {len(alike)} of {len(findings)} epochs; {alike[0]}"
    return Finding(verdict, told)


def summary(result: SourceResult) -> str:
    """Baseline, peak (as picked from k), final and net of one source, in words."""
    trajectory, digits = result.leakage, result.digits
    top = trajectory.peak_point
    first = trajectory.at(BASELINE_EPOCH) or Point(BASELINE_EPOCH, None, "missing")
    last = trajectory.points[-1]
    peak = "peak n/a"
    if top is not None:
        peak = (
            f"peak {_rate(top, digits)} at epoch {top.epoch} (picked from {trajectory.picked_from};"
            f" rise {points(result.rise.mean, digits)})"
        )
    net = result.net.mean
    return (
        f"epoch {first.epoch} {_rate(first, digits)}, {peak},"
        f" epoch {last.epoch} {_rate(last, digits)},"
        f" net {points(net, digits)}"
    )


def _rate(point: Point, digits: int) -> str:
    if point.counted is None:
        return f"{MISSING} ({point.status})" if point.status != "missing" else MISSING
    return f"{percent_text(point.value, digits)} {bracket(point.interval, digits)}".rstrip()


def _class_verdict(change: Change, *wanted: Change) -> Verdict:
    if change in wanted:
        return Verdict.HOLDS
    if change is Change.NOT_MEASURED:
        return Verdict.NOT_MEASURED
    # What is not decided and checkpoints that do not differ leave a claim open; "flat" itself is
    # refuted by any class that needs a significant change.
    is_open = change is Change.NOT_DECIDED or (change is Change.FLAT and Change.FLAT not in wanted)
    return Verdict.WITHIN_NOISE if is_open else Verdict.FAILS


def _by_at_least(claim: ChangeClaim, result: SourceResult) -> tuple[Verdict, str]:
    """Whether its interval leaves no smaller change than the one claimed."""
    trajectory = result.leakage
    epoch = trajectory.peak_epoch if claim.by == "peak" else trajectory.points[-1].epoch
    gained, interval = result.gain(epoch).mean, result.gain_interval(epoch)
    sign = 1.0 if claim.kind == "rises" else -1.0
    wanted = (claim.at_least_pp or 0.0) / 100
    evidence = (
        f"{claim.by} {points(gained, result.digits)} {bracket(interval, result.digits)} against at"
        f" least {points(sign * wanted)} claimed"
    )
    if gained is None:
        return Verdict.NOT_MEASURED, evidence
    if interval is None:
        return Verdict.WITHIN_NOISE, f"{evidence}; it has no interval"
    least, most = sorted((sign * interval.low, sign * interval.high))
    if least >= wanted - SAME:
        return Verdict.HOLDS, evidence
    return Verdict.FAILS if most < wanted - SAME else Verdict.WITHIN_NOISE, evidence


def _peak_test(result: SourceResult) -> str:
    epoch = result.leakage.peak_epoch
    test = next((test for run in result.runs for test in run.tests if test.epoch == epoch), None)
    if test is None:
        return "is epoch 0 itself"
    return (
        f"{points(test.difference, result.digits)} at epoch {test.epoch} is within noise"
        f" (Fisher {p_value(test.p)}, Holm over {test.family} {p_value(test.p_holm)})"
    )


def _meant(claim: ValueClaim, result: SourceResult, analysis: Analysis) -> Trajectory:
    """The trajectory a value claim is about."""
    design = analysis.design
    if claim.metric == "cosine":
        found = cosine_trajectories(analysis.frame, design, analysis.scale)
    else:
        found = rate_trajectories(analysis.frame, design, persona=claim.persona)
    return mean_trajectory(runs_of(found, design, result.source.key))


def _equals(
    point: Point | None, epoch: int, wanted: float, tolerance: float, is_rate: bool
) -> Finding:
    if point is None:
        return Finding(Verdict.NOT_MEASURED, f"epoch {epoch} is not in the plan")
    if point.counted is None:
        reason = point.reason or f"the value is {point.status}"
        return Finding(Verdict.NOT_MEASURED, f"epoch {epoch}: n/a, {reason}")
    digits = rate_digits(point.n)
    rate = f"{percent_text(point.value, digits)} {bracket(point.interval, digits)}"
    shown = rate if is_rate else signed(point.value)
    evidence = f"epoch {epoch}: {shown.strip()}"
    if abs(point.counted - wanted) <= tolerance + SAME:
        return Finding(Verdict.HOLDS, evidence)
    near = point.interval is not None and wanted in point.interval
    return Finding(Verdict.WITHIN_NOISE if near else Verdict.FAILS, evidence)


def _scatter_limit(result: SourceResult) -> float | None:
    """How far two checkpoints of one run differ by scatter alone, 95% of the time.

    t sqrt(2) s with s the checkpoint scatter (``Trajectory.scatter``) and t on its degrees of
    freedom. None with several seeds, where the interval over seeds is the measure, or when there
    are too few checkpoints.
    """
    reach = _reach(result.cosine) if len(result.cosine_runs) == 1 else None
    return None if reach is None else math.sqrt(2) * reach


def _reach(cosine: Trajectory) -> float | None:
    """Half of the 95% interval of one checkpoint, from the scatter of the later ones."""
    scatter = cosine.scatter
    return None if scatter is None else t_quantile(cosine.scatter_df) * scatter


def is_beyond_noise(result: SourceResult) -> bool | None:
    """Whether the cosine change exceeds seed spread or checkpoint scatter; None if unknown."""
    change = result.cosine_change
    if change.mean is None:
        return None
    if change.interval is not None:
        return 0.0 not in change.interval
    limit = _scatter_limit(result)
    return None if limit is None else abs(change.mean) > limit


def cosine_changes(claim: CosineClaim, result: SourceResult) -> Finding:
    """Whether the cosine goes up (down) from epoch 0 to the last epoch."""
    change = result.cosine_change.mean
    if change is None:
        return Finding(Verdict.NOT_MEASURED, f"cosine change n/a, {_why_absent(result)}")
    sign = 1.0 if claim.kind == "cosine_increases" else -1.0
    evidence = (
        f"cosine {signed(result.cosine.baseline)} to {signed(result.cosine.final)},"
        f" change {signed(change)}"
    )
    limit, is_beyond = _scatter_limit(result), is_beyond_noise(result)
    if limit is not None:
        evidence += f" (scatter between checkpoints allows {limit:.3f})"
    if is_beyond is None:
        evidence += " (how far checkpoints scatter is not known)"
    if claim.beyond_scatter and not is_beyond:
        return Finding(Verdict.WITHIN_NOISE, evidence)
    return Finding(Verdict.HOLDS if sign * change > SAME else Verdict.FAILS, evidence)


def _same_cosine(claim: SameClaim, results: Sequence[SourceResult], analysis: Analysis) -> Finding:
    """Whether sources have the same cosine at one epoch, on one scale."""
    values = {result.source.label: result.cosine.value_at(claim.epoch) for result in results}
    listed = names([f"{label} {signed(value)}" for label, value in values.items()])
    evidence = f"cosine at epoch {claim.epoch}: {listed} ({analysis.scale or 'none measured'})"
    known = [value for value in values.values() if value is not None]
    if len(known) < len(values):
        return Finding(Verdict.NOT_MEASURED, evidence)
    tolerance = PRINTED_COSINE if claim.tolerance is None else claim.tolerance
    gap = max(known) - min(known)
    evidence += f", {gap:.3f} apart"
    if gap <= tolerance + SAME:
        return Finding(Verdict.HOLDS, evidence)
    reaches = [reach for result in results if (reach := _reach(result.cosine)) is not None]
    is_open = len(reaches) < len(results) or gap <= math.hypot(*reaches)
    return Finding(Verdict.WITHIN_NOISE if is_open else Verdict.FAILS, evidence)


def _why_absent(result: SourceResult) -> str:
    for point in (result.cosine.points[0], result.cosine.points[-1]):
        if point.counted is None:
            return point.reason or f"epoch {point.epoch} is {point.status}"
    return "no seed is measured at both ends"
