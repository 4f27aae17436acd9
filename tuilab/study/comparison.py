"""Pairs the cells of two experiments and says how far apart their numbers are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from tuilab.contract.foreign import clean_line
from tuilab.grid.cells import Cell
from tuilab.grid.lines import persona_of
from tuilab.grid.metrics import METRICS, CellRows, Measurement, Of, Row
from tuilab.grid.stages import Stage
from tuilab.grid.states import State
from tuilab.store.measurements import cell_rows, measurement_rows
from tuilab.store.reader import Reader
from tuilab.store.snapshot import CellView, Snapshot

if TYPE_CHECKING:
    from tuilab.science.questions import Questions
    from tuilab.science.replication import Replication
    from tuilab.science.significance import Gap
    from tuilab.science.trajectories import Point, Trajectory

Shared = Mapping[tuple[Cell, str], "tuple[Questions, Questions]"]
"""Hits by question of the one and of the other, by the first's cell and metric."""
NOTHING_SHARED: Shared = {}
SIGN = "*"
"""Marks a difference that counting alone does not explain."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One cell that both experiments plan."""

    cell: Cell
    """As the first names it."""
    one: Measurement | None
    """None where it is not measured, or not done."""
    other: Measurement | None
    edits: tuple[str, str] = ("", "")
    """Settings unlike its own config that each of the two numbers ran with; "" for none."""
    is_accepted: bool = False
    """Whether one of the two counts by a person's word alone, though it is stale."""
    gap: Gap | None = None
    """What chance explains of the difference; None without counts, or before it is tested."""
    is_alike: bool = True
    """Whether both are on one scale; cosines of other layers, pools or models are not."""

    @property
    def difference(self) -> float | None:
        """Other minus one; None unless both are measured, on one scale."""
        if self.one is None or self.other is None or not self.is_alike:
            return None
        return self.other.value - self.one.value

    @property
    def n(self) -> int | None:
        """Completions behind the number that has the fewer; None where none are known."""
        known = [one.n for one in (self.one, self.other) if one is not None and one.n]
        return min(known, default=None)

    @property
    def is_beyond_chance(self) -> bool:
        """Whether counting alone does not explain the difference."""
        return self.gap is not None and self.gap.is_beyond_chance


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two experiments by one metric."""

    metric: str
    """Key of a cell's metrics."""
    names: tuple[str, str]
    seeds: tuple[tuple[int, ...], tuple[int, ...]]
    """Of both; () for a table that names none."""
    labels: dict[str, str]
    """Sources by key."""
    cells: tuple[Compared, ...]
    """In the grid order of the first."""
    synthetic: bool
    scales: tuple[str, ...] = ()
    """Scales of both where they are not the same, so that nothing is compared."""

    @property
    def epochs(self) -> list[int]:
        """The epochs of all cells, ascending."""
        return sorted({each.cell.epoch for each in self.cells})

    @property
    def rows(self) -> list[tuple[str, list[Compared | None]]]:
        """A name and a cell at every epoch for each source and seed; None where there is none."""
        by_cell = {each.cell: each for each in self.cells}
        runs = dict.fromkeys((cell.source, cell.seed) for cell in by_cell)
        is_one = len({seed for _, seed in runs}) == 1
        return [
            (
                (self.labels.get(source) or clean_line(source)) + ("" if is_one else f" #{seed}"),
                [by_cell.get(Cell(source, epoch, seed)) for epoch in self.epochs],
            )
            for source, seed in runs
        ]

    @property
    def mean_size(self) -> float:
        """Mean of how far the measured cells are apart, whichever way; one must be measured."""
        return fmean(abs(each.difference or 0.0) for each in self.measured)

    @property
    def largest(self) -> Compared:
        """The measured cell whose two numbers are furthest apart; one must be measured."""
        return max(self.measured, key=lambda each: abs(each.difference or 0.0))

    @property
    def measured(self) -> list[Compared]:
        """The cells that are measured in both."""
        return [each for each in self.cells if each.difference is not None]

    @property
    def edited(self) -> list[tuple[str, str]]:
        """Experiment and cell, and the edits, of every number that ran unlike its config."""
        return [
            (f"{name} {each.cell}", edits)
            for each in self.measured
            for name, edits in zip(self.names, each.edits, strict=True)
            if edits
        ]

    @property
    def is_tested(self) -> bool:
        """Whether any difference has counts behind it, so that chance can be spoken of."""
        return any(each.gap is not None for each in self.cells)

    @property
    def is_paired(self) -> bool:
        """Whether any interval is over questions that both asked."""
        return any(each.gap is not None and each.gap.is_paired for each in self.cells)

    @property
    def beyond_chance(self) -> list[Cell]:
        """The cells whose difference counting alone does not explain."""
        return [each.cell for each in self.cells if each.is_beyond_chance]


