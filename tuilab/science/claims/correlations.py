"""Whether the cosine at epoch 0 ranks the sources as their leakage does."""

from tuilab.grid.text import signed
from tuilab.science.analysis import Analysis
from tuilab.science.claims.claim import Finding, Verdict
from tuilab.science.claims.declared import CorrelatesClaim, PredictsClaim
from tuilab.science.correlation import Correlation, correlate, least_sources
from tuilab.science.edit_notes import odd_note
from tuilab.science.error_rates import ALPHA
from tuilab.science.text import names, p_value
from tuilab.science.trajectories import SAME


def predictions(analysis: Analysis) -> tuple[Correlation, ...]:
    """Spearman of cosine at epoch 0 with peak, baseline, rise and net, over sources, one scale."""
    results = analysis.reference.alike
    outcomes = {
        "peak": {result.source.key: result.leakage.peak for result in results},
        "baseline": {result.source.key: result.leakage.baseline for result in results},
        "rise": {result.source.key: result.rise.mean for result in results},
        "net": {result.source.key: result.net.mean for result in results},
    }
    cosines = {result.source.key: result.cosine.baseline for result in results}
    return correlate(cosines, outcomes)


def predicts(claim: PredictsClaim, analysis: Analysis) -> Finding:
    """Whether the cosine at epoch 0 ranks the sources as ``y`` does, after Holm over all tests."""
    found = next(one for one in predictions(analysis) if one.y == claim.y)
    evidence = describe(found, analysis)
    verdict = prediction_verdict(found)
    if verdict is not Verdict.HOLDS:
        return Finding(verdict, evidence)
    as_claimed = claim.direction is None or ((found.rho or 0.0) > 0) == (
        claim.direction == "positive"
    )
    return Finding(Verdict.HOLDS if as_claimed else Verdict.FAILS, evidence)


def prediction_verdict(found: Correlation) -> Verdict:
    """Whether there is a rank correlation; one that no order could show cannot be decided."""
    if found.rho is None or found.p_holm is None:
        return Verdict.NOT_MEASURED
    if found.needed is None:
        return Verdict.UNDECIDABLE
    return Verdict.HOLDS if found.p_holm < ALPHA else Verdict.WITHIN_NOISE


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
    [printed] = correlate(x, {claim.y: y})
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
    how = f"{found.extreme}/{found.permutations} permutations"
    if found.p_error is not None:
        how = f"{found.permutations} random permutations, standard error {found.p_error:.4f}"
    least = found.least_p or 0.0
    power = (
        f"it cannot be decided with {found.n} sources: the smallest possible p is {least:.2f},"
        f" {min(1.0, least * found.tests):.2f} after Holm; {least_sources(found.tests)} sources"
        " without ties could"
    )
    if found.needed is not None:
        power = f"|rho| of {found.needed:.3f} would be needed"
    return (
        f"{head}: Spearman rho {signed(found.rho, 2)}, {p_value(found.p)} ({how}),"
        f" N = {found.n}{left_out}; Holm over {found.tests} correlations: {p_value(found.p_holm)}"
        f" ({power})"
    )
