"""Says whether the marker belongs to the source: its own rate against bystanders and target."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tuilab.grid.metrics import LEAKAGE, CellRows, largest_bystander
from tuilab.science.design import Design
from tuilab.science.trajectories import Point, point_of


@dataclass(frozen=True, slots=True)
class Specificity:
    """Marker rates of one cell by who was speaking. None is "not measured", never 0."""

    source: str
    """Source key."""
    epoch: int
    """Convergence epoch."""
    seed: int
    """Seed."""
    source_rate: float | None
    """Rate when the source itself speaks: was the marker learnt at all?"""
    source_reason: str
    """Why the source rate is absent; "" when it is there."""
    target_rate: float | None
    """Rate of the target: the leakage."""
    mean_bystander: float | None
    """Mean rate over measured personas that are neither source nor target."""
    max_bystander: float | None
    """Largest such rate: a maximum picked from ``bystanders``."""
    max_bystander_persona: str | None
    """Whose it is; the first in panel order of equals."""
    bystanders: int
    """Bystanders measured."""
    bystanders_planned: int
    """Bystanders in the evaluated panel."""


def specificity(frame: pd.DataFrame, design: Design) -> tuple[Specificity, ...]:
    """Specificity of every planned cell, by source, then seed, then epoch."""
    leakage = frame[frame["metric"] == design.measure]
    cells: dict[tuple[str, int, int], dict[str, Point]] = {}
    for row in leakage.to_dict("records"):
        key = (str(row["source"]), int(row["seed"]), int(row["epoch"]))
        point = point_of({str(name): value for name, value in row.items()})
        cells.setdefault(key, {})[str(row["persona"])] = point
    panel = [persona.key for persona in design.personas]
    seen = {persona for points in cells.values() for persona in points}
    panel += sorted(seen - set(panel))
    return tuple(
        _cell(source.key, epoch, seed, cells.get((source.key, seed, epoch), {}), panel, design)
        for source in design.sources
        for seed in design.seeds
        for epoch in design.epochs
    )


def _cell(
    source: str,
    epoch: int,
    seed: int,
    points: dict[str, Point],
    panel: Sequence[str],
    design: Design,
) -> Specificity:
    others = [persona for persona in panel if persona not in (source, design.target.key)]
    counted = {key: points[key].counted for key in others if key in points}
    known = {key: rate for key, rate in counted.items() if rate is not None}
    rows = [{"metric": LEAKAGE.name, "persona": key, "value": rate} for key, rate in known.items()]
    largest = largest_bystander(CellRows(rows, source, design.target.key, {}), LEAKAGE.name)
    own, target = points.get(source), points.get(design.target.key)
    return Specificity(
        source=source,
        epoch=epoch,
        seed=seed,
        source_rate=own.counted if own else None,
        source_reason=_why_absent(own),
        target_rate=target.counted if target else None,
        mean_bystander=sum(known.values()) / len(known) if known else None,
        max_bystander=largest.value if largest else None,
        max_bystander_persona=largest.who if largest else None,
        bystanders=len(known),
        bystanders_planned=len(others),
    )


def _why_absent(point: Point | None) -> str:
    if point is None:
        return "the source persona was not evaluated"
    if point.counted is not None:
        return ""
    return point.reason or f"the value is {point.status}"
