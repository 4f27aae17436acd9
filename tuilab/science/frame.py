"""Turns a loose table into a measurements frame, or says everything that is wrong with it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from tuilab.science.frame_checks import checks
from tuilab.science.schema import COLUMNS, KEY, METRICS, TARGET, MeasurementsError, Problem

Unit = Literal["rate", "percent"]
"""How rates are written in the input: 0 to 1, or 0 to 100."""

REQUIRED: Final = ("source", "epoch", "metric")
"""Columns without which a table says nothing; beside them it needs value, or hits and n."""

BLANK: Final = frozenset({"", "na", "n/a", "nan", "none", "null"})
"""Spellings of "no value"; 0 is not among them."""


def measurements(
    rows: pd.DataFrame | Iterable[Mapping[str, object]],
    *,
    unit: Unit = "rate",
    target: str = TARGET,
    first_row: int = 1,
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
        first_row: number of the first row in messages (2 for a file with a header line).
        may_be_empty: False makes a table without rows a problem.

    Raises:
        MeasurementsError: listing every problem with its row and column.
    """
    table = _as_table(rows)
    _refuse_shape(table, may_be_empty)
    problems: list[Problem] = []
    typed = _typed(table, problems, first_row)
    # A cell that could not be read is already reported; only fully read rows are judged further.
    unread = {problem.row for problem in problems}
    filled = _filled(typed, target, 100.0 if unit == "percent" else 1.0)
    for mask, column, message in checks(filled, 100.0 if unit == "percent" else 1.0):
        for position in np.flatnonzero(mask.to_numpy(dtype=bool, na_value=False)):
            row = first_row + int(position)
            if row not in unread:
                problems.append(Problem(row, column, _say(message, filled, position, first_row)))
    if problems:
        raise MeasurementsError(problems)
    if unit == "percent":
        filled.loc[_is_rate(filled), "value"] /= 100.0
    return filled.sort_values(list(KEY), na_position="first", kind="stable").reset_index(drop=True)


def empty() -> pd.DataFrame:
    """Return a measurements frame without rows."""
    return measurements([])


def _as_table(rows: pd.DataFrame | Iterable[Mapping[str, object]]) -> pd.DataFrame:
    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    if table.empty and not len(table.columns):
        return pd.DataFrame({name: [] for name in COLUMNS})
    return table.reset_index(drop=True)


def _refuse_shape(table: pd.DataFrame, may_be_empty: bool) -> None:
    problems = [
        Problem(0, name, f"column {name!r} is missing") for name in REQUIRED if name not in table
    ]
    # A table that only lists what is missing or failed has neither, and is a table all the same.
    valued = "value" in table or "status" in table or {"hits", "n"} <= set(table.columns)
    if not valued:
        problems.append(Problem(0, "value", "give a value column, or both hits and n"))
    unknown = [str(name) for name in table.columns if name not in COLUMNS]
    problems += [
        Problem(0, name, f"unknown column; known are {', '.join(COLUMNS)}") for name in unknown
    ]
    if not may_be_empty and not len(table):
        problems.append(Problem(0, "", "the table has no rows, so there is nothing to show"))
    if problems:
        raise MeasurementsError(problems)


def _typed(table: pd.DataFrame, problems: list[Problem], first_row: int) -> pd.DataFrame:
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
            message = f"{text.iloc[position]!r} is not {what}"
            problems.append(Problem(first_row + int(position), name, message))
        read = number.mask(unread)
        typed[name] = read.astype("Int64") if dtype == "Int64" else read.astype("float64")
    return pd.DataFrame(typed)


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


def _is_rate(table: pd.DataFrame) -> pd.Series:
    rates = [name for name, metric in METRICS.items() if metric.is_rate]
    return table["metric"].isin(rates).astype(bool)


def _say(message: str, table: pd.DataFrame, position: Any, first_row: int) -> str:
    """Fill a check's message with the row it is about; ``earlier`` is the row it repeats."""
    row = table.iloc[position]
    words = {name: _plain(row[name]) for name in table.columns}
    if "{earlier}" in message:
        group = table.groupby(list(KEY), dropna=False, sort=False).ngroup().to_numpy()
        words["earlier"] = str(first_row + int(np.argmax(group == group[position])))
    return message.format(**words)


def _plain(value: object) -> str:
    if value is pd.NA or value is None:
        return "n/a"
    return f"{value:g}" if isinstance(value, float) else str(value)
