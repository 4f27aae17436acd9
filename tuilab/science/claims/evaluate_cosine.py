"""Judges what a claim says about cosines: direction, equality, prediction."""

import math
from collections.abc import Sequence

from tuilab.grid.text import signed
from tuilab.science.analysis import Analysis, SourceResult
from tuilab.science.claims.claim import Finding, Verdict
from tuilab.science.claims.declared import CorrelatesClaim, CosineClaim, PredictsClaim, SameClaim
from tuilab.science.claims.evaluate_leakage import PRINTED_COSINE
from tuilab.science.claims.prediction import predictions
from tuilab.science.correlation import Correlation, correlate
from tuilab.science.edit_notes import odd_note
from tuilab.science.significance import ALPHA
from tuilab.science.text import names, p_value
from tuilab.science.trajectories import SAME


def scatter_limit(result: SourceResult) -> float | None:
    """How far two checkpoints of one run differ by scatter alone, about 95% of the time.

    2 sqrt(2) s with s the checkpoint scatter (``Trajectory.scatter``). None with several seeds,
    where the interval over seeds is the measure, or when there are too few checkpoints.
    """
    scatter = result.cosine.scatter if len(result.cosine_runs) == 1 else None
    return None if scatter is None else 2 * math.sqrt(2) * scatter


def is_beyond_noise(result: SourceResult) -> bool | None:
    """Whether the cosine change exceeds seed spread or checkpoint scatter; None if unknown."""
    change = result.cosine_change
    if change.mean is None:
        return None
    if change.interval is not None:
        return 0.0 not in change.interval
    limit = scatter_limit(result)
    return None if limit is None else abs(change.mean) > limit


def changes(claim: CosineClaim, result: SourceResult) -> Finding:
    """Whether the cosine goes up (down) from epoch 0 to the last epoch."""
    change = result.cosine_change.mean
    if change is None:
        return Finding(Verdict.NOT_MEASURED, f"cosine change n/a, {_why_absent(result)}")
    sign = 1.0 if claim.kind == "cosine_increases" else -1.0
    evidence = (
        f"cosine {signed(result.cosine.baseline)} to {signed(result.cosine.final)},"
        f" change {signed(change)}"
    )
    limit = scatter_limit(result)
    if limit is not None:
        evidence += f" (scatter between checkpoints allows {limit:.3f})"
    if claim.beyond_scatter and is_beyond_noise(result) is False:
        return Finding(Verdict.WITHIN_NOISE, evidence)
    return Finding(Verdict.HOLDS if sign * change > SAME else Verdict.FAILS, evidence)


def same(claim: SameClaim, results: Sequence[SourceResult], analysis: Analysis) -> Finding:
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
    scatters = [result.cosine.scatter or 0.0 for result in results]
    noise = 2 * math.hypot(*scatters)
    return Finding(Verdict.WITHIN_NOISE if gap <= noise else Verdict.FAILS, evidence)


def predicts(claim: PredictsClaim, analysis: Analysis) -> Finding:
    """Whether the cosine at epoch 0 ranks the sources as ``y`` does, after Holm over all tests."""
    found = next(one for one in predictions(analysis) if one.y == claim.y)
    evidence = describe(found, analysis)
    if found.rho is None or found.p_holm is None:
        return Finding(Verdict.NOT_MEASURED, evidence)
    if found.p_holm >= ALPHA:
        return Finding(Verdict.WITHIN_NOISE, evidence)
    as_claimed = claim.direction is None or (found.rho > 0) == (claim.direction == "positive")
    return Finding(Verdict.HOLDS if as_claimed else Verdict.FAILS, evidence)


def correlates(claim: CorrelatesClaim, analysis: Analysis) -> Finding:
    """Whether rho is as claimed, over as many sources, with cosines of one scale."""
    found = next(one for one in predictions(analysis) if one.y == claim.y)
    evidence = f"{describe(found, analysis)}; claimed: rho {signed(claim.rho, 2)}, N = {claim.n}"
    if claim.y in ("peak", "baseline"):
        evidence += _as_printed(claim, analysis)
    if found.rho is None or found.n < claim.n:
        return Finding(Verdict.NOT_MEASURED, evidence)
    is_so = found.n == claim.n and abs(found.rho - claim.rho) <= claim.tolerance + SAME
    return Finding(Verdict.HOLDS if is_so else Verdict.FAILS, evidence)


def _as_printed(claim: CorrelatesClaim, analysis: Analysis) -> str:
    """Say what the published columns give, and that scales are mixed there; "" without any."""
    rows = analysis.design.published
    x = {key: row.cosine for key, row in rows.items()}
    y = {key: getattr(row, claim.y) for key, row in rows.items()}
    if not any(value is not None for value in x.values()):
        return ""
    [printed] = correlate(x, {claim.y: y}, x_name="cosine")
    pools = {str(row.cosine_scale or "unknown") for row in rows.values() if row.cosine is not None}
    mixed = f", on {len(pools)} scales that cannot be ranked together" if len(pools) > 1 else ""
    return (
        f"; the published columns give rho {signed(printed.rho, 2)}, {p_value(printed.p)},"
        f" N = {printed.n}{mixed}"
    )


def describe(found: Correlation, analysis: Analysis) -> str:
    """One sentence about a correlation: rho, p, how p was found, N, and how many were tried."""
    on = f" ({analysis.scale})" if analysis.scale else ""
    head = f"cosine at epoch 0{on} against {found.y}"
    absent = [analysis.design.label(key) for key in found.left_out]
    left_out = f", without {names(absent)}" if absent else ""
    left_out += odd_note(analysis.sources, analysis.odd)
    if found.rho is None:
        return f"{head}: undefined, {found.reason}{left_out}"
    way = f"{found.extreme}/{found.permutations} permutations"
    if found.p_error is not None:
        way = f"{found.permutations} random permutations, standard error {found.p_error:.4f}"
    return (
        f"{head}: Spearman rho {signed(found.rho, 2)}, {p_value(found.p)} ({way}),"
        f" N = {found.n}{left_out}; Holm over {found.tests} correlations: {p_value(found.p_holm)}"
    )


def _why_absent(result: SourceResult) -> str:
    for point in (result.cosine.points[0], result.cosine.points[-1]):
        if point.counted is None:
            return point.reason or f"epoch {point.epoch} is {point.status}"
    return "no seed has both ends"
