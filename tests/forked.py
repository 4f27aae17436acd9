"""Runs a program in a forked process: as real to signals, without the imports again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path


class Forked:
    """What a test needs of subprocess.Popen."""

    def __init__(
        self,
        main: Callable[[], int],
        log: Path,
        environment: Mapping[str, str],
        arguments: list[str] | None = None,
    ) -> None:
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            _become(main, log, environment, arguments or [])

    def poll(self) -> int | None:
        """Return the exit code once the process is gone; -N for a death by signal N."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, seconds: float = 30.0) -> int:
        """Wait for the end; TimeoutExpired when it does not come."""
        deadline = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("the forked program", seconds)
            time.sleep(0.005)
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        """SIGKILL, if it is still there."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM, if it is still there."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)


def _become(
    main: Callable[[], int], log: Path, environment: Mapping[str, str], arguments: list[str]
) -> None:
    """Turn the forked process into the program; never returns."""
    code = 70
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ.update(environment)
        sys.stdout = sys.stderr = os.fdopen(2, "w", closefd=False)
        sys.argv = [*sys.argv[:1], *arguments]
        code = main()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with suppress(OSError):  # the log's disk may be full: this process must never come back
            sys.stderr.flush()
        os._exit(code)
