"""Turns SIGTERM into a failure with a reason, raised where the work can safely stop."""

from __future__ import annotations

import signal
from types import FrameType

from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

_received: list[int] = []


def listen() -> None:
    """Remember SIGTERM and SIGINT from here on, instead of dying at once.

    A second one ends the process: the first restores the default action.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _remember)


def was_received() -> bool:
    """True once a signal has come."""
    return bool(_received)


def check() -> None:
    """Raise JobError (killed) once a signal has come; call it between two units of work."""
    if _received:
        name = signal.Signals(_received[0]).name
        raise JobError(Reason.KILLED, f"asked to stop by {name}")


def reset() -> None:
    """Forget received signals (tests in one process)."""
    _received.clear()


def _remember(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    signal.signal(number, signal.SIG_DFL)
