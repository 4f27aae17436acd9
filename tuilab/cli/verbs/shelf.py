"""``tuilab delete``, ``archive`` and ``rename``: what becomes of a whole experiment."""

from __future__ import annotations

from typing import Annotated

import typer

from tuilab.cli.errors import ERROR, OK, RefusalError
from tuilab.cli.output import document, is_interactive, out, plain, tell
from tuilab.cli.resolve import find_experiment
from tuilab.cli.verbs.arguments import AsJson, Dir, DryRun, Yes
from tuilab.store import shelf
from tuilab.store.status import lazy_status
from tuilab.store.volume import weigh


def delete(
    directory: Dir, dry_run: DryRun = False, yes: Yes = False, as_json: AsJson = False
) -> int:
    """Delete an experiment for good, after saying what and how much. Refused while it runs.

    \b
    tuilab delete runs/old --dry-run
    tuilab delete runs/old --yes
    """
    root = find_experiment(directory)
    weight = weigh(root)
    why = shelf.why_not(root)
    if as_json:
        told = {"root": str(root), "bytes": weight.bytes, "files": weight.files}
        document({**told, "refused": why or None, "deleted": bool(yes and not dry_run and not why)})
    else:
        counts = "  ".join(f"{word} {count}" for word, count in lazy_status(root)["counts"].items())
        out(plain(f"{root}: {weight}; cells: {counts or 'none'}"))
    if why:
        raise RefusalError(why)
    if dry_run:
        return OK
    if not yes and not (is_interactive() and typer.confirm("delete it for good?", default=False)):
        tell("nothing was deleted (--yes deletes without asking)")
        return ERROR
    shelf.delete(root)
    tell(f"deleted {weight}")
    return OK


def archive(directory: Dir) -> int:
    """Move an experiment to archive/ beside it, out of the lists, or bring an archived one back.

    \b
    tuilab archive runs/old
    tuilab archive runs/archive/old
    """
    out(str(shelf.archive(find_experiment(directory))))
    return OK


def rename(
    directory: Dir, name: Annotated[str, typer.Argument(metavar="NAME", help="The new name.")]
) -> int:
    """Give an experiment's folder another name. Results, journal and id stay as they are.

    Status, table and report still show the name in its config.

    \b
    tuilab rename runs/tiny first-try
    """
    out(str(shelf.rename(find_experiment(directory), name)))
    return OK
