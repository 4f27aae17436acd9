"""Writes the list of experiments: name, progress, states, last activity, time to go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from rich.cells import cell_len

from tuilab.contract.foreign import clean_line
from tuilab.grid.states import BROKEN, State
from tuilab.grid.text import ago, duration
from tuilab.tui.present.glyphs import COUNTED, Glyphs
from tuilab.tui.present.styled_text import Line, Piece, fit, width

_YIELDS = (
    *(State.IDLE, State.WAITING, State.QUEUED, State.STOPPED, State.STALE, State.RUNNING),
    *(State.SUSPECT, State.LOST, State.FAILED),
)
"""Counted states in the order in which they give way in a list that is too narrow for all."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One experiment as the list shows it."""

    root: Path
    name: str
    changed_at: float
    """Unix time of its last sign of life."""
    counts: Mapping[str, int] = field(default_factory=dict)
    engine: str = "stopped"
    eta_seconds: float | None = None
    shared_failed: int = 0
    """Shared jobs that ended badly: no cell speaks for them."""
    problem: str = ""
    """Why it cannot be read, "" when it can."""
    is_synthetic: bool = False
    is_of_other_code: bool = False
    """Planned with other runner code than is installed: what is done may be stale."""


def listed(root: Path, changed_at: float, status: Mapping[str, Any]) -> Listed:
    """Read one entry off ``tuilab status --json``."""
    engine = status.get("engine", {})
    return Listed(
        root,
        str(status.get("experiment") or root.name),
        changed_at,
        status.get("counts", {}),
        str(engine.get("state", "stopped")),
        engine.get("eta_seconds"),
        len(status.get("jobs_failed", ())),
        is_synthetic=bool(status.get("synthetic")),
        is_of_other_code=bool(status.get("other_code")),
    )


class ListOrder(StrEnum):
    """How the list is sorted."""

    ACTIVITY = "activity"
    NAME = "name"
    PROGRESS = "progress"
    FAILURES = "failures"


def in_order(entries: Iterable[Listed], order: ListOrder, words: str) -> list[Listed]:
    """Return the experiments in which every word stands, sorted; newest first among equals."""
    wanted = words.lower().split()
    found = [one for one in entries if all(word in _searched(one) for word in wanted)]
    found.sort(key=lambda one: -one.changed_at)
    if order is ListOrder.NAME:
        found.sort(key=lambda one: shown_name(one).lower())
    elif order is ListOrder.PROGRESS:
        found.sort(key=lambda one: -one.counts.get(State.DONE, 0) / (sum(one.counts.values()) or 1))
    elif order is ListOrder.FAILURES:
        found.sort(key=lambda one: -sum(one.counts.get(state, 0) for state in BROKEN))
    return found


def _searched(entry: Listed) -> str:
    states = " ".join(word for word, count in entry.counts.items() if count)
    engine = "running" if entry.engine == "running" else ""
    return f"{shown_name(entry)} {states} {engine} {entry.problem}".lower()


def shown_name(entry: Listed) -> str:
    """Name an experiment by its directory, and by its own name where that is another."""
    folder = entry.root.name
    return folder if folder == entry.name else f"{folder} ({entry.name})"


def name_room(entries: Iterable[Listed], columns: int) -> int:
    """Columns that the names take: what the longest one needs, up to a share of the room."""
    longest = max((cell_len(clean_line(shown_name(one), 80)) for one in entries), default=0)
    return max(12, min(40, columns // 4, longest))


def heading(columns: int, names: int) -> Line:
    """Write what the columns of the list are; ``names`` is the room of the names."""
    bar, last = _rooms(columns)
    text = f"   {fit('experiment', names)}  {fit('progress', bar + 9)} "
    activity = fit("last activity" if last > 14 else "last", last)
    return ((f"{text}{activity}{fit('engine', 10)} states", "muted"),)


def _rooms(columns: int) -> tuple[int, int]:
    """Columns of the bar of progress and of the last activity."""
    return (4, 11) if columns < 100 else (24, 15)


def experiment_line(
    entry: Listed, now: float, columns: int, names: int, is_marked: bool, glyphs: Glyphs
) -> Line:
    """Write one experiment in one line; ``names`` is the room of the names."""
    mark = glyphs.mark if is_marked else " "
    head: list[Piece] = [
        (f"{mark} ", "key"),
        (fit(clean_line(shown_name(entry), 80), names, glyphs.ellipsis), "title"),
        ("  ", ""),
    ]
    if entry.problem:
        return (*head, (clean_line(entry.problem, 200), "failed"))
    done, total = entry.counts.get(State.DONE, 0), sum(entry.counts.values())
    bar, last = _rooms(columns)
    line: Line = (
        *head,
        *_progress(done, total, bar, glyphs),
        (f" {ago(max(0.0, now - entry.changed_at)):<{last}}", "muted"),
        *_engine(entry),
        *_shared(entry.shared_failed, glyphs),
        *((" synthetic", "warn") for _ in range(entry.is_synthetic)),
        *((" old code", "stale") for _ in range(entry.is_of_other_code)),
    )
    return (*line, *_counts(entry.counts, columns - width(line), glyphs))


def _progress(done: int, total: int, columns: int, glyphs: Glyphs) -> list[Piece]:
    filled = columns * done // total if total else 0
    return [
        (glyphs.full * filled, "done"),
        (glyphs.empty * (columns - filled), "rule"),
        (f" {done}/{total}".ljust(9), "text"),
    ]


def _engine(entry: Listed) -> list[Piece]:
    if entry.engine != "running":
        word = {"stopped": "no engine", "waiting": "waiting"}.get(entry.engine, entry.engine)
        return [(f"{word:<10}", "muted")]
    left = f"{duration(entry.eta_seconds)} left" if entry.eta_seconds is not None else "running"
    return [(f"{left:<10}", "running")]


def _shared(failed: int, glyphs: Glyphs) -> list[Piece]:
    return [(f" {glyphs.states[State.FAILED]}{failed} shared", "failed")] if failed else []


def _counts(counts: Mapping[str, int], columns: int, glyphs: Glyphs) -> list[Piece]:
    """Count the cells in each state; what needs nobody gives way, and ``+2`` says how many did."""
    there = [state for state in (State.RUNNING, *COUNTED) if counts.get(state)]
    pieces: dict[State, Piece] = {
        state: (f" {glyphs.states[state]}{counts[state]}", state.value) for state in there
    }
    hidden: list[Piece] = []
    for number, state in enumerate(sorted(there, key=_YIELDS.index), 1):
        if width((*pieces.values(), *hidden)) <= columns:
            break
        del pieces[state]
        hidden = [(f" +{number}", "muted")]
    return [*pieces.values(), *hidden]
