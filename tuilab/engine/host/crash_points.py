"""The test hook that ends this process on the spot, as a power cut would, or raises an error."""

from __future__ import annotations

import os
import signal

VARIABLE = "TUILAB_CRASH_AT"
_passed: list[str] = []


def crash_point(name: str) -> None:
    """Die by SIGKILL if the environment names this point; otherwise do nothing.

    ``name:3`` dies when the point is passed for the third time; ``name:error`` raises a
    RuntimeError at the first.
    """
    wanted, _, count = os.environ.get(VARIABLE, "").partition(":")
    if wanted != name:
        return
    _passed.append(name)
    if count == "error":
        if len(_passed) == 1:
            raise RuntimeError(f"at the crash point {name}")
    elif len(_passed) >= int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
