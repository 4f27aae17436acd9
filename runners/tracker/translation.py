"""Turns our records into a tracker's terms; pure functions of what is on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tuilab.contract.foreign import clean
from tuilab.contract.report import Outcome
from tuilab.contract.spec import Spec

TRAINING = "train/"
"""Before the names of what is measured at a training step."""
STEP = f"{TRAINING}step"
TEXT_LIMIT = 300
LIST_LIMIT = 32
"""Longer lists (questions, panels) stay in spec.json."""
_OURS = frozenset({"seq", "at", "t", "kind", "pid"})


def values_of(event: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of one event; {} for an event without any.

    The tracker's step is the event's ``seq``: it only grows, whatever the work counts, so a
    second copy can go on exactly where a first one broke off. What training counted is ``STEP``.
    """
    kind = event.get("kind")
    if kind == "progress":
        return _progress(event)
    if kind not in ("metric", "memory"):
        return {}
    above = TRAINING if kind == "metric" else f"{kind}/"
    numbers = {name: value for name, value in event.items() if name not in _OURS}
    found = dict(_numbers(numbers, above))
    return found if found.keys() - {STEP} else {}


def _progress(event: Mapping[str, Any]) -> dict[str, float]:
    step, of = event.get("step"), event.get("of")
    if not _is_number(step) or not _is_number(of) or of <= 0:
        return {}
    part = str(event.get("part") or "work")
    found = {f"progress/{part}": 100.0 * step / of}
    if _is_number(event.get("rate")):
        found[f"rate/{part}"] = event["rate"]
    return found


def config_of(spec: Spec) -> dict[str, Any]:
    """Return what runs are told apart by: identity, provenance, settings of modest size."""
    launch = {name: spec.launch.get(name) for name in ("git_commit", "dirty_diff", "code")}
    return {
        "job": clean(spec.job, TEXT_LIMIT),
        "attempt": spec.attempt,
        "fingerprint": spec.fingerprint,
        "source": clean(spec.source, TEXT_LIMIT) if spec.source else None,
        "epoch": spec.epoch,
        "seed": spec.seed,
        **launch,
        "inputs": {item.job: item.output_hash for item in spec.inputs},
        "settings": _modest(spec.settings),
    }


def summary_of(outcome: Outcome | None) -> dict[str, Any]:
    """Return what a run came to; an attempt without outcome has only its status."""
    if outcome is None:
        return {"status": "lost"}
    return {
        "status": outcome.status,
        "reason": outcome.reason,
        "detail": clean(outcome.detail, TEXT_LIMIT),
        "seconds": outcome.seconds,
        "output_hash": outcome.output_hash,
        **dict(_numbers(outcome.metrics)),
        **{f"seconds/{name}": value for name, value in outcome.timings.items()},
        **{f"peak_memory/{name}": value for name, value in outcome.peak_memory.items()},
    }


def name_of(spec: Spec) -> str:
    """Return the cell (or persona, or convergence run) that an attempt belongs to."""
    return clean(spec.job.partition("/")[2], 120)


def _numbers(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    """Numbers by their path; what is missing stays missing and lists are not spread out."""
    for name, value in values.items():
        path = f"{above}{clean(str(name), TEXT_LIMIT)}"
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{path}/")
        elif _is_number(value):
            yield path, value


def _modest(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _modest(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        is_short = len(value) <= LIST_LIMIT and not any(isinstance(v, Mapping) for v in value)
        return [_modest(one) for one in value] if is_short else f"{len(value)} items"
    return clean(value, TEXT_LIMIT) if isinstance(value, str) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
