"""``tuilab gc``: drafts and leftovers that nobody needs, listed and then removed."""

from __future__ import annotations

import typer

from tuilab.cli.errors import ERROR, OK
from tuilab.cli.output import document, is_interactive, out, plain, tell
from tuilab.cli.resolve import find_experiment
from tuilab.cli.verbs.arguments import AsJson, DryRun, OptionalDir, Yes
from tuilab.grid.text import count_of, size
from tuilab.store.gc import delete, leftovers
from tuilab.store.layout import Layout


def gc(
    directory: OptionalDir = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> int:
    """Remove drafts, scratch models and old worker folders. Attempts are always kept.

    \b
    tuilab gc runs/tiny --dry-run
    tuilab gc runs/tiny --yes
    """
    layout = Layout(find_experiment(directory))
    found = leftovers(layout)
    total = sum(one.size for one in found)
    if not as_json:
        for one in found:
            out(f"{size(one.size):>9}  {plain(str(one.path))}  ({plain(one.why)})")
        out(f"{count_of(len(found), 'leftover')}, {size(total)}")
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
