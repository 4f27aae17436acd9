"""Judges what a claim says about one source's rates."""

from collections.abc import Sequence
from typing import Final

from tuilab.grid.text import percent_text, points, signed
from tuilab.science.analysis import Analysis, SourceResult
from tuilab.science.claims.claim import Finding, Verdict, for_all
from tuilab.science.claims.declared import (
    ChangeClaim,
    SameClaim,
    ShapeClaim,
    ShareClaim,
    ValueClaim,
)
from tuilab.science.classify import Change
from tuilab.science.design import BASELINE_EPOCH
from tuilab.science.reading import cosine_trajectories, rate_trajectories
from tuilab.science.seeds import mean_trajectory, runs_of
from tuilab.science.significance import ALPHA, after, fisher
from tuilab.science.text import bracket, p_value, share
from tuilab.science.trajectories import SAME, Point, Trajectory

PRINTED_PERCENT: Final = 0.05
"""Half of the last digit of a percentage with one decimal: the tolerance of "equals"."""

PRINTED_COSINE: Final = 0.005
"""Half of the last digit of a cosine with two decimals."""


def changes(claim: ChangeClaim, result: SourceResult) -> Finding:
    """Whether a source rises (declines), and by at least as much as claimed."""
    wanted = Change.RISES if claim.kind == "rises" else Change.DECLINES
    evidence = f"{summary(result)}; class: {result.change.value}, {result.classification.why}"
    verdict = _class_verdict(result.change, wanted)
    if verdict is Verdict.HOLDS and claim.at_least_pp is not None:
        verdict, by = _by_at_least(claim, result)
        evidence = f"{evidence}; {by}"
    return Finding(verdict, evidence)


def shape(claim: ShapeClaim, result: SourceResult) -> Finding:
    """Whether a source is flat, or has a transient peak or dip."""
    evidence = f"{summary(result)}; class: {result.change.value}, {result.classification.why}"
    if claim.kind == "flat":
        return Finding(_class_verdict(result.change, Change.FLAT), evidence)
    change = result.change
    if change in (Change.TRANSIENT, Change.NOT_MEASURED):
        return Finding(_class_verdict(change, Change.TRANSIENT), evidence)
    if change is Change.RISES or not result.rise.mean:
        return Finding(Verdict.FAILS, evidence)
    # A maximum above epoch 0 that no corrected test supports is what noise looks like.
    return Finding(Verdict.WITHIN_NOISE, f"{evidence}; its maximum {_peak_test(result)}")


def front_loaded(result: SourceResult, epoch: int, at_least: float) -> Finding:
    """Whether a share of the rise is there by ``epoch`` with no significant gain afterwards."""
    trajectory = result.leakage
    part = result.fraction_of_rise(epoch)
    evidence = (
        f"epoch {epoch} has {share(result.fraction_of_peak(epoch))} of the peak and"
        f" {share(part)} of the rise ({points(result.rise.mean)} at epoch {trajectory.peak_epoch})"
    )
    if result.change is Change.NOT_MEASURED or trajectory.value_at(epoch) is None:
        return Finding(Verdict.NOT_MEASURED, f"epoch 0, {epoch} or the later ones are not measured")
    if result.change in (Change.FLAT, Change.MIXED):
        return Finding(Verdict.WITHIN_NOISE, f"{evidence}; the rise itself is within noise")
    if result.change is Change.DECLINES or part is None:
        return Finding(Verdict.FAILS, f"{evidence}; leakage does not rise, it declines")
    if part < at_least - SAME:
        point, baseline, rise = trajectory.at(epoch), trajectory.baseline, result.rise.mean
        needed = (baseline or 0.0) + at_least * (rise or 0.0)
        near = point is not None and point.interval is not None and needed in point.interval
        return Finding(Verdict.WITHIN_NOISE if near else Verdict.FAILS, evidence)
    grown = [test for run in result.runs for test in after(run.trajectory, epoch) if test.is_up]
    if grown:
        most = max(grown, key=lambda test: test.difference)
        further = (
            f"it goes on rising: {points(most.difference)} more by epoch {most.epoch}"
            f" (Fisher, Holm over {most.family}: {p_value(most.p_holm)})"
        )
        return Finding(Verdict.FAILS, f"{evidence}; {further}")
    return Finding(Verdict.HOLDS, f"{evidence}; no later checkpoint is significantly higher")


