"""Lists what an experiment no longer needs, and deletes it when told to; never follows a link."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tuilab.contract.identity import is_alive
from tuilab.contract.report import OUTCOME_FILE, readable_outcome
from tuilab.contract.worker import EXIT_FILE
from tuilab.grid.states import LIVE
from tuilab.store.attempts import newest_state
from tuilab.store.experiment_id import read_id
from tuilab.store.layout import Layout
from tuilab.store.live_attempts import who_holds
from tuilab.store.reader import Reader
from tuilab.store.volume import weigh

DRAFT_SECONDS = 3600.0
"""Age from which on a draft cannot belong to a write that is still going on."""
SCRATCH = ("merged", "scratch", "resume")
"""Folders in an attempt that only a later step of the same work needs."""


class Kind(StrEnum):
    """Why something is left over."""

    DRAFT = "draft"
    """Half a file of a writer that died."""
    SCRATCH = "scratch"
    """Merged weights or resume states that no listed artefact is part of."""
    QUARANTINE = "quarantine"
    WORKER = "worker"
    """Directory of a worker that is gone and whose attempts are settled."""
    UNPLANNED = "unplanned"
    """Results of a job that is no longer planned: measured, and lost for good when deleted."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """One thing that may be deleted."""

    path: Path
    kind: Kind
    size: int
    """Bytes, links not followed."""
    why: str


class OutsideError(ValueError):
    """The path does not lie in the experiment; nothing was deleted."""


def leftovers(layout: Layout, now: float | None = None) -> list[Leftover]:
    """Return what may go at ``now`` (unix time), by kind and path.

    Of attempts only those of jobs that are no longer planned: no planned job reads one of them.
    """
    moment = time.time() if now is None else now
    reader = Reader(layout.root)
    if reader.is_results_only:
        return []
    reader.poll(moment)
    found = [
        *_drafts(reader.layout, moment),
        *_scratch(reader),
        *_quarantine(reader.layout),
        *_workers(reader),
        *_unplanned(reader),
    ]
    return sorted(found, key=lambda item: (item.kind, item.path))


def delete(layout: Layout, chosen: Iterable[Leftover]) -> None:
    """Delete leftovers; a link is removed itself. OutsideError for one outside the experiment."""
    root = layout.root
    for leftover in chosen:
        path = leftover.path
        # The parent is resolved, the last part is not: a link goes, what it points at stays.
        place = path.parent.resolve() / path.name
        if path.name in ("", ".", "..") or root.resolve() not in place.parents:
            raise OutsideError(f"{path} does not lie in {root}")
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        if leftover.kind is Kind.QUARANTINE:
            path.with_name(path.name + ".why.json").unlink(missing_ok=True)


def _drafts(layout: Layout, now: float) -> Iterator[Leftover]:
    for folder, folders, names in os.walk(layout.root, followlinks=False):
        for name in [*names, *folders]:
            path = Path(folder) / name
            if name.startswith(".") and name.endswith(".draft") and _age(path, now) > DRAFT_SECONDS:
                yield _leftover(path, Kind.DRAFT, "a writer died before it was finished")
        folders[:] = [name for name in folders if not name.endswith(".draft")]


def _scratch(reader: Reader) -> Iterator[Leftover]:
    for job in reader.plan.jobs:
        needed = newest_state(reader.layout, job, reader.recorded(job.id))
        for attempt in reader.recorded(job.id).attempts:
            if attempt.verdict in LIVE:
                continue
            folder = reader.layout.attempt_dir(job.id, attempt.number)
            for name in SCRATCH:
                path = folder / name
                is_needed = name == "resume" and attempt.number == needed
                if path.is_dir() and not is_needed and not _is_listed(folder, name):
                    yield _leftover(path, Kind.SCRATCH, f"{attempt.verdict.value}, not needed")


def _is_listed(folder: Path, name: str) -> bool:
    """True when an artefact of the outcome lies in the folder, so that hashes would break."""
    outcome = readable_outcome(folder)
    return outcome is not None and any(a.path.startswith(f"{name}/") for a in outcome.artefacts)


def _quarantine(layout: Layout) -> Iterator[Leftover]:
    if not layout.quarantine.is_dir() or layout.quarantine.is_symlink():
        return
    for path in layout.quarantine.iterdir():
        if not path.name.endswith(".why.json") and not path.name.startswith("."):
            yield _leftover(path, Kind.QUARANTINE, "could not be read")


def _workers(reader: Reader) -> Iterator[Leftover]:
    """Workers that ended, but for those whose record an unsettled attempt still needs."""
    layout = reader.layout
    busy = {
        layout.worker_dir(attempt.worker)
        for job in reader.plan.jobs
        for attempt in reader.recorded(job.id).attempts
        if attempt.verdict in LIVE
    }
    if not layout.workers.is_dir() or layout.workers.is_symlink():
        return
    for path in layout.workers.iterdir():
        if path.is_symlink() or path in busy or not (path / EXIT_FILE).exists():
            continue
        shim = who_holds(path, read_id(layout))
        if shim is None or is_alive(shim) is False:
            yield _leftover(path, Kind.WORKER, "the worker is gone")


def _unplanned(reader: Reader) -> Iterator[Leftover]:
    """Job folders that the plan does not know and that nobody is at work in."""
    layout = reader.layout
    planned = {layout.job_dir(job.id) for job in reader.plan.jobs}
    above = {parent for folder in planned for parent in folder.parents}
    for folder, names, _ in os.walk(layout.jobs, followlinks=False):
        place = Path(folder)
        if place in planned:
            names.clear()
        elif any(name.startswith("attempt-") for name in names) and place not in above:
            names.clear()
            if all((one / OUTCOME_FILE).exists() for one in place.glob("attempt-*")):
                yield _leftover(place, Kind.UNPLANNED, "no longer planned")


def _leftover(path: Path, kind: Kind, why: str) -> Leftover:
    return Leftover(path, kind, weigh(path).bytes, why)


def _age(path: Path, now: float) -> float:
    try:
        return now - path.lstat().st_mtime
    except OSError:  # its writer has just renamed it
        return 0.0
