"""Turns a loose table into a measurements frame, or says everything that is wrong with it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from tuilab.contract.centroids import MODEL_STATES
from tuilab.grid.metrics import Measure, measures
from tuilab.science.schema import (
    COLUMNS,
    KEY,
    STATUSES,
    TARGET,
    MeasurementsError,
    RowProblem,
)

Unit = Literal["rate", "percent"]
"""How rates are written in the input: 0 to 1, or 0 to 100."""

REQUIRED: Final = ("source", "epoch", "metric")
"""Columns without which a table says nothing; beside them it needs value, or hits and n."""

BLANK: Final = frozenset({"", "na", "n/a", "nan", "none", "null"})
"""Spellings of "no value"; 0 is not among them."""

Check = tuple[pd.Series, str, str]
"""Rows that break the rule, the column to point at, the message (fields of the row in braces)."""

ROUNDING: Final = 0.005
"""A printed rate may differ from hits / n by half of a whole percent, no more."""


def measurements(
    rows: pd.DataFrame | Iterable[Mapping[str, object]],
    *,
    unit: Unit = "rate",
    target: str = TARGET,
    may_be_empty: bool = True,
) -> pd.DataFrame:
    """Build the validated frame every function of this package takes.

    Columns and dtypes are ``schema.COLUMNS``; rates are 0..1; rows are in canonical order, so
    two tables that differ only in row order give equal frames. Absent optional columns are
    filled: seed 0, persona ``target`` for rates and cosines, hits from value and n (or value from
    hits and n), status ``measured`` where there is a value and ``missing`` where there is none.

    Args:
        rows: a table or records; text is read as numbers where numbers belong.
        unit: ``percent`` when rates in the table run from 0 to 100.
        target: the persona meant where a rate or cosine row names none.
        may_be_empty: False makes a table without rows a problem.

    Raises:
        MeasurementsError: listing every problem with its row and column.
    """
    table = _as_table(rows)
    _refuse_shape(table, may_be_empty)
    problems: list[RowProblem] = []
    typed = _typed(table, problems)
    # A cell that could not be read is already reported; only fully read rows are judged further.
    unread = {problem.row for problem in problems}
    filled = _filled(typed, target, 100.0 if unit == "percent" else 1.0)
    for mask, column, message in checks(filled, 100.0 if unit == "percent" else 1.0):
        for position in np.flatnonzero(mask.to_numpy(dtype=bool, na_value=False)):
            row = 1 + int(position)
            if row not in unread:
                problems.append(RowProblem(row, column, _say(message, filled, position)))
    if problems:
        raise MeasurementsError(problems)
    if unit == "percent":
        filled.loc[_is_rate(filled), "value"] /= 100.0
    return filled.sort_values(list(KEY), na_position="first", kind="stable").reset_index(drop=True)


def _as_table(rows: pd.DataFrame | Iterable[Mapping[str, object]]) -> pd.DataFrame:
    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    if table.empty and not len(table.columns):
        return pd.DataFrame({name: [] for name in COLUMNS})
    return table.reset_index(drop=True)


def _refuse_shape(table: pd.DataFrame, may_be_empty: bool) -> None:
    problems = [
        RowProblem(0, name, f"column {name!r} is missing") for name in REQUIRED if name not in table
    ]
    # A table that only lists what is missing or failed has neither, and is a table all the same.
    valued = "value" in table or "status" in table or {"hits", "n"} <= set(table.columns)
    if not valued:
        problems.append(RowProblem(0, "value", "give a value column, or both hits and n"))
    unknown = [str(name) for name in table.columns if name not in COLUMNS]
    problems += [
        RowProblem(0, name, f"unknown column; known columns: {', '.join(COLUMNS)}")
        for name in unknown
    ]
    if not may_be_empty and not len(table):
        problems.append(RowProblem(0, "", "the table has no rows, so there is nothing to show"))
    if problems:
        raise MeasurementsError(problems)


def _typed(table: pd.DataFrame, problems: list[RowProblem]) -> pd.DataFrame:
    """Give every known column its dtype; what cannot be read becomes NA and a problem."""
    typed: dict[str, pd.Series] = {}
    for name, dtype in COLUMNS.items():
        raw = table[name] if name in table else pd.Series([None] * len(table), dtype="object")
        text = raw.astype("string").str.strip()
        text = text.mask(text.str.lower().isin(BLANK))
        if dtype == "string":
            typed[name] = text
            continue
        number = pd.to_numeric(text, errors="coerce").astype("Float64")
        unread = text.notna() & number.isna()
        if dtype == "Int64":
            unread |= (number % 1 != 0).fillna(False)
        what = "a whole number" if dtype == "Int64" else "a number"
        for position in np.flatnonzero(unread.to_numpy(dtype=bool)):
            message = f"{text.iloc[position]!r} is not {what}{_way_out(text.iloc[position])}"
            problems.append(RowProblem(1 + int(position), name, message))
        read = number.mask(unread)
        typed[name] = read.astype("Int64") if dtype == "Int64" else read.astype("float64")
    return pd.DataFrame(typed)


def _way_out(text: str) -> str:
    """Say how a number must be written that a spreadsheet wrote in its own way."""
    if re.fullmatch(r"\d+(\.\d+)?%", text) and float(text[:-1]) > 100:
        return ": no rate is above 100%"
    if text.endswith("%"):
        return ": leave out the % and say --unit percent"
    return ": write a decimal point" if re.fullmatch(r"-?\d+,\d+", text) else ""


def _filled(table: pd.DataFrame, target: str, scale: float) -> pd.DataFrame:
    """Fill what one column says about another; nothing is invented for a value that is absent."""
    table = table.copy()
    table["seed"] = table["seed"].fillna(0)
    is_rate = _is_rate(table)
    is_about_target = is_rate | (table["metric"] == "cosine").fillna(False)
    table["persona"] = table["persona"].mask(is_about_target & table["persona"].isna(), target)
    counted = table["hits"].notna() & (table["n"] > 0).fillna(False)
    share = (table["hits"] / table["n"].mask(table["n"] <= 0)).astype("float64") * scale
    absent = table["status"].isin(["missing", "failed"]).astype(bool)
    unset = table["value"].isna() & counted & ~absent
    table["value"] = table["value"].mask(unset, share)
    has_value = table["value"].notna()
    told = pd.Series(np.where(has_value, "measured", "missing"), index=table.index, dtype="string")
    table["status"] = table["status"].fillna(told)
    known = is_rate & has_value & (table["n"] > 0).fillna(False) & np.isfinite(table["value"])
    count = (table["value"] / scale * table["n"].astype("Float64")).round()
    derived = count.where(known & table["hits"].isna()).astype("Float64")
    table["hits"] = table["hits"].fillna(derived.round().astype("Int64"))
    return table


def _known(table: pd.DataFrame) -> dict[str, Measure]:
    """The measures that rows may be of: those of the program and those that a config named."""
    return measures(map(str, table["metric"].dropna().unique()))


def _is_rate(table: pd.DataFrame) -> pd.Series:
    rates = [name for name, measure in _known(table).items() if measure.unit.is_rate]
    return table["metric"].isin(rates).astype(bool)


def _say(message: str, table: pd.DataFrame, position: Any) -> str:
    """Fill a check's message with the row it is about; ``earlier`` is the row it repeats."""
    row = table.iloc[position]
    words = {name: _plain(row[name]) for name in table.columns}
    if "{earlier}" in message:
        group = table.groupby(list(KEY), dropna=False, sort=False).ngroup().to_numpy()
        words["earlier"] = str(1 + int(np.argmax(group == group[position])))
    return message.format(**words)


