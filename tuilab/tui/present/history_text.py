"""Writes what happened, for the history screen and in one line for the grid."""

from __future__ import annotations

from collections.abc import Sequence

from tuilab.contract.foreign import clean_line
from tuilab.grid.cells import Cell
from tuilab.grid.engine_view import EngineState
from tuilab.grid.history import TROUBLE, Event
from tuilab.grid.notices import Notice, notices_of
from tuilab.grid.text import clock, written_time
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.side_pane import last_events
from tuilab.tui.present.styled_text import Line, sides

TROUBLE_SECONDS = 600.0
"""So long a bad end is shown in one line, whatever happens after it."""


def history_rows(events: Sequence[Event]) -> list[tuple[str, Line]]:
    """Return (key, line) of every event, with its date where there are several."""
    days = {_day(event.at) for event in (*events[:1], *events[-1:])}
    return [
        (
            str(event.seq),
            (
                (f" {_day(event.at)}" if len(days) > 1 else "", "muted"),
                (f" {clock(event.at)}  ", "muted"),
                (clean_line(event.text, 300), event.role),
            ),
        )
        for event in events
    ]


def having(events: Sequence[Event], words: str) -> list[Event]:
    """Return the events in which every word stands, in the sentence or in a name."""
    wanted = words.lower().split()
    return [
        event
        for event in events
        if all(word in " ".join((event.text, *event.names)).lower() for word in wanted)
    ]


def cell_of(event: Event, snapshot: Snapshot) -> Cell | None:
    """Return the first cell of the grid that an event happened to."""
    cells = {str(view.cell): view.cell for view in snapshot.cells}
    named = (name.rpartition("/")[2] for name in event.names)
    return next((cells[name] for name in named if name in cells), None)


def last_line(snapshot: Snapshot, columns: int) -> Line:
    """Write the newest event in one line; a bad end of the last minutes goes before others."""
    events = last_events(snapshot, 40)
    recent = [event for event in events if snapshot.taken_at - event.at < TROUBLE_SECONDS]
    bad = [event for at, event in enumerate(recent) if _is_open_trouble(event, recent[at + 1 :])]
    for event in (bad or events)[-1:]:
        said = ((f" {clock(event.at)} ", "muted"), (clean_line(event.text, 300), event.role))
        return sides(said, (("  v history ", "muted"),), columns)
    return ()


def _is_open_trouble(event: Event, later: Sequence[Event]) -> bool:
    """Whether it is a bad end, and what it happened to has not ended again since."""
    again = (one for one in later if one.kind == "settled")
    return event.role in TROUBLE and not any(one.is_about(event.names) for one in again)


def _day(at: float) -> str:
    return written_time("%m-%d", at, "--")


def fresh_notices(before: Snapshot, now: Snapshot) -> list[Notice]:
    """Return what came to be told between two pictures of one experiment, safe to show.

    An engine that is killed can tell nobody: that it is gone while there is work is seen here.
    """
    last = before.events[-1].get("seq", 0) if before.events else 0
    found = list(notices_of(line for line in now.events if line.get("seq", 0) > last))
    is_gone = before.engine.is_alive and now.engine.state is EngineState.STOPPED
    if is_gone and (now.queue or any(status.is_live for status in now.statuses.values())):
        found.append(Notice("gone", f"{now.name}: engine died", "S starts another one"))
    return [
        Notice(one.kind, clean_line(one.title, 200), clean_line(one.text, 200)) for one in found
    ]
