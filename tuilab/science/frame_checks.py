"""The rules a measurements frame must satisfy, each a mask of offending rows and a sentence."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from tuilab.science.schema import KEY, METRICS, MODEL_STATES, STATUSES

Check = tuple[pd.Series, str, str]
"""Rows that break the rule, the column to point at, the message (fields of the row in braces)."""

ROUNDING: Final = 0.005
"""A printed rate may differ from hits / n by half of a whole percent, no more."""


def checks(table: pd.DataFrame, scale: float) -> Iterator[Check]:
    """Yield every rule applied to ``table``, whose rates run from 0 to ``scale``."""
    yield from _names(table)
    yield from _status(table)
    yield from _ranges(table, scale)
    yield from _counts(table, scale)
    yield from _cosine(table)
    repeated = table.duplicated(list(KEY))
    yield repeated, "", "repeats row {earlier}: same " + ", ".join(KEY)


def _names(table: pd.DataFrame) -> Iterator[Check]:
    known = ", ".join(METRICS)
    for column in ("source", "epoch", "metric"):
        yield table[column].isna(), column, "is empty"
    unknown = table["metric"].notna() & ~table["metric"].isin(list(METRICS))
    yield unknown, "metric", "unknown metric '{metric}'; known are " + known
    yield table["epoch"] < 0, "epoch", "epoch {epoch} is below 0; epoch 0 is the untouched model"
    states = table["model_state"].notna() & ~table["model_state"].isin(MODEL_STATES)
    yield states, "model_state", "'{model_state}' is none of " + ", ".join(MODEL_STATES)


def _status(table: pd.DataFrame) -> Iterator[Check]:
    unknown = ~table["status"].isin(STATUSES)
    yield unknown, "status", "'{status}' is none of " + ", ".join(STATUSES)
    measured = table["status"] == "measured"
    nothing = table["value"].isna()
    yield (
        measured & nothing & ~(table["n"] <= 0).fillna(False),
        "value",
        "is not a number (NaN) though the row says measured; say missing instead",
    )
    absent = table["status"].isin(["missing", "failed"])
    yield (
        absent & ~nothing,
        "value",
        "is {value} though the row says {status}: what was not measured has no value, not even 0",
    )


def _ranges(table: pd.DataFrame, scale: float) -> Iterator[Check]:
    infinite = np.isinf(table["value"])
    yield infinite, "value", "is not a finite number"
    for name, metric in METRICS.items():
        unit = scale if metric.is_rate else 1.0
        rows = (table["metric"] == name) & ~infinite
        low, high = metric.low * unit, metric.high * unit
        hint = ""
        if metric.is_rate:
            hint = " (is the table in percent?)" if scale == 1 else " percent"
        above = f"{name} {{value}} is above {high:g}{hint}"
        yield rows & (table["value"] > high), "value", above
        yield rows & (table["value"] < low), "value", f"{name} {{value}} is below {low:g}"


def _counts(table: pd.DataFrame, scale: float) -> Iterator[Check]:
    hits, n = table["hits"], table["n"]
    zero = (n <= 0).fillna(False)
    yield zero, "n", "n = {n}: a rate over no completions is not a measurement"
    yield (hits < 0) | ((hits > n) & ~zero), "hits", "{hits} hits do not fit into n = {n}"
    yield hits.notna() & n.isna(), "n", "hits are given without n"
    high = pd.Series(0.0, index=table.index)
    for name, metric in METRICS.items():
        high = high.mask(table["metric"] == name, metric.high * scale)
    share = (hits / n.mask(zero)).astype("float64")
    off = (table["value"] / scale - share).abs() > ROUNDING
    fits = (hits >= 0) & (hits <= n) & table["value"].le(high) & table["value"].ge(0)
    yield off & fits.fillna(False), "value", "{value} is not {hits} hits of {n}"


def _cosine(table: pd.DataFrame) -> Iterator[Check]:
    """A cosine means nothing without its layer and pool; two pools never share a column."""
    cosine = table["metric"] == "cosine"
    valued = cosine & table["value"].notna()
    yield valued & table["layer"].isna(), "layer", "a cosine needs the layer it was read at"
    yield (
        valued & table["pool"].isna(),
        "pool",
        "a cosine needs the pool of personas it was centred on (for example '11 personas')",
    )
    for (layer, state), rows in table[cosine & table["pool"].notna()].groupby(
        ["layer", "model_state"], dropna=False
    ):
        first = rows["pool"].iloc[0]
        mixed = pd.Series(False, index=table.index)
        mixed[rows.index] = (rows["pool"] != first).to_numpy(dtype=bool)
        where = f"layer {layer}" + (f" ({state})" if isinstance(state, str) else "")
        yield (
            mixed,
            "pool",
            f"mixed pools at {where}: '{{pool}}' beside '{first}'; cosines centred on different"
            " pools are on different scales, so keep one pool",
        )
