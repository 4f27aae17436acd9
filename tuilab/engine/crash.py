"""The test hook that ends this process on the spot, as a power cut would, at a named point."""

from __future__ import annotations

import os
import signal

VARIABLE = "TUILAB_CRASH_AT"


def crash_point(name: str) -> None:
    """Die by SIGKILL if the environment names this point; otherwise do nothing."""
    if os.environ.get(VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)
