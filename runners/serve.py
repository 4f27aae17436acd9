"""A warm worker: python -m runners.serve WORKER_DIR

Serves the attempts in its inbox one after another; imports and weights stay loaded. An attempt's
files are the same as from one process per job, and its failure affects no other attempt.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from runners import job, stop_signal
from tuilab.contract import worker
from tuilab.contract.identity import MARKER_VARIABLE
from tuilab.contract.report import FAILED, Outcome
from tuilab.contract.spec import SPEC_FILE, SpecError, read_spec
from tuilab.contract.worker import CLOSED_FILE, INBOX, Assignment

if TYPE_CHECKING:
    from runners.ml.model_cache import ModelCache

POLL_SECONDS = 0.02
IDLE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Exit:
    """Why a worker must end after a job."""

    why: str
    code: int
    """Its exit code."""


ServeOne = Callable[[Assignment], Exit | None]


def main() -> int:
    """Serve until there is nothing left to do; 0 unless something broke."""
    return main_with(serve)


def main_with(serve: Callable[[Path], int]) -> int:
    """Call ``serve`` with the worker directory on the command line."""
    if len(sys.argv) != 2:
        print("usage: python -m runners.serve WORKER_DIR", file=sys.stderr)
        return 2
    directory = Path(sys.argv[1]).resolve()
    os.environ.setdefault(MARKER_VARIABLE, str(directory))
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    (directory / INBOX).mkdir(parents=True, exist_ok=True)
    stop_signal.listen()
    job.log(f"worker {directory.name}, pid {os.getpid()}")
    return serve(directory)


def serve(directory: Path, idle_seconds: float = IDLE_SECONDS) -> int:
    """Serve assignments in order until closed, idle for too long, or asked to stop."""
    caches: list[ModelCache] = []

    def cache() -> ModelCache:
        """Make it for the first job that loads a model: fetching one must not wait for torch."""
        if not caches:
            caches.append(job.new_cache())
        return caches[0]

    try:
        return serve_all(directory, partial(serve_one, cache=cache), idle_seconds)
    finally:
        for made in caches:
            made.clear()


def serve_all(directory: Path, serve_next: ServeOne, idle_seconds: float) -> int:
    """Pass assignments to ``serve_next`` until one of them ends the worker or none is left.

    A worker that is held back counts as idle: it leaves after the same time and frees its memory.
    """
    look_seconds = float(os.environ.get(worker.LOOK_VARIABLE, POLL_SECONDS))
    served, idle_since = 0, time.monotonic()
    while not stop_signal.was_received():
        given, is_closed = worker.look_into_inbox(directory, after=served)
        upcoming = given[0] if given else None
        if upcoming is not None and not worker.is_held_back(directory):
            reason = serve_next(upcoming)
            served, idle_since = upcoming.number, time.monotonic()
            if reason is not None:
                return leave(directory, reason.why, reason.code)
        elif upcoming is None and is_closed:
            return leave(directory, "closed: nothing more to serve")
        elif time.monotonic() - idle_since > idle_seconds:
            return leave(directory, f"idle for {idle_seconds:.0f} s")
        else:
            time.sleep(look_seconds)
    return leave(directory, "asked to stop")


def serve_one(assignment: Assignment, cache: Callable[[], ModelCache]) -> Exit | None:
    """Run one attempt with its output in its own log; its errors do not end the worker."""
    directory = assignment.attempt_dir
    try:
        spec = read_spec(directory / SPEC_FILE)
    except SpecError as error:
        job.log(f"assignment {assignment.number}: {error}")
        return None
    with job.log_into(directory):
        outcome = job.run_attempt(directory, spec, job.cache_for(spec.stage, cache))
    job.log(f"{assignment.number} {spec.job} {outcome.status} {outcome.seconds:.2f} s")
    return Exit("the device failed", 1) if _device_is_lost(outcome) else None


def leave(directory: Path, why: str, code: int = 0) -> int:
    """Mark the inbox as closed: what has not begun by now belongs to another worker."""
    with suppress(FileExistsError):
        (directory / INBOX / CLOSED_FILE).open("x").close()
    job.log(why)
    return code


def _device_is_lost(outcome: Outcome) -> bool:
    """After an error inside a kernel every later CUDA call of the process fails too."""
    return outcome.status == FAILED and "CUDA error" in outcome.detail


if __name__ == "__main__":
    raise SystemExit(main())
