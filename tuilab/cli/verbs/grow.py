"""``tuilab grow``: more sources, epochs, seeds and variants; what it changes is shown first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer

from tuilab.cli import complete
from tuilab.cli.errors import ERROR, OK, USAGE, RefusalError, guarded
from tuilab.cli.experiments import gc_command, grown
from tuilab.cli.output import document, out, plain, tell
from tuilab.cli.requests import agreed
from tuilab.cli.resolve import find_own_grid
from tuilab.cli.runner_programs import refuse_without_workers
from tuilab.cli.verbs.arguments import AsJson, Dir, DryRun, Headless, SeveralValues, Yes
from tuilab.cli.verbs.run import run_cells
from tuilab.grid.cells import Cell
from tuilab.grid.grow_config import GrowError, More, variants_from
from tuilab.grid.growth import as_record, growth_lines
from tuilab.grid.lines import ARMS, persona_of
from tuilab.grid.text import count_of, nearest
from tuilab.store.growth import Proposal, propose
from tuilab.store.layout import Layout
from tuilab.store.plan_file import load_plan
from tuilab.store.read_state import read_state

app = typer.Typer(add_completion=False, rich_markup_mode=None)

Sources = Annotated[
    list[str] | None,
    typer.Option(
        "--sources",
        metavar="S...",
        help="Personas to add as sources.",
        autocompletion=complete.new_sources,
    ),
]
Epochs = Annotated[
    list[str] | None, typer.Option("--epochs", metavar="N...", help="Convergence epochs to add.")
]
Seeds = Annotated[
    list[str] | None, typer.Option("--seeds", metavar="N...", help="Training seeds to add.")
]
Arms = Annotated[
    list[str] | None,
    typer.Option(
        "--arms",
        metavar="A...",
        help="Arms to add: A, B0, C.",
        autocompletion=complete.one_of(lambda: ARMS),
    ),
]
DataSeeds = Annotated[
    list[str] | None, typer.Option("--data-seeds", metavar="N...", help="Data seeds to add.")
]
Axes = Annotated[
    list[str] | None,
    typer.Option("--axes", metavar="KEY=V,V...", help="Levels to add: marker.lr=1e-5,2e-5."),
]


Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="SOURCE...",
        help="Run the new cells of these sources alone.",
        autocompletion=complete.sources,
    ),
]


@app.command("grow", cls=SeveralValues)
@guarded
def grow(
    directory: Dir,
    sources: Sources = None,
    epochs: Epochs = None,
    seeds: Seeds = None,
    arms: Arms = None,
    data_seeds: DataSeeds = None,
    axes: Axes = None,
    only: Only = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    headless: Headless = False,
    as_json: AsJson = False,
) -> int:
    """Add sources, epochs, seeds or variants to an experiment, and run the new cells.

    First shows what is new, what it takes and what would become stale; at a terminal it asks.
    Finished cells keep their state and numbers, unless an epoch after the last one of the
    convergence makes that train longer. experiment.toml keeps its comments; you can also edit it
    and type `tuilab run DIR`.

    \b
    tuilab grow runs/tiny --epochs 1 3 --dry-run
    tuilab grow runs/tiny --seeds 43 44 --yes
    tuilab grow runs/eps109 --sources pirate poet
    tuilab grow runs/eps109 --seeds 43 --only software_engineer
    tuilab grow runs/eps109 --arms B0 --axes marker.lr=1e-5
    """
    root = find_own_grid(directory)
    more = replace(
        _variants([*_words(arms), *(axes or ())]),
        sources=tuple(_words(sources)),
        epochs=_numbers("--epochs", epochs),
        seeds=_numbers("--seeds", seeds),
        data_seeds=_numbers("--data-seeds", data_seeds),
    )
    if not more:
        said = "say what to add: --sources, --epochs, --seeds, --arms, --data-seeds or --axes"
        raise RefusalError(said, USAGE)
    before = load_plan(root)
    found = propose(Layout(root), before, lambda plan: read_state(root, plan), more)
    cells = _chosen(found, _words(only))
    if as_json and dry_run:
        document(_as_document(found))
        return OK
    for line in growth_lines(found.growth, gc_command(root)):
        (tell if as_json else out)(plain(line))
    if only:
        said = f"run now: {len(cells)} of them, of {', '.join(_words(only))}; the others on request"
        (tell if as_json else out)(plain(said))
    if dry_run:
        return OK
    if not (as_json or agreed(f"grow the grid and run {count_of(len(cells), 'new cell')}?", yes)):
        return ERROR
    refuse_without_workers(found.plan.resources)
    return run_cells(root, grown(root, more), list(map(str, cells)), headless, as_json=as_json)


def _chosen(found: Proposal, only: Sequence[str]) -> list[Cell]:
    """Return the new cells of some sources, all of them where none is named."""
    new = list(found.growth.new)
    known = {name for cell in new for name in (cell.source, persona_of(cell.source))}
    for name in only:
        if name not in known:
            why = f"--only {name}: no new cell is of this source{nearest(name, known)}"
            raise RefusalError(why, USAGE)
    return [cell for cell in new if not only or {cell.source, persona_of(cell.source)} & set(only)]


def _as_document(found: Proposal) -> dict[str, Any]:
    return {
        **as_record(found.growth),
        "jobs": [one.job for one in found.growth.run.jobs],
        "seconds": found.growth.seconds and round(found.growth.seconds, 1),
        "bytes": found.growth.bytes,
    }


def _variants(words: list[str]) -> More:
    try:
        return variants_from(words)
    except GrowError as error:
        raise RefusalError(str(error), USAGE) from None


def _words(given: list[str] | None) -> list[str]:
    return [word for text in given or () for word in text.split(",") if word]


def _numbers(option: str, given: list[str] | None) -> tuple[int, ...]:
    words = _words(given)
    if wrong := [word for word in words if not word.isdecimal()]:
        raise RefusalError(f"{option}: {wrong[0]!r} is not a whole number of 0 or more", USAGE)
    return tuple(map(int, words))
