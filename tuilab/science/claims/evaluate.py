"""Judges declared claims against an analysis: verdict, numbers, evidence."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches

from tuilab.science.analysis import Analysis, SourceResult
from tuilab.science.claims import evaluate_cosine, evaluate_leakage
from tuilab.science.claims.claim import (
    Claim,
    Finding,
    Verdict,
    for_all,
    for_exactly,
)
from tuilab.science.claims.declared import (
    ChangeClaim,
    CorrelatesClaim,
    CosineClaim,
    DeclaredClaim,
    FrontLoadedClaim,
    PredictsClaim,
    SameClaim,
    ShapeClaim,
    ShareClaim,
    Sources,
    ValueClaim,
)
from tuilab.science.classify import Change
from tuilab.science.edit_notes import odd_note, odd_sources, why_odd
from tuilab.science.text import names

_BySource = ChangeClaim | ShapeClaim | FrontLoadedClaim | ShareClaim | CosineClaim | ValueClaim


def judge(claims: Sequence[DeclaredClaim], analysis: Analysis) -> tuple[Claim, ...]:
    """Judge every declared claim; a claim about an unknown source is not measured, and says so."""
    return tuple(_judge(claim, analysis) for claim in claims)


def _judge(claim: DeclaredClaim, analysis: Analysis) -> Claim:
    match claim:
        case PredictsClaim():
            finding = evaluate_cosine.predicts(claim, analysis)
            return Claim(claim.key, claim.says, finding.verdict, f"{finding.evidence}.")
        case CorrelatesClaim():
            finding = evaluate_cosine.correlates(claim, analysis)
            return Claim(claim.key, claim.says, finding.verdict, f"{finding.evidence}.")
        case SameClaim():
            return _judge_same(claim, analysis)
        case _:
            return _judge_sources(claim, analysis)


def _judge_same(claim: SameClaim, analysis: Analysis) -> Claim:
    results, unknown = _resolve(claim.sources, analysis)
    if unknown:
        finding = Finding(Verdict.NOT_MEASURED, unknown[0])
    elif odd := odd_sources(results):
        said = odd_note(results, odd).lstrip("; ")
        finding = Finding(Verdict.NOT_MEASURED, f"{said[:1].upper()}{said[1:]}")
    elif claim.metric == "cosine":
        finding = evaluate_cosine.same(claim, results, analysis)
    else:
        finding = evaluate_leakage.same(claim, results)
    return Claim(claim.key, claim.says, finding.verdict, f"{finding.evidence}.")


def _judge_sources(claim: _BySource, analysis: Analysis) -> Claim:
    results, unknown = _resolve(claim.sources, analysis)
    odd = odd_sources(results)
    judged = {
        result.source.label: Finding(Verdict.NOT_MEASURED, why_odd(result))
        if result.source.key in odd
        else _about(claim, analysis)(result)
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
    )


def _about(claim: _BySource, analysis: Analysis) -> Callable[[SourceResult], Finding]:
    """The question this claim asks of one source."""
    match claim:
        case ChangeClaim():
            return lambda result: evaluate_leakage.changes(claim, result)
        case ShapeClaim():
            return lambda result: evaluate_leakage.shape(claim, result)
        case FrontLoadedClaim():
            return lambda result: evaluate_leakage.front_loaded(
                result, claim.by_epoch, claim.at_least
            )
        case ShareClaim():
            return lambda result: evaluate_leakage.has_share(claim, result)
        case CosineClaim():
            return lambda result: evaluate_cosine.changes(claim, result)
        case ValueClaim():
            return lambda result: evaluate_leakage.has_value(claim, result, analysis)


def _resolve(wanted: Sources, analysis: Analysis) -> tuple[list[SourceResult], list[str]]:
    """Return the sources meant, and a sentence for every name nobody has."""
    if wanted == "all":
        return list(analysis.sources), []
    if wanted == "rising":
        rising = list(analysis.having(Change.RISES))
        return rising, [] if rising else ["no source rises beyond noise"]
    keys = [result.source.key for result in analysis.sources]
    results, unknown = [], []
    for key in wanted:
        result = analysis.source(key)
        if result is not None:
            results.append(result)
            continue
        close = get_close_matches(key, keys, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"sources are {', '.join(keys)}"
        unknown.append(f"there is no source {key!r} in this experiment; {hint}")
    return results, unknown


def _tally(judged: dict[str, Finding], unknown: Sequence[str]) -> str:
    """One sentence: who holds, who fails, who cannot be told."""
    parts = []
    for verdict in Verdict:
        labels = [label for label, finding in judged.items() if finding.verdict is verdict]
        if labels:
            parts.append(f"{verdict.value} for {len(labels)} of {len(judged)} ({names(labels)})")
    text = "; ".join([*parts, *unknown]) or "there is no source to judge"
    return f"{text[:1].upper()}{text[1:]}."