def meetings(one: Snapshot, other: Snapshot) -> list[tuple[CellView, CellView]]:
    """Return the cells that both have, in the grid order of the first.

    Where each has a single seed, the seeds may differ: a replication compares with the original.
    """
    are_single = len(one.seeds) == len(other.seeds) == 1

    def place(view: CellView) -> tuple[str, int, int]:
        return view.cell.source, view.cell.epoch, 0 if are_single else view.cell.seed

    there = {place(view): view for view in other.cells}
    return [(view, there[place(view)]) for view in one.cells if place(view) in there]


def same_cells(one: Snapshot, other: Snapshot) -> list[tuple[Cell, Cell]]:
    """Return the cells that both have, as the first and as the second names them."""
    return [(mine.cell, theirs.cell) for mine, theirs in meetings(one, other)]


def _names(one: Snapshot, other: Snapshot) -> tuple[str, str]:
    """Return their names; a copy has its original's, so then those of the folders."""
    folders = one.root.absolute().name, other.root.absolute().name
    first, second = (
        folders if one.name == other.name and len({*folders}) == 2 else (one.name, other.name)
    )
    return clean_line(first), clean_line(second)


def paired(one: Snapshot, other: Snapshot, metric: str) -> Comparison:
    """Compare every cell that both plan, without a test of what chance explains."""
    scales = _scales_apart(one, other) if METRICS[metric].measure.of is Of.SCALE else ()
    return Comparison(
        metric=metric,
        names=_names(one, other),
        seeds=(_given(one), _given(other)),
        labels={key: clean_line(label) for key, label in one.labels.items()},
        cells=tuple(
            Compared(
                mine.cell,
                mine.done_number(metric),
                theirs.done_number(metric),
                (mine.edits_behind(metric), theirs.edits_behind(metric)),
                bool(mine.accepted_of(metric) or theirs.accepted_of(metric)),
                is_alike=not scales,
            )
            for mine, theirs in meetings(one, other)
        ),
        synthetic=one.synthetic or other.synthetic,
        scales=scales,
    )


def _scales_apart(one: Snapshot, other: Snapshot) -> tuple[str, ...]:
    """Name the scales of the cosines that two experiments show; () where they may be the same."""
    mine, theirs = one.headline_cosine, other.headline_cosine
    if all(mine[key] == theirs[key] for key in mine.keys() & theirs.keys()):
        return ()
    return tuple(
        f"layer {scale.get('layer')}, {scale.get('pool')}, {scale.get('model_state')}"
        for scale in (mine, theirs)
    )


def _given(snapshot: Snapshot) -> tuple[int, ...]:
    return snapshot.seeds if snapshot.seed_given else ()


