"""Makes attempt directories and reads what they say; an attempt is created once, never reused."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tuilab.contract import atomic
from tuilab.contract.hub import SNAPSHOT_FILE
from tuilab.contract.identity import ExperimentRef
from tuilab.contract.parsing import read_if_sound
from tuilab.contract.report import DONE, Artefact, hash_output, readable_outcome
from tuilab.contract.spec import Input
from tuilab.contract.worker import STOP_FILE, Stop
from tuilab.grid.jobs import Job, Plan, job_id
from tuilab.grid.resuming import may_go_on_from
from tuilab.grid.states import Evidence
from tuilab.store.layout import Layout

CLAIM_FILE = "claim.json"
"""Written by the engine before a worker is told of the attempt."""
LATEST = "latest"
SAVED_STATES = "resume/step-*/manifest.json"
"""What a runner leaves of an unfinished run, below its attempt; the manifest is written last."""
_NAME = re.compile(r"attempt-([1-9]\d{0,8})")
_CHECKPOINT = re.compile(r"epoch-(\d{1,9})/.+")


class UnusableInputError(Exception):
    """An upstream attempt that nothing may be built on; the text says why."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Which worker was to serve an attempt."""

    worker: str
    at: float = 0.0
    """Unix time."""
    experiment: ExperimentRef | None = None
    """None where version 0.1 wrote it."""


def new_attempt_dir(layout: Layout, job: str, number: int) -> Path:
    """Create the directory of a new attempt and return it; FileExistsError if it was ever made."""
    if number < 1:
        raise ValueError(f"attempt numbers begin at 1, not {number}")
    path = layout.attempt_dir(job, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir()
    atomic.sync(path.parent)
    return path


def point_latest(layout: Layout, job: str, number: int) -> None:
    """Point ``latest`` at an attempt, by rename; volumes without links simply have none."""
    folder = layout.job_dir(job)
    draft = atomic.draft_of(folder / LATEST)
    try:
        draft.symlink_to(f"attempt-{number}", target_is_directory=True)
        draft.replace(folder / LATEST)
    except OSError:
        draft.unlink(missing_ok=True)


def attempt_numbers(layout: Layout, job: str) -> list[int]:
    """Return the numbers of the attempts on disk, ascending; [] when there is none."""
    try:
        names = [path.name for path in layout.job_dir(job).iterdir()]
    except OSError:
        return []
    return sorted(int(match[1]) for name in names if (match := _NAME.fullmatch(name)))


def attempts_on_disk(layout: Layout, plan: Plan) -> list[tuple[str, list[int]]]:
    """Return the jobs of a plan that have attempts on disk, with their numbers, in order.

    Looks into the folders that are there, not for those of all jobs: a grid may have 400,000.
    """
    known = dict.fromkeys((kind.stage, kind.source) for kind in plan.table.kinds)
    found: dict[str, list[int]] = {}
    for stage, source in known:
        name = job_id(stage, source)
        below: dict[str, tuple[str, str]] = {name: (str(layout.job_dir(name)), "")}
        while below:
            job, (folder, seed) = below.popitem()
            numbers = []
            for entry in _folders(folder):
                if match := _NAME.fullmatch(entry):
                    numbers.append(int(match[1]))
                elif not seed and entry.startswith("seed-"):
                    number = f"#{entry.removeprefix('seed-')}"
                    below[name + number] = (f"{folder}/{entry}", number)
                elif seed and entry.startswith("epoch-"):
                    epoch = entry.removeprefix("epoch-")
                    below[f"{name}@{epoch}{seed}"] = (f"{folder}/{entry}", seed)
            if numbers and job in plan.places:
                found[job] = sorted(numbers)
    return sorted(found.items(), key=lambda one: plan.places[one[0]])


def _folders(path: str) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(path)]
    except OSError:
        return []


def next_number(layout: Layout, job: str) -> int:
    """Return the number that a new attempt may take: above all that lie on disk."""
    return max(attempt_numbers(layout, job), default=0) + 1


