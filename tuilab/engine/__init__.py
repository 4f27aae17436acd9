"""The only code that starts or stops processes; standard library only at import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuilab.contract.identity import Identity

__all__ = ["answer_once", "start"]


def start(root: Path, go: bool, takeover: bool = False, on: str = "") -> Identity:
    """Start a detached engine for an experiment unless one is alive; see ``spawn.start``."""
    from tuilab.engine.spawn import start as start_engine

    return start_engine(root, go, takeover, on)


def answer_once(root: Path, request: str) -> None:
    """Answer a request that only writes something down, where no engine lives."""
    from tuilab.engine.answer_requests import answer_once as answer

    answer(root, request)
