"""The one table of metrics: what the numbers of a cell are called, read from and written like.

A *measure* is what a stage records of a cell: rows of a measure, a persona or a layer each, in
every table of measurements. A *metric* is the one number of a cell that is picked out of such
rows. Whoever shows metrics iterates over ``METRICS``, or over the ``metric_keys`` of an experiment
whose config names measures of its own: their names say their kind (``choices.capability``), and
``METRICS`` makes a metric of a name. Missing is never zero.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from functools import lru_cache
from typing import Any

from tuilab.grid.jobs import Job, Plan
from tuilab.grid.lines import persona_of
from tuilab.grid.stages import Stage
from tuilab.grid.text import MISSING, nearest
from tuilab.grid.units import COSINE, MINUTES, POINTS, RATE, Unit

Row = Mapping[str, Any]
"""One measured value by ``COLUMNS``, as far as they apply; "metric" is the measure's name."""
Numbers = dict[str, "Measurement"]
"""A cell's numbers by metric; what was not measured is absent."""
COLUMNS: Mapping[str, type] = {
    "source": str, "epoch": int, "seed": int, "metric": str, "persona": str, "value": float,
    "hits": int, "n": int, "question_hits": str, "questions": str, "layer": int, "pool": str,
    "model_state": str, "status": str, "reason": str, "edits": str, "accepted": str,
}  # fmt: skip
"""What a row may say in a table of measurements, in order; what it does not say is empty."""
ALL = "all"
"""Persona of a rate that is taken over the completions of every persona."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measured number; where there is none, there is no Measurement (None, shown as n/a)."""

    value: float
    """In the unit of its metric, unscaled: a rate is 0..1."""
    hits: int | None = None
    n: int | None = None
    """Completions behind a rate; for a cosine the number of prompts per centroid."""
    who: str | None = None
    """Persona key, where the number is a maximum over personas."""
    questions: int | None = None
    """Questions behind a rate, each answered equally often; None where hits by question are not
    known."""
    squares: int | None = None
    """Sum over the questions of their hits squared: what the rate's interval needs of them."""

    @property
    def shown(self) -> dict[str, float | int | None]:
        """What programs are told of it."""
        return {"value": self.value, "hits": self.hits, "n": self.n}


class Of(Enum):
    """What one value of a measure is a value of, and so how an outcome holds it."""

    PERSONA = "persona"
    """{persona: {"hits", "n"} or {"value", "n"} or a number}"""
    COMPLETIONS = "completions"
    """{"hits", "n"} over those of every persona"""
    SCALE = "scale"
    """[{"layer", "pool", "model_state", "value", "n"}]"""
    CELL = "cell"
    """A number"""


