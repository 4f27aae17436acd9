"""Turns SIGTERM into a failure with a reason, raised at the next safe place of the work."""

from __future__ import annotations

import signal
from types import FrameType

from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

_received: list[int] = []


def listen() -> None:
    """From now on SIGTERM and SIGINT are remembered instead of ending the process at once.

    A second one ends it: the default action is restored by the first.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _remember)


def was_asked() -> bool:
    """True once a signal has come."""
    return bool(_received)


def check() -> None:
    """Raise JobError (killed) once a signal has come; call it between two units of work."""
    if _received:
        name = signal.Signals(_received[0]).name
        raise JobError(Reason.KILLED, f"asked to stop by {name}")


def forget() -> None:
    """Start anew (tests in one process)."""
    _received.clear()


def _remember(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    signal.signal(number, signal.SIG_DFL)
