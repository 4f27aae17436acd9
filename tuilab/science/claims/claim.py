"""What a judged claim is, and how verdicts on single sources add up to one."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tuilab.science.contrasts import Noise


class Verdict(StrEnum):
    """What the numbers say about a claim."""

    HOLDS = "holds"
    FAILS = "fails"
    NOT_MEASURED = "not measured"
    WITHIN_NOISE = "within noise"
    UNDECIDABLE = "cannot be decided"
    """No result of this design could have decided it; the evidence says what would."""
    UNSUPPORTED = "unsupported"
    """Nothing measured here could show it: a cause, or leakage of what was never implanted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict on one source, with the numbers it rests on."""

    verdict: Verdict
    """The verdict for this source alone."""
    evidence: str
    """One sentence without a full stop, numbers included."""
    beyond: Noise | None = None
    """The noise it has beaten, where it is about a change."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim with its verdict and evidence, ready to be printed or dumped as JSON."""

    key: str
    """Stable identifier."""
    claim: str
    """What the verdict is about, in words."""
    verdict: Verdict
    """What the numbers say about it."""
    sentence: str
    """What the data say, as one sentence with numbers; true whatever the verdict."""
    evidence: tuple[str, ...] = ()
    """Supporting numbers, one line each."""
    numbers: Mapping[str, object] = field(default_factory=dict)
    """The same numbers for programs; plain JSON types, None for what is not measured."""
    beyond: Noise | None = None
    """The weakest noise that those whom it holds for have beaten; None where it is no change."""
    status: str = ""
    """Confirmatory or exploratory, where claims were locked."""

    @property
    def said(self) -> str:
        """The verdict with how far it goes: ``holds beyond this run's scatter``."""
        is_known = self.verdict is Verdict.HOLDS and self.beyond is not None
        return f"{self.verdict} {self.beyond}" if is_known else self.verdict.value

    def record(self) -> dict[str, object]:
        """Plain dictionary for JSON output."""
        return {
            "key": self.key,
            "claim": self.claim,
            "verdict": self.verdict.value,
            "beyond": None if self.beyond is None else self.beyond.value,
            "sentence": self.sentence,
            "evidence": list(self.evidence),
            "numbers": dict(self.numbers),
            **({"status": self.status} if self.status else {}),
        }


def for_all(findings: Sequence[Finding]) -> Verdict:
    """Verdict on "every one of them": one failure refutes it, one gap leaves it open."""
    found = {finding.verdict for finding in findings}
    for verdict in (
        Verdict.FAILS,
        Verdict.UNSUPPORTED,
        Verdict.NOT_MEASURED,
        Verdict.UNDECIDABLE,
        Verdict.WITHIN_NOISE,
    ):
        if verdict in found:
            return verdict
    return Verdict.HOLDS if found else Verdict.NOT_MEASURED


def weakest(findings: Sequence[Finding]) -> Noise | None:
    """Weakest noise beaten by those that hold; None where one of them is about no change."""
    found = [one.beyond for one in findings if one.verdict is Verdict.HOLDS]
    return next((noise for noise in (None, *Noise) if noise in found), None)


def left_open(verdict: Verdict, left_out: Collection[str]) -> Verdict:
    """What holds for those judged is not measured for all, where somebody was left out."""
    return Verdict.NOT_MEASURED if left_out and verdict is Verdict.HOLDS else verdict


def for_exactly(wanted: int, findings: Sequence[Finding]) -> Verdict:
    """Verdict on "exactly so many of them": how many hold, and how many might.

    A source within noise does not count as holding, so the count can stand without it; but a
    larger count that needs such sources is within noise, not refuted.
    """
    counts = Counter(finding.verdict for finding in findings)
    sure = counts[Verdict.HOLDS]
    noisy = counts[Verdict.WITHIN_NOISE] + counts[Verdict.UNDECIDABLE]
    unknown = counts[Verdict.NOT_MEASURED] + counts[Verdict.UNSUPPORTED]
    if not sure + noisy + counts[Verdict.FAILS]:
        return Verdict.NOT_MEASURED
    if not sure <= wanted <= sure + noisy + unknown:
        return Verdict.FAILS
    if unknown:
        return Verdict.NOT_MEASURED
    return Verdict.HOLDS if wanted == sure else Verdict.WITHIN_NOISE