@dataclass(frozen=True, slots=True)
class Measure:
    """What a stage records: the rows of one name in the column ``metric``."""

    name: str
    unit: Unit
    of: Of
    stage: Stage | None = None
    """Stage whose outcome has it; None for what comes from elsewhere (imports, the clock)."""
    find: Callable[[Mapping[str, Any]], Any] | None = None
    """Finds it in ``outcome.metrics`` where it does not stand under its name."""

    def rows(self, outcome: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the rows that an outcome's metrics hold; a value is None where it has none."""
        raw = outcome.get(self.name) if self.find is None else self.find(outcome)
        if self.of is Of.PERSONA and isinstance(raw, Mapping):
            hits = outcome.get("question_hits") or {}
            if self.stage is not Stage.EVAL:
                hits = hits.get(self.name) or {}
            for persona, entry in raw.items():
                asked = {"question_hits": " ".join(map(str, hits.get(persona) or ())) or None}
                yield {"metric": self.name, "persona": persona, **_counted(entry), **asked}
        elif self.of is Of.SCALE and isinstance(raw, Sequence):
            for entry in raw:
                place = {key: entry.get(key) for key in ("layer", "pool", "model_state")}
                yield {"metric": self.name, **place, **_counted(entry)}
        elif self.of in (Of.COMPLETIONS, Of.CELL) and (found := _counted(raw))["value"] is not None:
            persona = {"persona": ALL} if self.of is Of.COMPLETIONS else {}
            yield {"metric": self.name, **persona, **found}


@dataclass(frozen=True, slots=True)
class CellRows:
    """The rows of one cell, and what its numbers are picked by."""

    rows: Sequence[Row]
    source: str
    target: str
    scale: Mapping[str, Any]
    """Layer, pool and model state of the headline's cosine; what it lacks may be any."""

    def personas(self, measure: str) -> dict[str, Measurement]:
        """Return the values of a measure by persona; a row without one is of the target."""
        rows = (row for row in self.rows if row["metric"] == measure)
        return {self.who(row): found for row in rows if (found := measurement(row)) is not None}

    def row(self, measure: str, persona: str) -> Row | None:
        """Return the row of a persona, whether it has a value or says why there is none."""
        rows = (row for row in self.rows if row["metric"] == measure)
        return _with_value_first(row for row in rows if self.who(row) == persona)

    def row_on_scale(self, measure: str) -> Row | None:
        """Return the target's row on the scale; what has no value often names no scale either."""
        rows = [r for r in self.rows if r["metric"] == measure and self.who(r) == self.target]
        fit = [r for r in rows if all(r.get(key) == one for key, one in self.scale.items())]
        return _with_value_first(
            fit or [r for r in rows if r.get("layer") is r.get("pool") is None]
        )

    def who(self, row: Row) -> str:
        """Return the persona that a row is of."""
        return str(row.get("persona") or self.target)


@dataclass(frozen=True, slots=True)
class OneRow:
    """Picks the number of one row; whoever must say why there is none takes the row itself."""

    row: Callable[[CellRows, str], Row | None]

    def __call__(self, cell: CellRows, measure: str) -> Measurement | None:
        """Return the row's number, given the measure's name."""
        found = self.row(cell, measure)
        return None if found is None else measurement(found)


of_target = OneRow(lambda cell, measure: cell.row(measure, cell.target))
"""Picks the target's value."""
of_source = OneRow(lambda cell, measure: cell.row(measure, cell.source))
"""Picks the value of the source persona itself."""
on_headline_scale = OneRow(CellRows.row_on_scale)
"""Picks the value on the headline's scale."""


def largest_bystander(cell: CellRows, measure: str) -> Measurement | None:
    """Pick the largest value of those who are neither source nor target; of equals the first key.

    Journal, rows and outcomes list personas in orders of their own.
    """
    found = cell.personas(measure)
    others = sorted(who for who in found if who not in (cell.source, cell.target))
    if not others:
        return None
    who = max(others, key=lambda one: found[one].value)
    return replace(found[who], who=who)


def target_excess(cell: CellRows, measure: str) -> Measurement | None:
    """Take the mean of those who are neither source nor target from the target's value."""
    found = cell.personas(measure)
    others = [one.value for who, one in found.items() if who not in (cell.source, cell.target)]
    if cell.target not in found or not others:
        return None
    return Measurement(found[cell.target].value - math.fsum(others) / len(others))


def of_cell(cell: CellRows, measure: str) -> Measurement | None:
    """Pick the value of a measure that has one for each cell."""
    return next((measurement(row) for row in cell.rows if row["metric"] == measure), None)


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of a cell, from the outcome to the screen."""

    title: str
    """Its name where there is room, without a unit."""
    short: str
    """One word: in a cell's summary, in a filter, over the grid."""
    measure: Measure
    pick: Callable[[CellRows, str], Measurement | None]
    """Picks the number out of the cell's rows, given the measure's name."""
    own_unit: Unit | None = None
    """Where it is another than the measure's."""
    is_largest: bool = False
    """Whether it is the largest of several: no sample of one rate, and not tested as if."""

    @property
    def unit(self) -> Unit:
        """How it is written and drawn."""
        return self.own_unit or self.measure.unit

    def row(self, cell: CellRows) -> Row | None:
        """Return the row that the number is of, with its status; a computed one has a value alone.

        A table needs it, since it says of what is missing why.
        """
        if isinstance(self.pick, OneRow):
            return self.pick.row(cell, self.measure.name)
        found = self.pick(cell, self.measure.name)
        return None if found is None else asdict(found)

    @property
    def heading(self) -> str:
        """What stands over its numbers: ``leakage%``."""
        return self.short + self.unit.sign

    def said(
        self,
        found: Measurement | None,
        labels: Mapping[str, str] | None = None,
        *,
        with_counts: bool = True,
    ) -> str:
        """Write it in a sentence: ``leakage 73% (439/600)``, ``bystander 4% Comedian``."""
        if found is None:
            return f"{self.short} {MISSING}"
        counts = counts_text(found.hits, found.n) if with_counts else ""
        who = ""
        if found.who and self.is_largest:
            who = f" {(labels or {}).get(found.who, found.who)}"
        return f"{self.short} {self.unit.said(found.value)}{counts}{who}"


def counts_text(hits: int | None, n: int | None) -> str:
    """Write the completions behind a rate: `` (439/600)``; "" without counts."""
    return f" ({hits}/{n})" if hits is not None and n else ""


LEAKAGE = Measure("leakage", RATE, Of.PERSONA, Stage.EVAL)
COSINES = Measure("cosine", COSINE, Of.SCALE, Stage.COSINE)
TIME = Measure("minutes", MINUTES, Of.CELL)


class Table(dict[str, Metric]):
    """Metrics by key; one of a measure that a config names is made of its key when it is asked."""

    def __missing__(self, key: str) -> Metric:
        made = _of_config(key)
        if made is None:
            raise KeyError(key)
        return made


METRICS: dict[str, Metric] = Table()
"""Every metric by its key, which is its name in JSON and CSV; a view begins with the first."""
METRICS |= {
    "assistant_leakage": Metric("assistant leakage", "leakage", LEAKAGE, of_target),
    "source_rate": Metric("source rate", "source", LEAKAGE, of_source),
    "max_bystander": Metric(
        "max bystander", "bystander", LEAKAGE, largest_bystander, is_largest=True
    ),
    "target_excess": Metric(
        "target minus mean bystander", "excess", LEAKAGE, target_excess, own_unit=POINTS
    ),
    "cosine": Metric("cosine", "cosine", COSINES, on_headline_scale),
    "minutes": Metric("minutes", "minutes", TIME, of_cell),
}
HEADLINE: str = next(iter(METRICS))
MARKED: tuple[str, ...] = (LEAKAGE.name,)
"""What an experiment measures of its trait where its config names no measures."""
KINDS: Mapping[str, Stage] = {
    "substring": Stage.SCORE, "regex": Stage.SCORE, "format": Stage.SCORE, "choices": Stage.CHOICES,
    "judge": Stage.JUDGE, "inspect": Stage.INSPECT,
}  # fmt: skip
"""The kinds of measure that a config may name, and the stage that records each."""
OF_TABLES: Mapping[str, Unit] = {"accuracy": RATE, "judge_score": Unit(high=100.0)}
"""What a table from elsewhere may measure of a persona under a plain name."""
_NAME = re.compile(
    rf"(?P<measure>(?P<kind>{'|'.join(KINDS)})\.(?P<name>[a-z][a-z0-9_]*)|{'|'.join(OF_TABLES)})"
    r"(?:\.(?P<part>source|bystander|score|unjudged))?"
)
SCORE = Unit(full=100.0)
"""What a judge gives; its scale is the config's own, from 0 up."""


def metric_keys(measured: Sequence[str] = MARKED) -> list[str]:
    """Return the metrics of an experiment by what it measures of its trait, the headline first."""
    own: list[str] = []
    for name in measured:
        if name == LEAKAGE.name:
            own += [key for key, metric in METRICS.items() if metric.measure is LEAKAGE]
        else:
            own += [name, f"{name}.source", f"{name}.bystander"]
            own += [f"{name}.score"] if name.startswith("judge.") else []
    own += [key for key, metric in METRICS.items() if metric.measure is not LEAKAGE]
    return own


def metric_named(text: str, keys: Sequence[str]) -> str:
    """Return which of some metrics a key or short name means, "" the first; ValueError for none."""
    known = {METRICS[key].short: key for key in keys} | {key: key for key in keys} | {"": keys[0]}
    if text not in known:
        hint = nearest(text, known) or f": use {', '.join(keys)}"
        raise ValueError(f"unknown metric {text!r}{hint}")
    return known[text]


def metric_after(key: str, keys: Sequence[str]) -> str:
    """Return the metric that the key ``m`` shows next."""
    return keys[(keys.index(key) + 1) % len(keys)] if key in keys else keys[0]


def measured_by(stage: Stage, measured: Sequence[str] = MARKED) -> list[str]:
    """Return the metrics whose measure this stage records."""
    return [key for key in metric_keys(measured) if METRICS[key].measure.stage is stage]


@lru_cache(maxsize=256)
def _of_config(key: str) -> Metric | None:
    """Make the metric of a measure that a config names; None for a key that is of none."""
    match = _NAME.fullmatch(key)
    part = match["part"] if match else None
    if match is None or part == "unjudged" or (part == "score" and match["kind"] != "judge"):
        return None
    of_trait = measure_of(match["measure"])
    name = match["name"] or match["measure"]
    if part == "source":
        return Metric(f"{name} of the source", f"{name}.source", of_trait, of_source)
    if part == "bystander":
        title, short = f"max bystander, {name}", f"{name}.bystander"
        return Metric(title, short, of_trait, largest_bystander, is_largest=True)
    if part == "score":
        return Metric(f"mean score, {name}", f"{name}.score", measure_of(key), of_target)
    return Metric(name, name, of_trait, of_target)


def _health(name: str, key: str, *, is_share: bool = False) -> Measure:
    """A rate over all completions of an eval, which counts it as ``key`` of its health."""

    def find(outcome: Mapping[str, Any]) -> Any:
        health = outcome.get("health") or {}
        count, n = health.get(key), health.get("n")
        if is_share and isinstance(count, int | float) and isinstance(n, int):
            count = round(count * n)
        return {"hits": count, "n": n}

    return Measure(name, RATE, Of.COMPLETIONS, Stage.EVAL, find)


_RECORDED = (
    LEAKAGE,
    _health("eos_rate", "eos_rate", is_share=True),
    _health("cut_rate", "cut"),
    _health("repeat_rate", "repeated"),
    *(Measure(name, unit, Of.PERSONA) for name, unit in OF_TABLES.items()),
    COSINES,
    TIME,
)


def measures(named: Iterable[str] = ()) -> dict[str, Measure]:
    """Return every measure that a row may be of, by name.

    Those of the metrics and the rest; with the measures that a config names among ``named``.
    """
    own = (metric.measure for metric in METRICS.values())
    config = (measure_of(name) for name in dict.fromkeys(named) if _NAME.fullmatch(name))
    return {measure.name: measure for measure in (*_RECORDED, *own, *config)}


@lru_cache(maxsize=256)
def measure_of(name: str) -> Measure:
    """Return a measure that a config or a table names; KeyError for any other."""
    match = _NAME.fullmatch(name)
    if name in OF_TABLES:
        return Measure(name, OF_TABLES[name], Of.PERSONA)
    if match is None or match["kind"] is None or match["part"] in ("source", "bystander"):
        raise KeyError(name)
    stage = KINDS[match["kind"]]
    if match["part"] == "unjudged":
        return Measure(name, RATE, Of.COMPLETIONS, stage)
    return Measure(name, SCORE if match["part"] else RATE, Of.PERSONA, stage)


def measures_in(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return what rows measure of a trait, the marker first where it is there.

    What is no rate is no headline.
    """
    names = dict.fromkeys(str(row["metric"]) for row in rows)
    own = [name for name in names if (match := _NAME.fullmatch(name)) and not match["part"]]
    own.sort(key=lambda name: not measure_of(name).unit.is_rate)
    is_led = any(measure_of(name).unit.is_rate for name in own[:1])
    return (*(MARKED if LEAKAGE.name in names or not is_led else ()), *own)


def rows_of(stage: Stage, outcome: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows that the metrics of an outcome of this stage hold."""
    for measure in measures(outcome).values():
        if measure.stage is stage:
            yield from measure.rows(outcome)


def numbers_of(rows: Iterable[Row], source: str, target: str, scale: Mapping[str, Any]) -> Numbers:
    """Pick every metric out of the measured rows of one cell."""
    cell = CellRows(tuple(rows), source, target, scale)
    keys = metric_keys(measures_in(cell.rows))
    found = {key: METRICS[key].pick(cell, METRICS[key].measure.name) for key in keys}
    return {key: one for key, one in found.items() if one is not None}


def time_of(seconds: float) -> Numbers:
    """Return the numbers that are made of the wall seconds of a cell's own done stages."""
    return {
        key: Measurement(seconds / 60) for key, metric in METRICS.items() if metric.measure is TIME
    }


def recorded(plan: Plan, job: Job, outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Return the few numbers of a done outcome's metrics that the journal keeps.

    A metric that was not measured is None: one that is absent is younger than the journal's line.
    """
    rows = rows_of(job.stage, outcome)
    numbers = numbers_of(rows, persona_of(job.source), plan.target, plan.headline_cosine)
    plain = {
        name: value
        for name, value in outcome.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
    return plain | dict.fromkeys(measured_by(job.stage, plan.measured)) | as_json(numbers)


def is_complete(told: Mapping[str, Any], wanted: set[str]) -> bool:
    """Whether a journal's line has all that is recorded today of these metrics."""
    for key in wanted:
        if key not in told or (isinstance(one := told[key], dict) and "questions" not in one):
            return False
    return True


def as_json(found: Mapping[str, Measurement]) -> dict[str, dict[str, Any]]:
    """Return measurements as the mapping that ``read_back`` reads; it is what the journal keeps."""
    return {name: asdict(measurement) for name, measurement in found.items()}


def read_back(raw: Mapping[str, Any]) -> Numbers:
    """Read the known metrics of a settled attempt; what is no finite number is left out."""
    named = [key for key in raw if key not in METRICS and _of_config(key) is not None]
    return {
        key: found
        for key in (*METRICS, *named)
        if isinstance(entry := raw.get(key), dict) and (found := measurement(entry)) is not None
    }


def _with_value_first(rows: Iterable[Row]) -> Row | None:
    known = list(rows)
    return next((row for row in known if row.get("value") is not None), next(iter(known), None))


def measurement(row: Row) -> Measurement | None:
    """Read one row, or one entry of a journal; None where it has no finite value."""
    value = row.get("value")
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    hits, n = row.get("hits"), row.get("n")
    asked = row.get("questions"), row.get("squares")
    if row.get("question_hits") and (own := hits_by_question(row)):
        asked = len(own), sum(one * one for one in own)
    return Measurement(float(value), hits, n, row.get("who"), *asked)


def hits_by_question(row: Row) -> tuple[int, ...]:
    """Return how many answers to each question hit, in the order asked; () where not known.

    What does not add up to the row's hits, or is no equal share of its n, is of other answers.
    """
    text, hits, n = row.get("question_hits"), row.get("hits"), row.get("n")
    if not isinstance(text, str) or not n:
        return ()
    own = tuple(int(one) for one in text.split() if one.isdecimal())
    fits = bool(own) and sum(own) == hits and not n % len(own) and max(own) <= n // len(own)
    return own if fits and len(own) == len(text.split()) else ()


def _counted(entry: Any) -> dict[str, Any]:
    """Return value, hits and n of what an outcome holds; hits of no completions are no value."""
    if not isinstance(entry, Mapping):
        return {"value": entry if isinstance(entry, int | float) else None}
    hits, n = entry.get("hits"), entry.get("n")
    if not isinstance(hits, int) or not isinstance(n, int):
        return {"value": entry.get("value"), "n": n}
    return {"value": hits / n, "hits": hits, "n": n} if n else {"value": None, "n": n}
