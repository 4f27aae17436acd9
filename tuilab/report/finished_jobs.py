"""What really ran, job by job: the spec and outcome behind every result a report speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from tuilab.contract.parsing import read_if_sound
from tuilab.contract.report import Outcome, readable_outcome
from tuilab.contract.spec import SPEC_FILE, SpecError, read_spec
from tuilab.grid.stages import Stage
from tuilab.grid.states import State
from tuilab.store.tensors import TensorFileError, read_header
from tuilab.study.study import Study

ADAPTER = "adapter_model.safetensors"
SHAPES = ".shapes.json"
"""Ends the name of the file that stands for weights in a bundle."""


@dataclass(frozen=True, slots=True)
class FinishedJob:
    """One attempt with a result."""

    job: str
    stage: str
    directory: Path
    settings: Mapping[str, Any]
    launch: Mapping[str, Any]
    outcome: Outcome
    state: str = "done"
    """State of its job now; only ``done`` enters numbers and the run card."""
    trainable: int | None = None
    """Parameters of the adapter that it trained; None for the other stages."""


@dataclass(frozen=True, slots=True)
class Effort:
    """Everything that was started, not only what came to a result."""

    started: int
    done: int
    vain_seconds: float
    """Seconds of attempts without a result."""


def finished_jobs(study: Study) -> list[FinishedJob]:
    """Return the newest attempt with a result of every job, in plan order; [] for tables.

    A convergence run whose checkpoints are read counts as done, whatever became of a later one.
    """
    if study.reader.is_results_only:
        return []
    states = study.snapshot.statuses
    found: list[FinishedJob] = []
    for job in study.reader.plan.jobs:
        status = states.get(job.id)
        if status is None or status.result is None:
            continue
        is_run = job.stage is Stage.CONVERGE and bool(status.result.usable)
        attempt = status.result.usable[0] if is_run else status.result.attempt
        directory = study.reader.layout.attempt_dir(job.id, attempt.number)
        outcome = readable_outcome(directory)
        try:
            spec = read_spec(directory / SPEC_FILE)
        except SpecError:
            continue
        if outcome is not None:
            state = State.DONE.value if is_run else status.state.value
            size = _trainable(directory, outcome)
            found.append(
                FinishedJob(
                    job.id,
                    job.stage.value,
                    directory,
                    spec.settings,
                    spec.launch,
                    outcome,
                    state,
                    size,
                )
            )
    return found


def current(ran: list[FinishedJob]) -> list[FinishedJob]:
    """Keep what numbers rest on: no stale, suspect, failed or rerunning job."""
    return [one for one in ran if one.state == State.DONE.value]


def effort(study: Study) -> Effort | None:
    """Count every attempt of the experiment; None for a table of results."""
    if study.reader.is_results_only:
        return None
    every = [a for job in study.reader.plan.jobs for a in study.reader.of(job.id).attempts]
    done = [attempt for attempt in every if attempt.verdict.value == "done"]
    vain = sum(attempt.seconds for attempt in every if attempt.verdict.value != "done")
    return Effort(len(every), len(done), vain)


def _trainable(directory: Path, outcome: Outcome) -> int | None:
    """Count what an adapter holds, from its header; None where there is no adapter."""
    counted = outcome.checks.get("trainable_parameters")
    if isinstance(counted, int):
        return counted
    adapter = next((a.path for a in outcome.artefacts if Path(a.path).name == ADAPTER), None)
    if adapter is None:
        return None
    shapes = read_if_sound(directory / f"{adapter}{SHAPES}", list)
    if shapes is None:
        try:
            shapes = shapes_of(directory / adapter)
        except TensorFileError:
            return None
    return sum(prod(shape) for shape in shapes)


def shapes_of(adapter: Path) -> list[Any]:
    """Return the shape of every tensor of a file, from its header; TensorFileError."""
    return [list(tensor.shape) for tensor in read_header(adapter).values()]
