"""Reads trajectories and single points out of a measurements frame, filling the planned gaps."""

from collections.abc import Mapping

import pandas as pd

from tuilab.science.bootstrap import CellKey, ClusterBootstrap
from tuilab.science.cosine import Scale, on_scale
from tuilab.science.design import Design
from tuilab.science.intervals import Interval, wilson
from tuilab.science.trajectories import Point, Trajectory

UNRUN = "not measured: no row for this cell"

Bootstraps = Mapping[CellKey, ClusterBootstrap]
"""Question-level results; where a cell has one, its interval replaces Wilson's."""


def rate_trajectories(
    frame: pd.DataFrame,
    design: Design,
    *,
    metric: str = "leakage",
    persona: str | None = None,
    bootstraps: Bootstraps | None = None,
) -> dict[tuple[str, int], Trajectory]:
    """Trajectory of every planned (source, seed) for one persona.

    Args:
        frame: a measurements frame.
        design: the plan; cells without a row become missing points.
        metric: a rate of ``schema.METRICS``.
        persona: evaluated persona; None means the design's target, "source" each source itself.
        bootstraps: question-level intervals to prefer over Wilson's.
    """
    wanted = design.target.key if persona is None else persona
    rows = frame[frame["metric"] == metric]
    same = rows["source"] if wanted == "source" else wanted
    rows = rows[rows["persona"] == same]
    return _trajectories(rows, design, metric, bootstraps or {})


def cosine_trajectories(
    frame: pd.DataFrame, design: Design, scale: Scale | None = None
) -> dict[tuple[str, int], Trajectory]:
    """Cosine of source and target of every planned (source, seed) on one scale.

    Raises:
        MixedScalesError: when the frame holds several scales and none is named.
    """
    rows = on_scale(frame[frame["persona"] == design.target.key], scale)
    return _trajectories(rows, design, "cosine", {})


def point_of(row: Mapping[str, object], bootstrap: ClusterBootstrap | None = None) -> Point:
    """Turn one row of a measurements frame into a point."""
    value, hits, n = (_number(row[name]) for name in ("value", "hits", "n"))
    reason, edits = (_text(row[name]) for name in ("reason", "edits"))
    return Point(
        epoch=int(str(row["epoch"])),
        value=value,
        status=str(row["status"]),
        hits=None if hits is None else int(hits),
        n=None if n is None else int(n),
        interval=_interval(value, hits, n, bootstrap),
        reason=reason,
        edits=edits,
    )


def _interval(
    value: float | None, hits: float | None, n: float | None, bootstrap: ClusterBootstrap | None
) -> Interval | None:
    if value is None:
        return None
    # Completions of another attempt must not lend their interval to this value.
    fits = bootstrap is not None and (hits, n) == (bootstrap.hits, bootstrap.n)
    if fits and bootstrap is not None and bootstrap.interval is not None:
        return bootstrap.interval
    return None if hits is None or n is None else wilson(int(hits), int(n))


def _trajectories(
    rows: pd.DataFrame, design: Design, metric: str, bootstraps: Bootstraps
) -> dict[tuple[str, int], Trajectory]:
    points: dict[tuple[str, int, int], Point] = {}
    for row in rows.to_dict("records"):
        source, epoch, seed = str(row["source"]), int(row["epoch"]), int(row["seed"])
        cell = (source, epoch, seed, str(row["persona"]))
        points[source, seed, epoch] = point_of(
            {str(name): value for name, value in row.items()}, bootstraps.get(cell)
        )
    return {
        (source.key, seed): Trajectory(
            source.key,
            seed,
            tuple(
                points.get((source.key, seed, epoch), Point(epoch, None, "missing", reason=UNRUN))
                for epoch in design.epochs
            ),
            metric,
        )
        for source in design.sources
        for seed in design.seeds
    }


def _text(value: object) -> str:
    return "" if pd.isna(value) else str(value)  # type: ignore[call-overload]


def _number(value: object) -> float | None:
    return None if pd.isna(value) else float(str(value))  # type: ignore[call-overload]
