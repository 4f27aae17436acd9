"""``tuilab gc``: drafts and leftovers that nobody needs, listed and then removed."""

from __future__ import annotations

from typing import Annotated

import typer

from tuilab.cli.errors import ERROR, OK
from tuilab.cli.output import document, is_interactive, out, plain, tell
from tuilab.cli.resolve import find_experiment
from tuilab.cli.verbs.arguments import AsJson, DryRun, OptionalDir, Yes
from tuilab.grid.text import count_of, size
from tuilab.store.gc import Kind, delete, leftovers
from tuilab.store.layout import Layout

Unplanned = Annotated[
    bool,
    typer.Option(
        "--unplanned", help="Also remove the results of jobs that are no longer planned, for good."
    ),
]


def gc(
    directory: OptionalDir = None,
    unplanned: Unplanned = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> int:
    """Remove drafts, scratch models and old worker folders.

    Attempts of planned jobs are always kept; those of jobs that are no longer planned are kept
    unless --unplanned is given.

    \b
    tuilab gc runs/tiny --dry-run
    tuilab gc runs/tiny --yes
    """
    layout = Layout(find_experiment(directory))
    every = leftovers(layout)
    found = [one for one in every if unplanned or one.kind is not Kind.UNPLANNED]
    total = sum(one.size for one in found)
    if not as_json:
        for one in found:
            out(f"{size(one.size):>9}  {plain(str(one.path))}  ({plain(one.why)})")
        out(f"{count_of(len(found), 'leftover')}, {size(total)}")
        if kept := [one.size for one in every if one not in found]:
            jobs = count_of(len(kept), "job")
            out(f"kept: {jobs} no longer planned, {size(sum(kept))} (--unplanned removes them)")
    removed = False
    if found and not dry_run:
        if not yes and not (is_interactive() and typer.confirm("remove them?", default=False)):
            tell("nothing was removed (--yes removes them without asking)")
            return ERROR
        delete(layout, found)
        removed = True
        tell(f"removed {size(total)}")
    if as_json:
        document(
            {
                "removed": removed,
                "bytes": total,
                "leftovers": [
                    {"path": str(one.path), "bytes": one.size, "why": one.why} for one in found
                ],
            }
        )
    return OK
