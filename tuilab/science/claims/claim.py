"""What a judged claim is, and how verdicts on single sources add up to one."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """What the numbers say about a claim."""

    HOLDS = "holds"
    FAILS = "fails"
    NOT_MEASURED = "not measured"
    WITHIN_NOISE = "within noise"


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict on one source, with the numbers it rests on."""

    verdict: Verdict
    """The verdict for this source alone."""
    evidence: str
    """One sentence without a full stop, numbers included."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim with its verdict and evidence, ready to be printed or dumped as JSON."""

    key: str
    """Stable identifier."""
    claim: str
    """What the verdict is about, in words."""
    verdict: Verdict
    """Holds, fails, not measured or within noise."""
    sentence: str
    """What the data say, as one sentence with numbers; true whatever the verdict."""
    evidence: tuple[str, ...] = ()
    """Supporting numbers, one line each."""
    numbers: Mapping[str, object] = field(default_factory=dict)
    """The same numbers for programs; plain JSON types, None for what is not measured."""

    def record(self) -> dict[str, object]:
        """Plain dictionary for JSON output."""
        return {
            "key": self.key,
            "claim": self.claim,
            "verdict": self.verdict.value,
            "sentence": self.sentence,
            "evidence": list(self.evidence),
            "numbers": dict(self.numbers),
        }


def for_all(findings: Sequence[Finding]) -> Verdict:
    """Verdict on "every one of them": one failure refutes it, one gap leaves it open."""
    found = {finding.verdict for finding in findings}
    for verdict in (Verdict.FAILS, Verdict.NOT_MEASURED, Verdict.WITHIN_NOISE):
        if verdict in found:
            return verdict
    return Verdict.HOLDS if found else Verdict.NOT_MEASURED


def left_open(verdict: Verdict, left_out: Collection[str]) -> Verdict:
    """What holds for those judged is not measured for all, where somebody was left out."""
    return Verdict.NOT_MEASURED if left_out and verdict is Verdict.HOLDS else verdict


def for_exactly(wanted: int, findings: Sequence[Finding]) -> Verdict:
    """Verdict on "exactly so many of them": how many hold, and how many might.

    A source within noise does not count as holding, so the count can stand without it; but a
    larger count that needs such sources is within noise, not refuted.
    """
    counts = Counter(finding.verdict for finding in findings)
    sure, noisy, unknown = (
        counts[verdict] for verdict in (Verdict.HOLDS, Verdict.WITHIN_NOISE, Verdict.NOT_MEASURED)
    )
    if not sure + noisy + counts[Verdict.FAILS]:
        return Verdict.NOT_MEASURED
    if not sure <= wanted <= sure + noisy + unknown:
        return Verdict.FAILS
    if unknown:
        return Verdict.NOT_MEASURED
    return Verdict.HOLDS if wanted == sure else Verdict.WITHIN_NOISE
