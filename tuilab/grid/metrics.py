"""The few numbers of a cell that screens show; missing is never zero."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

METRICS: tuple[str, ...] = ("assistant_leakage", "source_rate", "max_bystander", "cosine")
"""Keys of a cell's metrics, in display order."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measured number; where there is none, there is no Measurement (None, shown as n/a)."""

    value: float
    """A rate in 0..1, or a cosine in -1..1."""
    hits: int | None = None
    n: int | None = None
    """Completions behind a rate; for a cosine the number of prompts per centroid."""
    who: str | None = None
    """Persona key, where the number is a maximum over personas."""


def from_eval(metrics: Mapping[str, Any], source: str, target: str) -> dict[str, Measurement]:
    """Read target leakage, source rate and the largest bystander rate from an eval outcome.

    A persona that is missing from the outcome is left out: missing is never zero.
    """
    leakage = metrics.get("leakage", {})
    found: dict[str, Measurement] = {}
    if (rate := _rate(leakage.get(target))) is not None:
        found["assistant_leakage"] = rate
    if (rate := _rate(leakage.get(source))) is not None:
        found["source_rate"] = rate
    bystanders = [
        Measurement(rate.value, rate.hits, rate.n, who)
        for who, raw in leakage.items()
        if who not in (source, target) and (rate := _rate(raw)) is not None
    ]
    if bystanders:
        found["max_bystander"] = max(bystanders, key=lambda m: (m.value, m.who or ""))
    return found


def from_cosine(metrics: Mapping[str, Any], headline: Mapping[str, Any]) -> dict[str, Measurement]:
    """Read the one cosine whose layer, pool and model state the plan's headline names."""
    for entry in metrics.get("cosine", ()):
        if all(entry.get(key) == headline.get(key) for key in ("layer", "pool", "model_state")):
            value = entry.get("value")
            if isinstance(value, int | float):
                return {"cosine": Measurement(float(value), n=entry.get("n"))}
    return {}


def as_json(found: Mapping[str, Measurement]) -> dict[str, dict[str, Any]]:
    """Return measurements as the mapping that ``read_back`` reads; it is what the journal keeps."""
    return {name: asdict(measurement) for name, measurement in found.items()}


def read_back(raw: Mapping[str, Any]) -> dict[str, Measurement]:
    """Read the known metrics of a settled attempt; what is no finite number is left out."""
    found = {}
    for name in METRICS:
        entry = raw.get(name)
        value = entry.get("value") if isinstance(entry, Mapping) else None
        if isinstance(entry, Mapping) and isinstance(value, int | float) and math.isfinite(value):
            found[name] = Measurement(
                float(value), entry.get("hits"), entry.get("n"), entry.get("who")
            )
    return found


def _rate(raw: Any) -> Measurement | None:
    if not isinstance(raw, Mapping) or not raw.get("n"):
        return None
    return Measurement(raw["hits"] / raw["n"], int(raw["hits"]), int(raw["n"]))