def shared_questions(
    readers: tuple[Reader, Reader], one: Snapshot, other: Snapshot, metrics: Sequence[str]
) -> Shared:
    """Return the hits by question where both asked the same ones, by the first's cell and metric.

    It reads the outcomes that hold these metrics, of all cells that both have done.
    """
    from tuilab.science.questions import questions_of

    rates = [metric for metric in metrics if METRICS[metric].unit.is_rate]
    stages = {METRICS[metric].measure.stage for metric in rates}
    if not rates:
        return {}
    met = [pair for pair in meetings(one, other) if all(v.state is State.DONE for v in pair)]
    sides = [
        _rows_of(reader, snapshot, [pair[side] for pair in met], stages)
        for side, (reader, snapshot) in enumerate(zip(readers, (one, other), strict=True))
    ]
    found = {}
    for (view, _), *cells in zip(met, *sides, strict=True):
        for metric in rates:
            rows = [METRICS[metric].row(cell) for cell in cells]
            first, second = (None if row is None else questions_of(row) for row in rows)
            # Two tables that name no questions need not mean the same ones.
            if first is not None and second is not None and first.asked == second.asked != "":
                found[view.cell, metric] = first, second
    return found


def _rows_of(
    reader: Reader,
    snapshot: Snapshot,
    views: Sequence[CellView],
    stages: Collection[Stage | None],
) -> Iterator[CellRows]:
    """Yield the rows of each cell; those of a table are all read at once."""
    table: dict[Cell, list[Row]] = {}
    if reader.is_results_only:
        for row in measurement_rows(reader, snapshot.taken_at):
            table.setdefault(Cell(row["source"], row["epoch"], row["seed"]), []).append(row)
    for view in views:
        # The eval says what was asked of the completions that other stages score.
        jobs = tuple(job for job in view.jobs if job.stage in stages or job.stage is Stage.EVAL)
        rows = table.get(view.cell) or list(cell_rows(reader, replace(view, jobs=jobs)))
        source = persona_of(view.cell.source)
        yield CellRows(rows, source, snapshot.target, snapshot.headline_cosine)


def runs_of(snapshot: Snapshot, metric: str) -> dict[str, list[Trajectory]]:
    """Return a metric's values of each source and seed as the science takes them."""
    from tuilab.science.trajectories import Point, Trajectory

    runs: dict[str, dict[int, list[Point]]] = {}
    for view in snapshot.cells:
        cell, found = view.cell, view.done_number(metric)
        point = _point(cell, found) or Point(cell.epoch, None, "missing")
        runs.setdefault(cell.source, {}).setdefault(cell.seed, []).append(point)
    return {
        source: [
            Trajectory(source, seed, tuple(sorted(points, key=lambda one: one.epoch)), metric)
            for seed, points in seeds.items()
        ]
        for source, seeds in runs.items()
    }


def replicated(
    one: Snapshot, other: Snapshot, metric: str, margin: float | None = None
) -> tuple[Replication, ...]:
    """Say of each source of both whether the other replicates it; () where that has no meaning."""
    from tuilab.science.replication import MARGIN, replications

    if METRICS[metric].is_largest or not METRICS[metric].unit.is_rate:
        return ()
    return replications(runs_of(one, metric), runs_of(other, metric), margin or MARGIN)


def tested(found: Comparison, shared: Shared = NOTHING_SHARED) -> Comparison:
    """Return the same with what chance explains of every difference of two rates."""
    from tuilab.science.significance import gaps

    if METRICS[found.metric].is_largest:
        return found
    pairs = []
    for each in found.cells:
        mine, theirs = shared.get((each.cell, found.metric), (None, None))
        pairs.append((_point(each.cell, each.one, mine), _point(each.cell, each.other, theirs)))
    judged = zip(found.cells, gaps(pairs), strict=True)
    return replace(found, cells=tuple(replace(each, gap=gap) for each, gap in judged))


def _point(
    cell: Cell, found: Measurement | None, questions: Questions | None = None
) -> Point | None:
    """Return a number as the science takes it; None where it was not measured."""
    from tuilab.science.questions import interval_of
    from tuilab.science.trajectories import Point

    if found is None:
        return None
    return Point(
        cell.epoch,
        found.value,
        hits=found.hits,
        n=found.n,
        interval=interval_of(found),
        questions=questions,
    )


def compare(
    one: Snapshot, other: Snapshot, metric: str, shared: Shared = NOTHING_SHARED
) -> Comparison:
    """Compare every cell that both plan; one that is not done in both has no difference."""
    return tested(paired(one, other, metric), shared)
