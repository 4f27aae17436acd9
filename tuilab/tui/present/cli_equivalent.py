"""Writes the command line that does the same as a key; shown wherever a key acts."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuilab.grid.cells import Cell
from tuilab.store.program_name import program
from tuilab.store.shipped import published_dir
from tuilab.store.snapshot import Snapshot

if TYPE_CHECKING:
    from tuilab.grid.request import Request

_QUEUE_OPTIONS = {"order": "--first", "hold": "--hold", "release": "--release"}


def shown_path(root: Path) -> str:
    """Write an experiment's directory as short as a shell would take it."""
    if root == published_dir():
        return "published"
    try:
        return shlex.quote(str(root.relative_to(Path.cwd())))
    except ValueError:
        return shlex.quote(str(root))


def selectors(cells: Sequence[Cell], everything: Sequence[Cell]) -> list[str]:
    """Name cells as few selectors as the grid allows: whole rows and columns by ``*``."""
    wanted = set(cells)
    one_seed = len({cell.seed for cell in everything}) < 2
    rows = {cell.source: [c for c in everything if c.source == cell.source] for cell in cells}
    found: list[str] = []
    for source, row in rows.items():
        if len(row) > 1 and all(cell in wanted for cell in row):
            found.append(f"{source}@*")
            continue
        found += [
            f"{source}@{cell.epoch}" + ("" if one_seed else f"#{cell.seed}")
            for cell in row
            if cell in wanted
        ]
    return found


def command(verb: str, root: Path | None, words: Iterable[str] = ()) -> str:
    """Compose ``tuilab VERB DIR WORD...`` with shell quoting, as it works where the user is.

    Without ``root`` it is about no experiment.
    """
    place = [] if root is None else [shown_path(root)]
    return " ".join([program(), verb, *place, *(shlex.quote(word) for word in words)])


def opening(root: Path) -> str:
    """Compose the command that opens an experiment."""
    return f"{program()} published" if root == published_dir() else command("open", root)


def of_jobs(request: Request, root: Path) -> str:
    """Compose the command that stops, moves, holds or releases single jobs."""
    if request.verb == "stop":
        return command("stop", root, request.jobs)
    option = _QUEUE_OPTIONS[request.verb]
    return command("queue", root, [word for job in request.jobs for word in (option, job)])


def of_cell(snapshot: Snapshot, cell: Cell) -> str:
    """Compose the command that shows a cell's log; of results alone, the one of their table."""
    if snapshot.imported_from:
        return command("table", snapshot.root)
    return command("logs", snapshot.root, selectors([cell], [one.cell for one in snapshot.cells]))


def relaunch(
    root: Path,
    names: Sequence[str],
    from_stage: str | None = None,
    sets: Mapping[str, Any] | None = None,
    restart: bool = False,
    as_planned: bool = False,
) -> str:
    """Compose the relaunch command with stage, edits and whether it begins from scratch."""
    words = list(names)
    if from_stage:
        words += ["--from", from_stage]
    if restart:
        words.append("--restart")
    if as_planned:
        words.append("--as-planned")
    for key, value in (sets or {}).items():
        words += ["--set", f"{key}={value}"]
    return command("relaunch", root, words)
