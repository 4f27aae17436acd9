"""Ends the process when leaving in order takes too long: a dead terminal can block the writer."""

from __future__ import annotations

import os
import threading

GRACE_SECONDS = 3.0


def leave_anyway(code: int, seconds: float = GRACE_SECONDS) -> None:
    """Exit with ``code`` after a grace time, whatever still hangs."""
    timer = threading.Timer(seconds, os._exit, (code,))
    timer.daemon = True
    timer.start()
