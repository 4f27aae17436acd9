"""Verbs of the command line that the palette offers: they run in this terminal, as typed."""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple

from tuilab.store.snapshot import Snapshot
from tuilab.tui.present import cli_equivalent


class ShellVerb(NamedTuple):
    """One line of the palette."""

    title: str
    verb: str
    words: tuple[str, ...] = ()
    """Behind the experiment's folder; CELL is the cell under the cursor."""
    asks: str = ""
    """What a person has to add, with an example; "" when nothing is missing."""
    is_of_experiment: bool = True
    """Whether its first word is the experiment's folder."""
    needs_plan: bool = False
    """Whether it is for experiments that ran here, not for results alone."""


VERBS = (
    ShellVerb("write a report with figures, tables and claims", "report"),
    ShellVerb("judge claims against the results", "claims"),
    ShellVerb("export the cell's merged model or adapter", "export", ("CELL",), needs_plan=True),
    ShellVerb("compare with another experiment", "compare", asks="its folder: runs/other"),
    ShellVerb(
        "import a table of results",
        "import",
        asks="the file and a name: results.csv --name mine",
        is_of_experiment=False,
    ),
    ShellVerb("fetch the base model now", "fetch", needs_plan=True),
    ShellVerb(
        "gather results from another machine",
        "gather",
        asks="where they are: pod1:/workspace/runs/eps109",
        is_of_experiment=False,
    ),
    ShellVerb("score stored completions again", "rescore", ("--headless",), needs_plan=True),
    ShellVerb("say how many seeds find a change", "design", needs_plan=True),
    ShellVerb("show what is left to run: time, disk, checks", "plan", needs_plan=True),
    ShellVerb("list leftovers on disk", "gc", ("--dry-run",), needs_plan=True),
    ShellVerb("check this machine", "doctor", is_of_experiment=False),
    ShellVerb("show your own settings", "config", ("show",), is_of_experiment=False),
    ShellVerb("edit your own settings", "config", ("edit",), is_of_experiment=False),
    ShellVerb("try who is notified", "notify", ("--test",), is_of_experiment=False),
)


def own_command(line: str, snapshot: Snapshot | None, cell: str) -> str | None:
    """Fill in a command of the person's own; None where there is no experiment or cell for it."""
    about = {"{dir}": str(snapshot.root.absolute()) if snapshot else "", "{cell}": cell}
    if any(name in line and not value for name, value in about.items()):
        return None
    # At once: a folder may be called {cell}.
    return re.sub(r"\{dir\}|\{cell\}", lambda found: shlex.quote(about[found[0]]), line)


def words_of(one: ShellVerb, snapshot: Snapshot | None, cell: str, added: str = "") -> str | None:
    """Compose the command line; None where there is nothing that it could be about."""
    if one.needs_plan and (snapshot is None or snapshot.imported_from):
        return None
    if one.is_of_experiment and snapshot is None:
        return None
    if "CELL" in one.words and not cell:
        return None
    rest = [cell if word == "CELL" else word for word in one.words]
    root = snapshot.root if one.is_of_experiment and snapshot is not None else None
    told = cli_equivalent.command(one.verb, root, rest)
    return f"{told} {added or one.asks.partition(': ')[2]}".rstrip()