def _plain(value: object) -> str:
    if value is pd.NA or value is None:
        return "n/a"
    return f"{value:g}" if isinstance(value, float) else str(value)


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
    known = ", ".join(measures())
    for column in ("source", "epoch", "metric"):
        yield table[column].isna(), column, "is empty"
    unknown = table["metric"].notna() & ~table["metric"].isin(list(_known(table)))
    yield unknown, "metric", "unknown metric '{metric}'; known metrics: " + known
    yield table["epoch"] < 0, "epoch", "epoch {epoch} is below 0; epoch 0 is the untouched model"
    states = table["model_state"].notna() & ~table["model_state"].isin(MODEL_STATES)
    yield states, "model_state", "'{model_state}' is not one of " + ", ".join(MODEL_STATES)


def _status(table: pd.DataFrame) -> Iterator[Check]:
    unknown = ~table["status"].isin(STATUSES)
    yield unknown, "status", "'{status}' is not one of " + ", ".join(STATUSES)
    measured = table["status"] == "measured"
    nothing = table["value"].isna()
    yield (
        measured & nothing & ~(table["n"] <= 0).fillna(False),
        "value",
        "is not a number (NaN), but the row says measured: write missing instead",
    )
    absent = table["status"].isin(["missing", "failed"])
    yield (
        absent & ~nothing,
        "value",
        "is {value}, but the row says {status}: what was not measured has no value, not even 0",
    )


def _ranges(table: pd.DataFrame, scale: float) -> Iterator[Check]:
    infinite = np.isinf(table["value"])
    yield infinite, "value", "is not a finite number"
    for name, measure in _known(table).items():
        unit = measure.unit
        times = scale if unit.is_rate else 1.0
        rows = (table["metric"] == name) & ~infinite
        low, high = unit.low * times, unit.high * times
        hint = ""
        if unit.is_rate:
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
    for name, measure in _known(table).items():
        high = high.mask(table["metric"] == name, measure.unit.high * scale)
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
