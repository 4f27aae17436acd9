"""The one picture of an experiment that the TUI and the CLI draw; frozen values, no behaviour."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuilab.grid.cells import Cell
from tuilab.grid.edits import behind, edits_text
from tuilab.grid.engine_view import EngineView
from tuilab.grid.metrics import MARKED, METRICS, Measurement, metric_keys
from tuilab.grid.notes import NO_NOTE, Note
from tuilab.grid.states import JobStatus, State


@dataclass(frozen=True, slots=True)
class CellView:
    """One cell as it is drawn."""

    cell: Cell
    state: State
    stage: str | None
    """Stage that the state speaks of."""
    reason: str | None = None
    detail: str = ""
    attempt: int = 0
    percent: float | None = None
    metrics: Mapping[str, Measurement] = field(default_factory=dict)
    """By name (see ``grid/metrics.py``); absent = not measured."""
    seconds: float = 0.0
    """Wall seconds of its own done stages."""
    given_to: str = ""
    """Worker that has the queued stage in its inbox and has not begun it ("" = none)."""
    earlier: Mapping[str, Measurement] = field(default_factory=dict)
    """What it had measured before it was run again and stopped; {} otherwise."""
    jobs: Sequence[JobStatus] = ()
    """Its own stages in order; () where there are numbers alone."""
    deviation: Mapping[str, Any] = field(default_factory=dict)
    """Edits that its jobs are planned with, run or not."""
    edits: Mapping[str, Any] = field(default_factory=dict)
    """Edits that its numbers ran with; {} where it ran as the config says, or is not done."""
    accepted: Mapping[str, str] = field(default_factory=dict)
    """What a person keeps as current of stages that are stale, by stage; {} for most."""

    note: Note = NO_NOTE
    """What people wrote about it."""

    def value(self, metric: str) -> float | None:
        """Its number by a metric, also of a stale or suspect cell; None when not measured."""
        found = self.metrics.get(metric)
        return found.value if found is not None and math.isfinite(found.value) else None

    def done_number(self, metric: str) -> Measurement | None:
        """What may be compared: the number of a cell that is done, else None, never 0."""
        is_there = self.state is State.DONE and self.value(metric) is not None
        return self.metrics[metric] if is_there else None

    def edits_behind(self, metric: str) -> str:
        """The settings unlike the config's that its number ran with; "" for none."""
        if not self.edits:
            return ""
        return edits_text(behind(self.edits, METRICS[metric].measure.stage))

    def accepted_of(self, metric: str) -> str:
        """What of its number is stale and who keeps it as current; "" for nothing."""
        return self.accepted.get(METRICS[metric].measure.stage or "", "")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An experiment at one moment."""

    name: str
    root: Path
    sources: tuple[str, ...]
    labels: Mapping[str, str]
    epochs: tuple[int, ...]
    seeds: tuple[int, ...]
    target: str
    cells: Sequence[CellView]
    """In grid order: source, then seed, then epoch."""
    shared: tuple[JobStatus, ...]
    """data and converge jobs in plan order."""
    engine: EngineView
    counts: Mapping[str, int]
    """Cells by state; states without a cell are left out."""
    sequence: int
    """Grows with every change; equal sequences mean equal pictures."""
    taken_at: float
    """Unix time."""
    synthetic: bool = False
    reference: str | None = None
    headline_cosine: Mapping[str, Any] = field(default_factory=dict)
    queue: tuple[str, ...] = ()
    """Ids of due jobs in launch order; those that a worker was given already come first."""
    events: tuple[Mapping[str, Any], ...] = ()
    """The last journal lines worth showing, oldest first."""
    problems: tuple[str, ...] = ()
    """What was quarantined or could not be read."""
    read_only: bool = False
    imported_from: str = ""
    """File (and card) that results without a plan were taken from; "" where they are made here."""
    seed_given: bool = True
    """False for a table that names no seed: its cells have seed 0, which nobody said."""
    config_changed: bool = False
    """experiment.toml differs from what plan.json was made of."""
    other_code: tuple[str, ...] = ()
    """Stages whose program here is not the one that they were planned with: what is done may be
    stale once the plan is made again."""
    config_digest: str = ""
    """sha256 of the experiment.toml that the plan was made of."""
    measured: tuple[str, ...] = MARKED
    """What is measured of the trait, the headline first."""

    note: Note = NO_NOTE
    """What people wrote about the whole experiment."""
    gpu_seconds: float = 0.0
    """What all attempts that have ended took, whatever became of them."""
    cost: str = ""
    """The same in money, where a person's config has a price."""

    @property
    def metrics(self) -> list[str]:
        """The keys of its metrics, the headline first."""
        return metric_keys(self.measured)

    @property
    def statuses(self) -> dict[str, JobStatus]:
        """The status of every job by id."""
        found = {status.job: status for status in self.shared}
        for view in self.cells:
            found.update((status.job, status) for status in view.jobs)
        return found
