"""Builds small experiments from plain numbers, so that a test shows only what it is about."""

from collections.abc import Mapping, Sequence

import pandas as pd

from tuilab.science.analysis import Analysis, analyse
from tuilab.science.design import Design, Persona
from tuilab.science.frame import measurements
from tuilab.science.trajectories import Point, Trajectory

Row = dict[str, object]


def leakage_row(source: str, epoch: int, hits: int | None, n: int = 200, **rest: object) -> Row:
    """One leakage row; hits None is a missing cell."""
    row: Row = {"source": source, "epoch": epoch, "metric": "leakage", **rest}
    return row | ({"status": "missing"} if hits is None else {"hits": hits, "n": n})


def cosine_row(source: str, epoch: int, value: float, **rest: object) -> Row:
    """One cosine row on layer 15, 11 personas, marked, unless told otherwise."""
    scale = {"layer": 15, "pool": "11 personas", "model_state": "marked"}
    return {"source": source, "epoch": epoch, "metric": "cosine", "value": value, **scale, **rest}


def design(
    sources: Sequence[str], epochs: Sequence[int], seeds: Sequence[int] = (0,), **rest: object
) -> Design:
    """A plan whose labels are its keys."""
    return Design(
        tuple(Persona(key, key) for key in sources),
        tuple(epochs),
        tuple(seeds),
        **rest,  # type: ignore[arg-type]
    )


def analysis_of(
    table: Mapping[str, Sequence[int | None]],
    epochs: Sequence[int],
    n: int = 200,
    extra: Sequence[Row] = (),
) -> Analysis:
    """Analyse sources given as hits per epoch."""
    rows = [
        leakage_row(source, epoch, hits, n)
        for source, counts in table.items()
        for epoch, hits in zip(epochs, counts, strict=True)
    ]
    return analyse(measurements([*rows, *extra]), design(list(table), epochs))


def trajectory(values: Sequence[float | None], n: int = 200) -> Trajectory:
    """A trajectory at epochs 0, 2, 4, ... with rounded counts."""
    points = tuple(
        Point(2 * index, None, "missing")
        if value is None
        else Point(2 * index, value, hits=round(value * n), n=n)
        for index, value in enumerate(values)
    )
    return Trajectory("villain", 0, points)


def shuffled(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    return frame.sample(frac=1, random_state=seed)
