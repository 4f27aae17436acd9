"""A worker that keeps nothing: python -m runners.serve_fresh WORKER_DIR

Serves the attempts in its inbox one after another, each in its own process, as
``python -m runners.STAGE SPEC`` does: nothing of a job reaches the next one, and every job pays for
imports and weights. An attempt's files are the same as from the warm worker.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from runners import job
from runners.serve import IDLE_SECONDS, Exit, main_with, serve_all
from tuilab.contract.report import OUTCOME_FILE
from tuilab.contract.spec import SPEC_FILE, SpecError, read_spec
from tuilab.contract.worker import Assignment


def main() -> int:
    """Serve until there is nothing left to do; 0 unless something broke."""
    return main_with(serve)


def serve(directory: Path, idle_seconds: float = IDLE_SECONDS) -> int:
    """Serve assignments in order until closed, idle for too long, or asked to stop."""
    return serve_all(directory, serve_one, idle_seconds)


def serve_one(assignment: Assignment) -> Exit | None:
    """Run one attempt in its own process.

    A process that ends without an outcome ends the worker too, with its exit code: that is how the
    shim learns what happened to the attempt.
    """
    path = assignment.attempt_dir / SPEC_FILE
    try:
        stage = read_spec(path).stage
    except SpecError as error:
        job.log(f"assignment {assignment.number}: {error}")
        return None
    code = subprocess.run(
        [sys.executable, "-m", f"runners.{stage}", str(path)], stdin=subprocess.DEVNULL, check=False
    ).returncode
    job.log(f"{assignment.number} {stage} exit {code}")
    if (assignment.attempt_dir / OUTCOME_FILE).exists():
        return None
    return Exit(f"{stage} left no outcome", 128 - code if code < 0 else code or 1)


if __name__ == "__main__":
    raise SystemExit(main())
