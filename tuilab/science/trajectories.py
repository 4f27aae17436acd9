"""One source over the epochs: its points, the numbers read off them, and how a frame gives them."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import pandas as pd

from tuilab.grid.lines import persona_of
from tuilab.grid.metrics import COLUMNS, METRICS, CellRows, Numbers, metric_keys, numbers_of
from tuilab.grid.text import rate_digits
from tuilab.science.cosine import Scale, the_scale
from tuilab.science.design import BASELINE_EPOCH, Design
from tuilab.science.intervals import Interval
from tuilab.science.questions import Questions, questions_of, rate_interval

SAME: Final = 1e-9
"""Two rates closer than this are equal; only floating-point error is smaller."""

UNRUN = "not measured: no row for this cell"


@dataclass(frozen=True, slots=True)
class Point:
    """One checkpoint of one source, measured or not."""

    epoch: int
    """Convergence epoch."""
    value: float | None
    """Value in the metric's unit (0..1 for a rate). One kept out of numbers may carry one."""
    status: str = "measured"
    """One of ``schema.STATUSES``."""
    hits: int | None = None
    """Completions that hit, None when there are no counts."""
    n: int | None = None
    """Completions, None when there are no counts."""
    interval: Interval | None = None
    """95% interval of the value, None when there is nothing to base one on."""
    seeds: int = 1
    """Seeds the value is the mean of."""
    seeds_planned: int = 1
    """Seeds there should be."""
    reason: str = ""
    """Why the value is missing, failed, suspect, stale or edited."""
    edits: str = ""
    """Settings that it ran with unlike the config, ``marker.lr=0.002``; "" for none."""
    accepted: str = ""
    """What of it was stale and who keeps it as current; "" for nothing."""
    questions: Questions | None = None
    """The same hits by question; None where they are not at hand."""

    @property
    def counted(self) -> float | None:
        """The value if it may enter an aggregate, else None."""
        return self.value if self.status == "measured" else None


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A source's points at every planned epoch, in order. Every derived number may be None."""

    source: str
    """Source key."""
    seed: int | None
    """Seed, or None for a mean over several."""
    points: tuple[Point, ...]
    """One per planned epoch, ascending."""
    metric: str = "leakage"
    """What the values are."""

    def at(self, epoch: int) -> Point | None:
        """Return the point of an epoch, None when the epoch is not in the plan."""
        return next((point for point in self.points if point.epoch == epoch), None)

    def value_at(self, epoch: int) -> float | None:
        """Return the measured value at an epoch; one of another status does not count."""
        point = self.at(epoch)
        return point.counted if point else None

    @property
    def measured(self) -> tuple[Point, ...]:
        """Points that may enter an aggregate."""
        return tuple(point for point in self.points if point.counted is not None)

    @property
    def later(self) -> tuple[Point, ...]:
        """Planned points after the baseline, measured or not."""
        return tuple(point for point in self.points if point.epoch > BASELINE_EPOCH)

    @property
    def baseline(self) -> float | None:
        """Value at the source's own epoch 0."""
        return self.value_at(BASELINE_EPOCH)

    @property
    def peak_point(self) -> Point | None:
        """The measured point with the largest value, the earliest of equals; baseline included."""
        best: Point | None = None
        for point in self.measured:
            if best is None or _of(point) > _of(best) + SAME:
                best = point
        return best

    @property
    def peak(self) -> float | None:
        """Largest measured value: a maximum picked from ``picked_from``, so biased upward."""
        return self.peak_point.value if self.peak_point else None

    @property
    def peak_epoch(self) -> int | None:
        """Epoch of the peak."""
        return self.peak_point.epoch if self.peak_point else None

    @property
    def picked_from(self) -> int:
        """How many measured checkpoints the peak was picked from."""
        return len(self.measured)

    @property
    def final(self) -> float | None:
        """Value at the last planned epoch; None when that cell is not measured."""
        return self.points[-1].counted if self.points else None

    @property
    def later_measured(self) -> int:
        """How many later checkpoints are measured."""
        return sum(point.counted is not None for point in self.later)

    @property
    def scatter(self) -> float | None:
        """Noise between later checkpoints, as a standard deviation from successive differences.

        sqrt(sum d^2 / 2m) over the m neighbouring pairs of measured later checkpoints
        (von Neumann et al. 1941, Ann. Math. Stat. 12:153-162); a slow trend hardly enters.
        None with fewer than three checkpoints.
        """
        values = [_of(point) for point in self.measured if point.epoch > BASELINE_EPOCH]
        steps = [after - before for before, after in itertools.pairwise(values)]
        if len(steps) < 2:
            return None
        return math.sqrt(math.fsum(step * step for step in steps) / (2 * len(steps)))

    @property
    def scatter_df(self) -> float:
        """Degrees of freedom of ``scatter``; as few as 1.6 for three checkpoints."""
        count = sum(point.epoch > BASELINE_EPOCH for point in self.measured)
        return 2 * (count - 1) ** 2 / (3 * count - 4)


