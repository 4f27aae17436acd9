"""``tuilab history``: what happened in an experiment, from its journal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from tuilab.cli.errors import OK
from tuilab.cli.output import document, out, paint, plain, tell
from tuilab.cli.resolve import find_grid
from tuilab.cli.verbs.arguments import AsJson, Cells, Dir
from tuilab.contract.foreign import clean_line
from tuilab.contract.tail import JsonlFollower
from tuilab.grid.cells import select_all
from tuilab.grid.history import TROUBLE, Event, events_of, parse_since
from tuilab.grid.text import clock, count_of, written_time
from tuilab.store import journal
from tuilab.store.layout import Layout
from tuilab.store.plan_file import load_plan
from tuilab.store.program_name import program, quoted


def history(
    directory: Dir,
    cells: Cells = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="8h, 30m, 2d, 06:00 or a date.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Tell what happened: who asked for what, what ran, what it measured, what went wrong.

    \b
    tuilab history runs/tiny --since 8h
    tuilab history runs/tiny villain@4
    tuilab history runs/tiny --since 06:00 | less
    """
    root = find_grid(directory)
    begin = None if since is None else parse_since(since, time.time())
    names = _names(root, cells or [])
    follower = journal.follow(Layout(root))
    events = _events(follower, begin, names)
    if as_json:
        told = [_as_json(event) for event in events]
        damaged = len(follower.broken)
        document({"root": str(root), "since": begin, "events": told, "damaged_lines": damaged})
        return OK
    if not _print(events):
        tell(_why_nothing(root, since, names))
    if follower.broken:
        tell(f"journal.jsonl: {count_of(len(follower.broken), 'damaged line')} left out")
    return OK


def _names(root: Path, chosen: Sequence[str]) -> frozenset[str]:
    """Return the cells that were named, their jobs, and the jobs that were named."""
    if not chosen:
        return frozenset()
    plan = load_plan(root)
    jobs = {name for name in chosen if name in plan.by_id}
    selectors = [name for name in chosen if name not in jobs]
    cells = set(select_all(selectors, plan.cells)) if selectors else set()
    own = {job.id for job in plan.jobs if job.cell in cells}
    return frozenset({*jobs, *own, *map(str, cells)})


def _events(follower: JsonlFollower, begin: float | None, names: frozenset[str]) -> Iterator[Event]:
    """Read the journal line by line: only what is told is kept."""
    if not follower.path.exists():
        return
    lines = (line for line in follower.stream() if begin is None or _at(line) >= begin)
    for event in events_of(lines):
        if not names or event.is_about(names):
            yield event


def _at(line: dict[str, object]) -> float:
    at = line.get("at")
    return float(at) if isinstance(at, int | float) else 0.0


def _print(events: Iterable[Event]) -> bool:
    """Print the events below their dates; False when there was none."""
    day = ""
    for event in events:
        today = written_time("%Y-%m-%d", event.at, "a time beyond the calendar")
        heading, day = (today if today != day else ""), today
        text = clean_line(event.text, 400)
        if event.role in TROUBLE:
            text = paint(text, "red")
        if (heading and not out(heading)) or not out(f"{clock(event.at)}  {text}"):
            break
    return bool(day)


def _as_json(event: Event) -> dict[str, object]:
    text = clean_line(event.text)
    return {"at": event.at, "kind": event.kind, "text": text, "about": list(event.names)}


def _why_nothing(root: Path, since: str | None, names: frozenset[str]) -> str:
    layout = Layout(root)
    if layout.journal.is_file() and layout.journal.stat().st_size:
        of = " to these cells" if names else ""
        return plain(f"nothing happened{of}" + (f" since {since}" if since else " yet"))
    if layout.jobs.is_dir() and any(layout.jobs.iterdir()):
        again = f"`{program()} run {quoted(root)}` makes it again from the attempts"
        return f"journal.jsonl is empty or missing: {again}"
    return f"nothing has happened yet: `{program()} run {quoted(root)}` starts the work"
