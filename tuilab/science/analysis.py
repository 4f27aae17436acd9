"""Computes everything about an experiment once, for claims, tables and figures to read."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd

from tuilab.grid.edits import apart
from tuilab.grid.lines import OWN, parts_of
from tuilab.grid.metrics import measures_in
from tuilab.science.classify import Change, Classification, classify
from tuilab.science.cosine import Scale, scales
from tuilab.science.design import BASELINE_EPOCH, Design, Persona
from tuilab.science.error_rates import ALPHA
from tuilab.science.intervals import Interval
from tuilab.science.noise_parts import NoiseParts, noise_parts
from tuilab.science.seeds import SeedSummary, mean_trajectory, paired, runs_of, share_present
from tuilab.science.significance import (
    CheckpointTest,
    Overdispersion,
    against_baseline,
    holm,
    overdispersion,
)
from tuilab.science.specificity import Kind, Specificity, specificity
from tuilab.science.trajectories import (
    SAME,
    Point,
    Trajectory,
    cosine_trajectories,
    digits_of,
    rate_trajectories,
)

_CELL: Final = ["source", "epoch", "seed"]


@dataclass(frozen=True, slots=True)
class RunResult:
    """One source under one seed."""

    trajectory: Trajectory
    """Leakage to the target."""
    tests: tuple[CheckpointTest, ...]
    """Every measured later checkpoint against epoch 0."""
    overdispersion: Overdispersion | None
    """How much checkpoints differ beyond sampling."""


@dataclass(frozen=True, slots=True)
class SourceResult:
    """One source over its seeds."""

    source: Persona
    """Key and label."""
    runs: tuple[RunResult, ...]
    """One per planned seed, in seed order."""
    leakage: Trajectory
    """Leakage to the target; the mean over seeds when there are several."""
    cosine: Trajectory
    """Cosine to the target on the analysis' scale; the mean over seeds when there are several."""
    cosine_runs: tuple[Trajectory, ...]
    """Cosine per seed."""
    classification: Classification
    """The class of all its runs together."""

    @property
    def change(self) -> Change:
        """The class alone."""
        return self.classification.change

    @property
    def digits(self) -> int:
        """Decimals of its percentages: none where few completions are behind them."""
        return digits_of([run.trajectory for run in self.runs])

    @property
    def edits(self) -> str:
        """Settings unlike the config's that all its numbers ran with; "" where there are none."""
        found = {point.edits for run in self.runs for point in run.trajectory.measured}
        return max(found, key=len, default="")

    @property
    def cells(self) -> list[tuple[str, Point]]:
        """Name of each of its cells, like ``villain@4#42``, with its leakage."""
        return [
            (f"{self.source.key}@{point.epoch}#{run.trajectory.seed}", point)
            for run in self.runs
            for point in run.trajectory.points
        ]

    @property
    def accepted(self) -> tuple[tuple[str, str], ...]:
        """Name of its cells that count though they are stale, with what a person said."""
        counted = [(name, one) for name, one in self.cells if one.counted is not None]
        return tuple((name, point.accepted) for name, point in counted if point.accepted)

    @property
    def set_aside(self) -> tuple[tuple[str, str], ...]:
        """Name and edits of its cells that are kept out of its numbers for what they ran with."""
        return tuple((name, point.edits) for name, point in self.cells if point.status == "edited")

    @property
    def rise(self) -> SeedSummary:
        """Baseline to the peak epoch of the mean trajectory, paired within seeds."""
        return self.gain(self.leakage.peak_epoch if self.leakage.later_measured else None)

    @property
    def net(self) -> SeedSummary:
        """Baseline to the last planned epoch, paired within seeds."""
        return self.gain(_last_later(self.leakage))

    @property
    def noise(self) -> NoiseParts:
        """How much of the noise of its cells is counting, questions, training."""
        return noise_parts([run.trajectory for run in self.runs])

    @property
    def is_split(self) -> bool:
        """Whether one seed ends above epoch 0 and another below it, each beyond counting noise."""
        tests = [run.tests[-1] for run in self.runs if run.tests]
        return any(test.is_up for test in tests) and any(test.is_down for test in tests)

    @property
    def cosine_change(self) -> SeedSummary:
        """Cosine from epoch 0 to the last planned epoch, paired within seeds."""
        return paired(self.cosine_runs, _last_later(self.cosine), BASELINE_EPOCH)

    @property
    def above_baseline(self) -> int | None:
        """Later checkpoints above epoch 0, on the mean of paired gains; None without any gain."""
        gains = self._gains()
        return sum(gain > SAME for gain in gains) if gains else None

    @property
    def ties(self) -> int | None:
        """Later checkpoints equal to epoch 0."""
        gains = self._gains()
        return sum(abs(gain) <= SAME for gain in gains) if gains else None

    @property
    def compared(self) -> int:
        """Later checkpoints that some seed can compare with epoch 0."""
        return len(self._gains())

    def fraction_of_peak(self, epoch: int) -> float | None:
        """Value at ``epoch`` over the value at the peak epoch, within seeds that have both."""
        runs = [run.trajectory for run in self.runs]
        return share_present(runs, epoch, self.leakage.peak_epoch, of_rise=False)

    def fraction_of_rise(self, epoch: int) -> float | None:
        """Share of the rise present at ``epoch``; None, not 0, when there is no rise."""
        runs = [run.trajectory for run in self.runs]
        return share_present(runs, epoch, self.leakage.peak_epoch, of_rise=True)

    def gain(self, epoch: int | None) -> SeedSummary:
        """Baseline to ``epoch``, paired within seeds."""
        return paired([run.trajectory for run in self.runs], epoch, BASELINE_EPOCH)

    def _gains(self) -> list[float]:
        means = (self.gain(point.epoch).mean for point in self.leakage.later)
        return [mean for mean in means if mean is not None]

    def gain_interval(self, epoch: int | None) -> Interval | None:
        """95% interval of that gain: paired by question (else Newcombe), or t over seeds."""
        if len(self.runs) > 1:
            return self.gain(epoch).interval
        tests = self.runs[0].tests
        return next((test.interval for test in tests if test.epoch == epoch), None)


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """Every number of one experiment that claims, tables and figures show."""

    design: Design
    """The plan."""
    frame: pd.DataFrame
    """The measurements all of it was computed from; what stands apart has the status edited."""
    sources: tuple[SourceResult, ...]
    """One per planned source, in the design's order."""
    scale: Scale | None
    """The scale of every cosine here; None when no cosine is measured."""
    scales: tuple[Scale, ...]
    """Every scale with values in the frame."""
    specificity: tuple[Specificity, ...]
    """Per planned cell."""

    def source(self, key: str) -> SourceResult | None:
        """Return one source's result, None when it is not in the plan."""
        return next((result for result in self.sources if result.source.key == key), None)

    def kinds(self, source: str) -> Counter[Kind]:
        """Count the classes of a source's measured cells after epoch 0."""
        return Counter(
            cell.kind
            for cell in self.specificity
            if cell.source == source
            and cell.epoch > BASELINE_EPOCH
            and cell.target_rate is not None
        )

    @property
    def odd(self) -> frozenset[str]:
        """Keys of sources whose settings are not those of the others; see ``edit_notes``."""
        return odd_sources(self.sources)

    @property
    def reference(self) -> "Analysis":
        """The same of those lines alone that statements about several sources are about.

        They are as the config says, or of the first variant where none is: a source in two arms is
        no two sources.
        """
        variants = {result.source.key: parts_of(result.source.key)[1:] for result in self.sources}
        chosen = OWN if OWN in variants.values() else next(iter(variants.values()), OWN)
        kept = tuple(one for one in self.sources if variants[one.source.key] == chosen)
        if len(kept) == len(self.sources):
            return self
        design = replace(self.design, sources=tuple(one.source for one in kept))
        return replace(self, sources=kept, design=design)

    @property
    def alike(self) -> tuple[SourceResult, ...]:
        """Sources that may be judged together."""
        odd = self.odd
        return tuple(result for result in self.sources if result.source.key not in odd)

    def having(self, *changes: Change) -> tuple[SourceResult, ...]:
        """Sources of the given classes, in the design's order."""
        return tuple(result for result in self.sources if result.change in changes)

    @property
    def measured(self) -> tuple[str, ...]:
        """What the frame measures of the trait, the design's measure first."""
        names = measures_in({"metric": name} for name in self.frame["metric"].dropna().unique())
        return tuple(dict.fromkeys((self.design.measure, *names)))

    @property
    def cells_measured(self) -> int:
        """Cells whose leakage to the target is measured."""
        runs = [run.trajectory for result in self.sources for run in result.runs]
        return sum(len(run.measured) for run in runs)

    @property
    def cells_planned(self) -> int:
        """Cells in the plan: sources x epochs x seeds."""
        design = self.design
        return len(design.sources) * len(design.epochs) * len(design.seeds)