def _of(point: Point) -> float:
    return math.nan if point.value is None else point.value


def digits_of(runs: Sequence[Trajectory]) -> int:
    """Decimals of a percentage of the mean of these runs, see ``rate_digits``."""
    sizes = [point.n for run in runs for point in run.measured if point.n]
    return rate_digits(min(sizes) * len(runs) if sizes else None)


def rate_trajectories(
    frame: pd.DataFrame, design: Design, persona: str | None = None
) -> dict[tuple[str, int], Trajectory]:
    """Trajectory of every planned (source, seed), of the design's measure.

    Args:
        frame: a measurements frame.
        design: the plan; cells without a row become missing points.
        persona: whose rate it is; None means the headline of the grid, "source" each source itself.
    """
    rows = frame[frame["metric"] == design.measure]
    if persona is not None:
        wanted = rows["source"].map(persona_of) if persona == "source" else persona
        rows = rows[rows["persona"] == wanted]
    return _trajectories(rows, design, metric_keys((design.measure,))[0], persona)


def cosine_trajectories(
    frame: pd.DataFrame, design: Design, scale: Scale | None = None
) -> dict[tuple[str, int], Trajectory]:
    """Cosine of source and target of every planned (source, seed) on one scale.

    Raises:
        MixedScalesError: when the frame holds several scales and none is named.
    """
    rows = frame[frame["metric"] == "cosine"]
    return _trajectories(rows, design, "cosine", scale=scale or the_scale(frame))


def point_of(row: Mapping[str, object]) -> Point:
    """Turn one row of a measurements frame into a point."""
    value, hits, n = (_number(row[name]) for name in ("value", "hits", "n"))
    reason, edits, accepted = (_text(row[name]) for name in ("reason", "edits", "accepted"))
    known = None not in (value, hits, n)
    questions = questions_of(row) if known else None
    return Point(
        epoch=int(str(row["epoch"])),
        value=value,
        status=str(row["status"]),
        hits=None if hits is None else int(hits),
        n=None if n is None else int(n),
        interval=_interval(hits, n, questions) if known else None,
        reason=reason,
        edits=edits,
        accepted=accepted,
        questions=questions,
    )


def cell_numbers(
    frame: pd.DataFrame, design: Design, scale: Scale | None
) -> dict[tuple[str, int, int], Numbers]:
    """Every metric of each measured cell, by (source, seed, epoch), as the grid shows it."""
    wanted = {} if scale is None else asdict(scale)
    return {
        place: numbers_of(rows, persona_of(place[0]), design.target.key, wanted)
        for place, rows in _by_cell(frame[frame["status"] == "measured"]).items()
    }


def _by_cell(frame: pd.DataFrame) -> dict[tuple[str, int, int], list[dict[str, Any]]]:
    """The rows of each (source, seed, epoch); what is absent is None."""
    columns = [frame[name].astype(object).where(frame[name].notna(), None) for name in frame]
    names = [str(name) for name in frame]
    found: dict[tuple[str, int, int], list[dict[str, Any]]] = {}
    for values in zip(*(column.tolist() for column in columns), strict=True):
        row = dict(zip(names, values, strict=True))
        found.setdefault((row["source"], row["seed"], row["epoch"]), []).append(row)
    return found


def _interval(hits: float | None, n: float | None, questions: Questions | None) -> Interval | None:
    if hits is None or n is None:
        return None
    return questions.interval if questions else rate_interval(int(hits), int(n))


def _trajectories(
    frame: pd.DataFrame,
    design: Design,
    key: str,
    persona: str | None = None,
    scale: Scale | None = None,
) -> dict[tuple[str, int], Trajectory]:
    """Trajectories of a metric, each number of a cell picked as the grid picks it.

    ``persona`` stands in the target's place.
    """
    metric, wanted = METRICS[key], {} if scale is None else asdict(scale)
    points: dict[tuple[str, int, int], Point] = {}
    for place, rows in _by_cell(frame).items():
        source = persona_of(place[0])
        whose = source if persona == "source" else persona or design.target.key
        if (row := metric.row(CellRows(rows, source, whose, wanted))) is not None:
            computed = dict.fromkeys(COLUMNS) | {"status": "measured"}
            points[place] = point_of({**computed, **row, "epoch": place[2]})
    return {
        (source.key, seed): Trajectory(
            source.key,
            seed,
            tuple(
                points.get((source.key, seed, epoch), Point(epoch, None, "missing", reason=UNRUN))
                for epoch in design.epochs
            ),
            metric.measure.name,
        )
        for source in design.sources
        for seed in design.seeds
    }


def _text(value: object) -> str:
    return "" if pd.isna(value) else str(value)  # type: ignore[call-overload]


def _number(value: object) -> float | None:
    return None if pd.isna(value) else float(str(value))  # type: ignore[call-overload]
