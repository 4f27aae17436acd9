"""One wish of a person, as the engine is asked it; a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JOURNAL_ONLY = frozenset({"accept", "grow", "lock", "note"})
"""Verbs that only write something down: no engine has to be started for them."""


@dataclass(frozen=True, slots=True)
class Request:
    """One wish of a person, such as: relaunch these cells from eval on."""

    verb: str
    """run, relaunch, stop, pause, resume, ... ; the engine answers an unknown one with why not."""
    cells: tuple[str, ...] = ()
    """``villain@10#42``; empty with no jobs either means the whole grid."""
    jobs: tuple[str, ...] = ()
    """Exact job ids: what was shown is what happens."""
    from_stage: str | None = None
    sets: Mapping[str, Any] = field(default_factory=dict)
    """Edits to keep as a deviation, such as {"marker.lr": 1e-05}."""
    by: str = ""
    """Who asks: user@host and the command."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What only some verbs know, such as {"mode": "hard"} for pause."""
    asker: Mapping[str, Any] = field(default_factory=dict)
    """Given by ``leave``: the process that asks, as ``contract.identity`` names it."""
    id: str = ""
    """Given by ``leave``; ids sort in the order of leaving."""
    at: float = 0.0
    """Unix time of leaving."""