def analyse(
    frame: pd.DataFrame,
    design: Design,
    *,
    scale: Scale | None = None,
) -> Analysis:
    """Compute an experiment's numbers.

    Args:
        frame: a measurements frame (``frame.measurements``).
        design: the plan.
        scale: the cosines to use; needed only when the frame holds several scales.

    Raises:
        MixedScalesError: when cosines of several scales are present and ``scale`` is None.
    """
    frame = set_aside(frame)
    leakage = rate_trajectories(frame, design)
    cosines = cosine_trajectories(frame, design, scale)
    found = scales(frame)
    return Analysis(
        design=design,
        frame=frame,
        sources=tuple(
            _source(
                source,
                runs_of(leakage, design, source.key),
                runs_of(cosines, design, source.key),
            )
            for source in design.sources
        ),
        scale=scale or (found[0] if found else None),
        scales=found,
        specificity=specificity(frame, design),
    )


def set_aside(frame: pd.DataFrame) -> pd.DataFrame:
    """Give the status ``edited`` to measured rows that must not be put together with the rest.

    The rule, for the measured cells of one source (over its epochs and seeds, rates and cosines
    each): if all ran with the same edits, all of them enter; otherwise those with edits are shown,
    marked and kept out of every number.
    """
    has_edits = frame["edits"].notna() & (frame["status"] == "measured")
    if not has_edits.any():
        return frame
    is_cosine = frame["metric"] == "cosine"
    taken = pd.Series(False, index=frame.index)
    measured = (frame["status"] == "measured") & (frame["metric"] != "minutes")
    for _, rows in frame[measured].groupby([frame["source"], is_cosine], sort=False):
        odd = apart(_ran(rows))
        keys = rows[_CELL].itertuples(index=False, name=None)
        taken.loc[rows.index] = np.array([key in odd for key in keys], dtype=bool)
    if not taken.any():
        return frame
    marked = frame.copy()
    marked.loc[taken, "status"] = "edited"
    said = "ran with " + marked["edits"] + ", unlike the rest of its source"
    marked["reason"] = marked["reason"].mask(taken, said)
    return marked


