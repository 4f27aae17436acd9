"""Where a finished grid spent its time, and whether two of them have the same results; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuilab.contract.report import DONE, EVENTS_FILE, readable_outcome
from tuilab.contract.tail import JsonlFollower
from tuilab.store.attempts import attempt_numbers
from tuilab.store.layout import Layout

PARTS = {
    "training": ("train",),
    "sampling": ("sample", "prefill"),
    "loading": ("load",),
    "merging": ("merge",),
    "saving and checking": ("save", "check", "keep"),
}
"""Stages of the report -> parts of a job's timings; what is left over is named ``other``."""
WORK = ("training", "sampling")
"""Everything else is overhead."""


@dataclass(frozen=True, slots=True)
class JobRun:
    """One job, read from its attempt directory."""

    job: str
    started_at: float
    """Unix time."""
    finished_at: float
    timings: Mapping[str, float]
    """Seconds by part."""
    output_hash: str
    peak_memory: Mapping[str, int]
    """Bytes: ``host``, and ``device`` on a GPU."""
    metrics: Mapping[str, Any]
    losses: tuple[float, ...]
    """Of every training step."""

    @property
    def work(self) -> float:
        """Seconds of training and sampling."""
        return sum(self.timings.get(part, 0.0) for name in WORK for part in PARTS[name])


@dataclass(frozen=True, slots=True)
class Spent:
    """Where the wall time of one grid went, in seconds."""

    wall: float
    jobs: int
    workers: int
    stages: Mapping[str, float]
    """Sums to ``wall`` times ``workers``; ``between jobs`` is time in which a worker had no job:
    starts, imports, planning, and waiting for what another was on."""
    overhead_per_job: float
    """All but training and sampling, over all jobs."""
    overhead_per_later_job: float | None
    """The same without the time up to the end of the first job: what one warm worker costs."""


def read_runs(layout: Layout, jobs: Iterable[str]) -> list[JobRun]:
    """Read all done attempts of the jobs, in the order they began."""
    found = []
    for job in jobs:
        for number in attempt_numbers(layout, job):
            attempt = layout.attempt_dir(job, number)
            outcome = readable_outcome(attempt)
            if outcome is None or outcome.status != DONE:
                continue
            run = JobRun(
                job,
                outcome.started_at,
                outcome.finished_at,
                outcome.timings,
                outcome.output_hash,
                outcome.peak_memory,
                outcome.metrics,
                _losses(attempt / EVENTS_FILE),
            )
            found.append(run)
    return sorted(found, key=lambda run: run.started_at)


def spent(runs: Sequence[JobRun], began: float, workers: int = 1) -> Spent:
    """Add up a grid of at least one job whose first request was made at ``began`` (unix time).

    At most ``workers`` jobs ran at a time.
    """
    end = max(run.finished_at for run in runs)
    wall = end - began
    stages = {
        name: sum(run.timings.get(part, 0.0) for run in runs for part in parts)
        for name, parts in PARTS.items()
    }
    inside = sum(run.finished_at - run.started_at for run in runs)
    stages["other"] = inside - sum(stages.values())
    stages["between jobs"] = wall * workers - inside
    first, *later = runs
    rest = end - first.finished_at - sum(run.work for run in later)
    return Spent(
        wall=wall,
        jobs=len(runs),
        workers=workers,
        stages=stages,
        overhead_per_job=(wall * workers - sum(run.work for run in runs)) / len(runs),
        overhead_per_later_job=rest / len(later) if later and workers == 1 else None,
    )


def differences(one: Sequence[JobRun], other: Sequence[JobRun]) -> list[str]:
    """Name every job whose files, metrics or training losses differ; [] when all are equal."""
    left, right = ({run.job: run for run in runs} for runs in (one, other))
    found = [f"{job}: in one grid only" for job in sorted(left.keys() ^ right.keys())]
    for job in sorted(left.keys() & right.keys()):
        a, b = left[job], right[job]
        found += [
            f"{job}: {name} differ"
            for name, is_same in (
                ("files", a.output_hash == b.output_hash),
                ("metrics", a.metrics == b.metrics),
                ("training losses", a.losses == b.losses),
            )
            if not is_same
        ]
    return found


def _losses(events: Path) -> tuple[float, ...]:
    lines = JsonlFollower(events).read()
    return tuple(line["loss"] for line in lines if line.get("kind") == "metric" and "loss" in line)
