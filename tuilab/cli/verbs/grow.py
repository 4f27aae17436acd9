"""``tuilab grow``: more sources, epochs and seeds; what that changes is shown first."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuilab.cli.errors import ERROR, OK, USAGE, RefusalError, guarded
from tuilab.cli.experiments import gc_command, grown
from tuilab.cli.output import document, out, plain, tell
from tuilab.cli.requests import agreed
from tuilab.cli.resolve import find_own_grid
from tuilab.cli.runner_programs import refuse_without_workers
from tuilab.cli.verbs.arguments import AsJson, Dir, DryRun, Headless, SeveralValues, Yes
from tuilab.cli.verbs.run import run_cells
from tuilab.grid.grow_config import More
from tuilab.grid.growth import as_record, growth_lines
from tuilab.grid.text import count_of
from tuilab.store.growth import Proposal, propose
from tuilab.store.layout import Layout
from tuilab.store.plan_file import load_plan
from tuilab.store.state import read_state

app = typer.Typer(add_completion=False, rich_markup_mode=None)

Sources = Annotated[
    list[str] | None, typer.Option("--sources", metavar="S...", help="Personas to add as sources.")
]
Epochs = Annotated[
    list[str] | None, typer.Option("--epochs", metavar="N...", help="Convergence epochs to add.")
]
Seeds = Annotated[
    list[str] | None, typer.Option("--seeds", metavar="N...", help="Training seeds to add.")
]


@app.command("grow", cls=SeveralValues)
@guarded
def grow(
    directory: Dir,
    sources: Sources = None,
    epochs: Epochs = None,
    seeds: Seeds = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    headless: Headless = False,
    as_json: AsJson = False,
) -> int:
    """Add sources, epochs or seeds to an experiment, and run the new cells.

    Shows first what is new, what it takes, and what would become stale; at a terminal it asks.
    Finished cells keep their state and numbers; only an epoch after the last of the convergence
    makes them stale, since that trains longer. experiment.toml keeps its comments; editing it by
    hand and `tuilab run DIR` does the same.

    \b
    tuilab grow runs/tiny --epochs 1 3 --dry-run
    tuilab grow runs/tiny --seeds 43 44 --yes
    tuilab grow runs/eps109 --sources pirate poet
    """
    root = find_own_grid(directory)
    more = More(tuple(_words(sources)), _numbers("--epochs", epochs), _numbers("--seeds", seeds))
    if not more:
        raise RefusalError("say what to add: --sources, --epochs or --seeds", USAGE)
    before = load_plan(root)
    found = propose(Layout(root), before, lambda plan: read_state(root, plan), more)
    if as_json and dry_run:
        document(_as_document(found))
        return OK
    for line in growth_lines(found.growth, gc_command(root)):
        (tell if as_json else out)(plain(line))
    if dry_run:
        return OK
    cells = found.growth.new
    if not (as_json or agreed(f"grow the grid and run {count_of(len(cells), 'new cell')}?", yes)):
        return ERROR
    refuse_without_workers(found.plan.resources)
    return run_cells(root, grown(root, more), list(map(str, cells)), headless, as_json=as_json)


def _as_document(found: Proposal) -> dict[str, Any]:
    return {
        **as_record(found.growth),
        "jobs": [one.job for one in found.growth.run.jobs],
        "seconds": round(found.growth.seconds, 1),
        "bytes": found.growth.bytes,
    }


def _words(given: list[str] | None) -> list[str]:
    return [word for text in given or () for word in text.split(",") if word]


def _numbers(option: str, given: list[str] | None) -> tuple[int, ...]:
    words = _words(given)
    if wrong := [word for word in words if not word.isdecimal()]:
        raise RefusalError(f"{option}: {wrong[0]!r} is not a whole number of 0 or more", USAGE)
    return tuple(map(int, words))
