"""Asks what seeds and completions a change would need, of a config or of what has run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from tuilab.grid.jobs import Plan
from tuilab.grid.stages import MEASURE_STAGES, Stage
from tuilab.grid.text import number
from tuilab.science.power import Setup, power, smallest_change
from tuilab.store.program_name import program

if TYPE_CHECKING:
    from tuilab.science.analysis import SourceResult
    from tuilab.science.trajectories import Point
    from tuilab.study.study import Study

SEEDS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20)
TIMES = (0.5, 1.0, 2.0, 4.0)
"""Answers to each question, over those that are planned."""
KNOWN_SDS: Mapping[float, str] = {
    0.035: "nurse of the published run",
    0.06: "villain of the published run",
    0.15: "a source of an earlier study whose seeds gave 2.5, 31 and 63 %",
}
"""Noise of training that was seen, for who has none of their own."""
_SAMPLED = frozenset({Stage.EVAL, *MEASURE_STAGES})


@dataclass(frozen=True, slots=True)
class Option:
    """One design, what it finds and what it takes."""

    seeds: int
    samples: int
    """Answers to each question."""
    n: int
    power: float
    gpu_hours: float | None
    """None where nothing tells how large the base is."""


@dataclass(frozen=True, slots=True)
class Noise:
    """What an earlier run shows of a source."""

    training: float
    rate: float
    icc: float
    told: str
    """Where it comes from."""


def setup_of(plan: Plan, questions: int, samples: int, noise: Noise) -> Setup:
    """Return what a plan measures of each source, under a noise."""
    later = sum(epoch > 0 for epoch in plan.epochs)
    n = questions * samples
    return Setup(len(plan.seeds), later, n, noise.rate, noise.training, noise.icc)


def options(
    setup: Setup, samples: int, change: float, plan: Plan, seconds: Mapping[str, float] | None
) -> list[Option]:
    """Return every design of the table, those of fewer seeds first.

    ``seconds`` is what each job of the plan takes, None where that is not known; jobs of a seed
    count once for each seed, and sampling in proportion to the completions.
    """
    shared, own, sampled = _cost(plan, seconds) if seconds else (None, 0.0, 0.0)
    found = []
    for seeds in SEEDS:
        for each in dict.fromkeys(max(1, round(samples * times)) for times in TIMES):
            one = replace(setup, seeds=seeds, n=setup.n * each // samples)
            each_seed = own + sampled * each / samples
            hours = None if shared is None else (shared + seeds * each_seed) / 3600
            found.append(Option(seeds, each, one.n, power(one, change), hours))
    return found


def cheapest(found: Sequence[Option], wanted: float) -> Option | None:
    """Return the design with the wanted power that takes the fewest GPU hours."""
    good = [one for one in found if one.power >= wanted]
    return min(good, key=lambda one: (one.gpu_hours or 0, one.seeds, one.samples), default=None)


def _cost(plan: Plan, seconds: Mapping[str, float]) -> tuple[float, float, float]:
    """Seconds of what seeds share, and of one seed: all but sampling, and sampling."""
    shared = own = sampled = 0.0
    for job in plan.jobs:
        if job.seed is None:
            shared += seconds[job.id]
        elif job.stage in _SAMPLED:
            sampled += seconds[job.id]
        else:
            own += seconds[job.id]
    return shared, own / len(plan.seeds), sampled / len(plan.seeds)


def noise_shown(study: Study, source: str) -> Noise | None:
    """Return the noise that a run shows; None where too little is measured to tell.

    The noise of training is the mean over all sources, for one source alone shows little of it.
    """
    analysis = study.analysis
    parts = [_training(one) for one in analysis.sources]
    known = [part for part in parts if part is not None]
    result = analysis.source(source)
    points = [] if result is None else [p for run in result.runs for p in run.trajectory.measured]
    rates = [point.value for point in points if point.value is not None]
    if not known or not rates:
        return None
    seeds = len(analysis.design.seeds)
    told = (
        f"{seeds} seeds"
        if seeds > 1
        else "the scatter of its checkpoints about a line; seeds may be further apart"
    )
    return Noise(fmean(known) ** 0.5, fmean(rates), _icc(points), f"{study.name}: {told}")


def _training(result: SourceResult) -> float | None:
    """The variance that the class of a source takes for the noise of training, less counting.

    With one seed that is the scatter about a line: what bends a course hides its change too.
    """
    tests = result.classification.contrasts
    if len(result.runs) > 1 or tests is None:
        return result.noise.training
    return max(0.0, tests.sd**2 - (result.noise.counting or 0.0))


@dataclass(frozen=True, slots=True)
class NextSeed:
    """What one more seed may decide of a source that is not decided."""

    source: str
    level: float
    """Mean of the later checkpoints minus epoch 0, as it is now; 0..1 scale."""
    chance: float
    """Power over all seeds and one more, if the level truly is what it is now."""


def next_seed(study: Study, questions: int, samples: int) -> list[NextSeed]:
    """Return the sources that are not decided, first where the next seed decides most."""
    from tuilab.science.classify import Change

    found = []
    for result in study.analysis.sources:
        tests, noise = result.classification.contrasts, noise_shown(study, result.source.key)
        if result.change is Change.NOT_DECIDED and tests is not None and noise is not None:
            seeds, later = len(study.design.seeds) + 1, len(study.design.later_epochs)
            n = questions * samples
            setup = Setup(seeds, later, n, noise.rate, noise.training, noise.icc)
            level = tests.level.estimate
            found.append(NextSeed(result.source.key, level, power(setup, abs(level))))
    return sorted(found, key=lambda one: -one.chance)


def _icc(points: Sequence[Point]) -> float:
    """Share of the variance of answers that lies between questions."""
    asked = [point.questions for point in points if point.questions is not None]
    alone = fmean([one.rate * (1 - one.rate) / one.n for one in asked]) if asked else 0.0
    if not alone:
        return 0.0
    within = fmean(one.counting_variance for one in asked)
    return min(0.95, max(0.0, 1 - within / alone))


def one_line(plan: Plan, questions: int, samples: int) -> str:
    """Say in one line what changes a grid can find, at the noises of training that were seen."""
    cases: list[str] = []
    for sd in KNOWN_SDS:
        setup = setup_of(plan, questions, samples, Noise(sd, 0.5, 0.0, ""))
        if setup.why_not:
            return f"it cannot tell a change from the noise of training: {setup.why_not}"
        change = smallest_change(setup)
        scatter = number(100 * sd, 1).removesuffix(".0")
        if change is None and not cases:
            little = f"even if training scatters by only {scatter} points"
            says = f"`{program()} design` says what would"
            return f"with 80 % power it finds no change of the level, {little}; {says}"
        said = "none" if change is None else number(100 * change)
        cases.append(f"{said} if by {scatter}")
    seeds = "; one seed cannot tell a run that is off as a whole" if len(plan.seeds) == 1 else ""
    first = cases[0].replace(" if by ", " points if training scatters by ")
    others = "".join(f", {case}" for case in cases[1:])
    return f"with 80 % power it finds a change of the level of {first}{others}{seeds}"
