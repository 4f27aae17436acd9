"""``tuilab note``: write down what to remember of cells or of the experiment, or list it."""

from __future__ import annotations

from typing import Annotated

import typer

from tuilab.cli import complete
from tuilab.cli.errors import OK, USAGE, RefusalError
from tuilab.cli.output import document, out, plain, tell
from tuilab.cli.requests import ask
from tuilab.cli.resolve import find_grid
from tuilab.cli.verbs.arguments import AsJson, Cells, Dir
from tuilab.grid.notes import Note, read_tags
from tuilab.store.reader import Reader
from tuilab.store.status import note_as_json

Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", help="Add a tag.", autocompletion=complete.tags),
]
Untags = Annotated[
    list[str] | None,
    typer.Option("--untag", metavar="TAG", help="Remove a tag.", autocompletion=complete.tags),
]


def note(
    directory: Dir,
    cells: Cells = None,
    text: Annotated[
        str | None, typer.Option("--text", metavar="TEXT", help='The note; "" takes it back.')
    ] = None,
    tag: Tags = None,
    untag: Untags = None,
    as_json: AsJson = False,
) -> int:
    """Write a note or tags on cells, or on the experiment when no cell is named.

    Without an option: list what is written. Notes appear in table, report and JSON; `#tag`
    filters by tag.

    \b
    tuilab note runs/tiny villain@4 --text "odd: look at the completions" --tag check
    tuilab note runs/tiny --text "the run for the appendix"
    tuilab note runs/tiny
    """
    root = find_grid(directory)
    snapshot = Reader(root).poll(0.0)
    try:
        options = {"text": text, "tags": read_tags(tag or ()), "untag": read_tags(untag or ())}
    except ValueError as error:
        raise RefusalError(str(error), USAGE) from None
    if text is None and not tag and not untag:
        wanted = set(cells or ())
        found = {"": snapshot.note} | {str(view.cell): view.note for view in snapshot.cells}
        written = {name: one for name, one in found.items() if one}
        names = (name for name in written if not wanted or wanted & {name, name.partition("#")[0]})
        _show({name: written[name] for name in names}, as_json)
        return OK
    reply = ask(root, "note", cells=tuple(cells or ()), options=options)
    if as_json:
        document({"accepted": reply.accepted, "why": reply.why})
    else:
        tell(plain(reply.why or "noted"))
    return reply.code


def _show(notes: dict[str, Note], as_json: bool) -> None:
    if as_json:
        told = [{"cell": name or None, **note_as_json(one)} for name, one in notes.items()]
        document({"notes": told})
        return
    for name, one in notes.items():
        out(plain(f"{name or 'experiment'}: {one}"))
    if not notes:
        out("there are no notes")
