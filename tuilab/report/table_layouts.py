"""Turns the tables that people have into tidy ones: wide, with percent signs, by any separator."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tuilab.grid.metrics import METRICS, measures
from tuilab.science.schema import COLUMNS

SEPARATORS = ",;\t|"
EXAMPLES = (
    "source,epoch,metric,value",
    "villain,0,leakage,0.25",
)
WIDE_EXAMPLES = ("source,epoch,leakage", "villain,0,25%")
COSINE_EXAMPLES = ("source,epoch,layer,pool,cosine", "villain,0,15,11 personas,-0.36")
SOURCE_RATE, MADE = "source_rate", frozenset({"max_bystander", "target_excess"})
"""A rate of the source itself; and what is made of other numbers, which no table brings."""
_EPOCH = re.compile(r"(?:epoch|ep|e)?[ _.-]*(\d{1,9})", re.IGNORECASE)
_PERCENT = re.compile(
    r"\s*(?:\(\s*(?:%|percent|pct)\s*\)|%|[\s_]+(?:percent|pct))\s*$", re.IGNORECASE
)
_IN_BRACKETS = re.compile(r"\s*\([-+]?[\d.,]+\)\s*$")
_DECIMAL_COMMA = re.compile(r"([-+]?\d+),(\d+)(\s*%?)")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}\s*%?")
"""In a table of commas, where quotes made one field of it: a thousand and so, or one and so?"""
_BESIDE = frozenset(COLUMNS) - {"metric", "value", "hits", "n"}
"""Columns that name a row of any layout."""


def imported_names() -> tuple[str, ...]:
    """Return every name that a column of a metric, or the column ``metric``, may have."""
    return tuple(name for name in dict.fromkeys((*METRICS, *measures())) if _metric(name))


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a wide table that holds values: what they are of."""

    place: int
    fixed: tuple[tuple[str, str], ...]
    """Columns of the tidy table that it stands for, such as metric and epoch."""
    is_percent: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table is read."""

    header: tuple[str, ...]
    """Of the tidy table."""
    named: tuple[tuple[str, int], ...]
    """Column of the tidy table, and its place in the file."""
    columns: tuple[Column, ...]
    """Columns of values; () for a table that is tidy already."""
    is_percent: bool = False
    """Whether the column ``value`` of a tidy table is one of percentages, by its head."""


def separator_of(line: str) -> str:
    """Return what separates the fields of a header line; a comma where nothing does."""
    return max(SEPARATORS, key=line.count)


def layout_of(header: Sequence[str]) -> Layout | None:
    """Return how a header is to be read; None where it is of no layout that is known.

    Tidy (a column metric); metrics as columns (source, epoch, leakage); epochs as columns (source,
    0, 2, 4); sources as columns (epoch, villain, comedian).
    """
    bare = [_PERCENT.sub("", name).strip() for name in header]
    known = {_column(name): place for place, name in enumerate(bare) if _column(name)}
    if "metric" in known:
        names = tuple(_column(name) or name for name in bare)
        in_percent = "value" in known and _PERCENT.search(header[known["value"]]) is not None
        # Whom a source rate is of, no column need tell.
        return Layout((*names, *({"persona"} - {*names})), (), (), in_percent)
    named = tuple((name, place) for name, place in known.items() if name in _BESIDE)
    places = {place for _, place in named}
    rest = [(place, name) for place, name in enumerate(bare) if place not in places]
    has = {name for name, _ in named}
    metric = (("metric", "leakage"),)
    fixed: list[tuple[int, tuple[tuple[str, str], ...]]] = []
    if {"source", "epoch"} <= has and all(_metric(name) for _, name in rest):
        fixed = [(place, _metric(name)) for place, name in rest]
    elif "source" in has and "epoch" not in has and all(_epoch(name) for _, name in rest):
        fixed = [(place, (("epoch", _epoch(name)), *metric)) for place, name in rest]
    elif "epoch" in has and "source" not in has and not any(_epoch(name) for _, name in rest):
        sources = [(place, _IN_BRACKETS.sub("", name).strip()) for place, name in rest]
        fixed = [(place, (("source", name), *metric)) for place, name in sources if name]
    if not fixed or len(fixed) < len(rest):
        return None
    columns = tuple(
        Column(place, told, _PERCENT.search(header[place]) is not None) for place, told in fixed
    )
    extra = dict.fromkeys(name for column in columns for name, _ in column.fixed)
    needed = dict.fromkeys((*has, *extra, "value"))
    return Layout(tuple(name for name in COLUMNS if name in needed), named, columns)


def unknown_columns(header: Sequence[str]) -> list[str]:
    """Return the columns of a header that mean nothing in a table of their kind."""
    unknown = [name for name in header if name not in COLUMNS]
    if "metric" in header:
        return unknown
    return [name for name in unknown if not _metric(_PERCENT.sub("", name))] or unknown


def tidy_rows(layout: Layout, fields: Sequence[str], unit: str, mark: str) -> list[dict[str, str]]:
    """Return the tidy rows of one row of the file."""
    if not layout.columns:
        row = dict.fromkeys(layout.header, "") | dict(zip(layout.header, fields, strict=False))
        told = dict(_metric(row["metric"].strip()))
        if told.get("persona") == SOURCE_RATE:
            told["persona"] = row["source"].strip()
        row |= told
        if "value" in row:
            in_percent = layout.is_percent and bool(told) and _is_rate(told["metric"])
            row["value"] = _number(row["value"], unit, mark, in_percent)
        return [row]
    beside = {name: fields[place] for name, place in layout.named}
    rows = []
    for column in layout.columns:
        told = dict(column.fixed)
        own = told.get("persona") == SOURCE_RATE
        persona = {"persona": beside.get("source", "").strip()} if own else {}
        value = _number(
            fields[column.place], unit, mark, column.is_percent and _is_rate(told["metric"])
        )
        whole = {**dict.fromkeys(layout.header, ""), **beside, **told, **persona, "value": value}
        rows.append(whole)
    return rows


def _column(name: str) -> str:
    """The tidy column that a name means; "" for none."""
    low = name.lower().replace(" ", "_")
    return {"ep": "epoch", "checkpoint": "epoch"}.get(low, low if low in COLUMNS else "")


def _metric(name: str) -> tuple[tuple[str, str], ...]:
    """What a column of a metric is of; () for another name."""
    low = name.lower().replace(" ", "_")
    if low == SOURCE_RATE:
        return ("metric", "leakage"), ("persona", SOURCE_RATE)
    if low in METRICS and low not in MADE:
        return (("metric", METRICS[low].measure.name),)
    return (("metric", low),) if low in measures() else ()


def _is_rate(metric: str) -> bool:
    return measures()[metric].unit.is_rate


def _epoch(name: str) -> str:
    match = _EPOCH.fullmatch(name)
    return match[1] if match else ""


def _number(text: str, unit: str, mark: str, is_percent: bool) -> str:
    """Write a value as programs read it, in the table's unit."""
    found = text.strip()
    if mark != "," or not _THOUSANDS.fullmatch(found):
        found = _DECIMAL_COMMA.sub(r"\1.\2\3", found)
    signed = found.removesuffix("%").strip()
    if not (is_percent or signed != found):
        return text if found == text.strip() else found
    try:
        value = float(signed)
    except ValueError:
        return signed if is_percent else text
    if value > 100:
        return f"{signed}%"
    return repr(value / 100) if unit == "rate" else repr(value)