def has_share(claim: ShareClaim, result: SourceResult) -> Finding:
    """Whether a share of the peak or the rise is there at an epoch.

    A share is arithmetic on what was measured: it is right or wrong as written, never noise.
    """
    of_peak, of_rise = result.fraction_of_peak(claim.epoch), result.fraction_of_rise(claim.epoch)
    found = of_peak if claim.of == "peak" else of_rise
    evidence = (
        f"epoch {claim.epoch} has {share(of_peak)} of the peak and {share(of_rise)} of the rise,"
        f" against {claim.equals:g}% of the {claim.of} claimed"
    )
    if found is None:
        return Finding(Verdict.NOT_MEASURED, evidence)
    is_so = abs(found - claim.equals / 100) <= claim.tolerance / 100 + SAME
    return Finding(Verdict.HOLDS if is_so else Verdict.FAILS, evidence)


def same(claim: SameClaim, results: Sequence[SourceResult]) -> Finding:
    """Whether sources leak equally at one epoch."""
    found = [(result.source.label, result.leakage.at(claim.epoch)) for result in results]
    values = [(label, point.counted if point else None) for label, point in found]
    listed = ", ".join(f"{label} {percent_text(value, 1)}" for label, value in values)
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


def has_value(claim: ValueClaim, result: SourceResult, analysis: Analysis) -> Finding:
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
    telling = next(finding for finding in findings if finding.verdict is verdict)
    alike = sum(finding.verdict is verdict for finding in findings)
    evidence = f"{verdict.value} at {alike} of {len(findings)} epochs; {telling.evidence}"
    return Finding(verdict, evidence)


def summary(result: SourceResult) -> str:
    """Baseline, peak (as picked from k), final and net of one source, in words."""
    trajectory = result.leakage
    top = trajectory.peak_point
    first = trajectory.at(BASELINE_EPOCH) or Point(BASELINE_EPOCH, None, "missing")
    last = trajectory.points[-1]
    peak = "peak n/a"
    if top is not None:
        peak = (
            f"peak {_rate(top)} at epoch {top.epoch} (picked from {trajectory.picked_from};"
            f" rise {points(result.rise.mean)})"
        )
    net = result.net.mean
    return (
        f"epoch {first.epoch} {_rate(first)}, {peak}, epoch {last.epoch} {_rate(last)},"
        f" net {points(net)}"
    )


def _rate(point: Point) -> str:
    if point.counted is None:
        return f"n/a ({point.status})" if point.status != "missing" else "n/a"
    return f"{percent_text(point.value, 1)} {bracket(point.interval)}".rstrip()


def _class_verdict(change: Change, wanted: Change) -> Verdict:
    if change is wanted:
        return Verdict.HOLDS
    if change is Change.NOT_MEASURED:
        return Verdict.NOT_MEASURED
    # Seeds that disagree and checkpoints that do not differ leave a claim open; "flat" itself is
    # refuted by any class that needs a significant change.
    is_open = change is Change.MIXED or (change is Change.FLAT and wanted is not Change.FLAT)
    return Verdict.WITHIN_NOISE if is_open else Verdict.FAILS


def _by_at_least(claim: ChangeClaim, result: SourceResult) -> tuple[Verdict, str]:
    trajectory = result.leakage
    epoch = trajectory.peak_epoch if claim.by == "peak" else trajectory.points[-1].epoch
    gained, interval = result.gain(epoch).mean, result.gain_interval(epoch)
    sign = 1.0 if claim.kind == "rises" else -1.0
    wanted = (claim.at_least_pp or 0.0) / 100
    evidence = (
        f"{claim.by} {points(gained)} {bracket(interval)} against at least"
        f" {points(sign * wanted)} claimed"
    )
    if gained is None:
        return Verdict.NOT_MEASURED, evidence
    if sign * gained >= wanted - SAME:
        return Verdict.HOLDS, evidence
    near = interval is not None and sign * wanted in interval
    return Verdict.WITHIN_NOISE if near else Verdict.FAILS, evidence


def _peak_test(result: SourceResult) -> str:
    epoch = result.leakage.peak_epoch
    test = next((test for run in result.runs for test in run.tests if test.epoch == epoch), None)
    if test is None:
        return "is epoch 0 itself"
    return (
        f"{points(test.difference)} at epoch {test.epoch} is within noise"
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
    rate = f"{percent_text(point.value, 1)} {bracket(point.interval)}"
    shown = rate if is_rate else signed(point.value)
    evidence = f"epoch {epoch}: {shown.strip()}"
    if abs(point.counted - wanted) <= tolerance + SAME:
        return Finding(Verdict.HOLDS, evidence)
    near = point.interval is not None and wanted in point.interval
    return Finding(Verdict.WITHIN_NOISE if near else Verdict.FAILS, evidence)