def _ran(rows: pd.DataFrame) -> dict[Hashable, tuple[int, str]]:
    edits = rows["edits"].fillna("")
    keys = rows[_CELL].itertuples(index=False, name=None)
    return {key: (int(key[1]), text) for key, text in zip(keys, edits, strict=True)}


def odd_sources(results: Sequence[SourceResult]) -> frozenset[str]:
    """Return the keys of sources whose cells all ran with edits that the others' did not."""
    ran = {one.source.key: (1, one.edits) for one in results if one.leakage.measured}
    return apart(ran)


def overdispersed(analysis: Analysis) -> list[tuple[SourceResult, int | None]]:
    """Return each source and seed whose checkpoints scatter beyond sampling, Holm over all runs."""
    tested = [
        (result, run.trajectory.seed, run.overdispersion.p)
        for result in analysis.sources
        for run in result.runs
        if run.overdispersion is not None
    ]
    corrected = holm([p for _, _, p in tested])
    found = zip(tested, corrected, strict=True)
    return [(result, seed) for (result, seed, _), p in found if p < ALPHA]


def _last_later(trajectory: Trajectory) -> int | None:
    """The last planned epoch, None when nothing is planned after the baseline."""
    return trajectory.points[-1].epoch if trajectory.later else None


def _source(
    source: Persona, leakage: Iterable[Trajectory], cosines: tuple[Trajectory, ...]
) -> SourceResult:
    runs = tuple(_run(trajectory) for trajectory in leakage)
    return SourceResult(
        source=source,
        runs=runs,
        leakage=mean_trajectory([run.trajectory for run in runs]),
        cosine=mean_trajectory(cosines),
        cosine_runs=cosines,
        classification=classify([(run.trajectory, run.tests) for run in runs]),
    )


def _run(trajectory: Trajectory) -> RunResult:
    tests = against_baseline(trajectory)
    return RunResult(trajectory, tests, overdispersion(trajectory))