def write_claim(attempt_dir: Path, claim: Claim) -> None:
    """Say which worker is to serve the attempt."""
    atomic.write_json(attempt_dir / CLAIM_FILE, asdict(claim))


def read_claim(attempt_dir: Path) -> Claim | None:
    """Return the claim; None when missing or unreadable."""
    return read_if_sound(attempt_dir / CLAIM_FILE, Claim)


def write_stop(attempt_dir: Path, stop: Stop) -> None:
    """Record, before any signal is sent, that an operator ends this attempt."""
    atomic.write_json(attempt_dir / STOP_FILE, {"by": stop.by, "at": stop.at})


def has_saved_state(layout: Layout, job: str, number: int) -> bool:
    """Whether an attempt kept a state of its run; the runner checks that one is whole."""
    return any(layout.attempt_dir(job, number).glob(SAVED_STATES))


def newest_state(
    layout: Layout, job: Job, known: Evidence, inputs: Mapping[str, str] | None = None
) -> int:
    """Return the attempt whose saved state the next one would take up; 0 when none would."""
    numbers = may_go_on_from(job, known, inputs)
    return next((one for one in numbers if has_saved_state(layout, job.id, one)), 0)


def usable_input(
    layout: Layout, job: str, number: int, reader: Path, epoch: int | None = None
) -> Input:
    """Return a done attempt as an input of the one in ``reader``, with the hash of what is read.

    That is the checkpoint of ``epoch`` where the attempt kept checkpoints. The path is relative, so
    that an experiment can be moved. Raises UnusableInputError.
    """
    directory = layout.attempt_dir(job, number)
    outcome = readable_outcome(directory)
    if outcome is None:
        raise UnusableInputError(f"{job} attempt {number} has no readable outcome")
    if outcome.status != DONE or not outcome.output_hash:
        raise UnusableInputError(f"{job} attempt {number} is not done")
    if outcome.job != job or outcome.attempt != number:
        raise UnusableInputError(f"{directory} holds the outcome of {outcome.job}")
    for artefact in outcome.artefacts:
        if not is_whole(directory, artefact.path, artefact.size):
            raise UnusableInputError(f"{job} attempt {number} has lost {artefact.path}")
    kept = checkpoints_of(outcome.artefacts)
    if kept and epoch not in kept:
        raise UnusableInputError(f"{job} attempt {number} kept no checkpoint of epoch {epoch}")
    read = kept[epoch] if kept and epoch is not None else outcome.output_hash
    return Input(job, os.path.relpath(directory, reader), outcome.output_hash, read)


def checkpoints_of(artefacts: Iterable[Artefact]) -> dict[int, str]:
    """Return the hash of each checkpoint among the artefacts of a convergence run, by epoch."""
    found: dict[int, list[Artefact]] = {}
    for one in artefacts:
        if match := _CHECKPOINT.fullmatch(one.path):
            found.setdefault(int(match[1]), []).append(one)
    return {epoch: hash_output(files) for epoch, files in sorted(found.items())}


def kept_checkpoints(layout: Layout, job: str, number: int) -> dict[int, str]:
    """Return the same of an attempt as its outcome says it; {} where there is none to read."""
    outcome = readable_outcome(layout.attempt_dir(job, number))
    return checkpoints_of(outcome.artefacts) if outcome is not None else {}


def fetched_commit(attempt_dir: Path) -> str:
    """Return the commit that an attempt to fetch a base found or fetched; "" when it says none."""
    raw = read_if_sound(attempt_dir / SNAPSHOT_FILE, dict) or {}
    commit = raw.get("commit")
    return commit if isinstance(commit, str) else ""


def number_in(path: str) -> int | None:
    """Return the attempt number that an input's path ends in; None where it names no attempt."""
    match = _NAME.fullmatch(path.rpartition("/")[2])
    return int(match[1]) if match else None


def is_whole(attempt_dir: Path, relative: str, size: int) -> bool:
    """True when the artefact is a plain file of that size inside the attempt directory."""
    path = attempt_dir / relative
    try:
        inside = path.resolve().is_relative_to(attempt_dir.resolve())
        return inside and path.is_file() and path.stat().st_size == size
    except OSError:
        return False
