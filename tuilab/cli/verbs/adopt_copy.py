"""``tuilab adopt-copy``: make a copy of an experiment one of its own."""

from __future__ import annotations

from tuilab.cli.output import document, out_first, plain, tell
from tuilab.cli.requests import who
from tuilab.cli.resolve import find_grid
from tuilab.cli.verbs.arguments import AsJson, Dir
from tuilab.engine.adopt_copy import adopt_copy as adopt
from tuilab.grid.text import count_of


def adopt_copy(directory: Dir, as_json: AsJson = False) -> int:
    """Turn a copied experiment (cp -r, rsync, a snapshot) into one of its own.

    Until then a copy can only be looked at: the engine and workers that its files name belong to
    the original, which this leaves alone. Results are kept. Jobs that were under way when the copy
    was made count as stopped, and `tuilab run` continues them.

    \b
    cp -r runs/tiny runs/tiny-2
    tuilab adopt-copy runs/tiny-2
    """
    root = find_grid(directory)
    found = adopt(root, who())
    if as_json:
        document({"copy_of": found.of, "stopped": list(found.stopped), "requests": found.requests})
        return 0
    tell(plain(f"{root} has an id of its own now; it was a copy of {found.of}"))
    if found.stopped:
        tell(f"{count_of(len(found.stopped), 'job')} under way there, stopped here:")
        out_first(found.stopped, most=60)
    if found.requests:
        tell(f"{count_of(found.requests, 'request')} that was left for the original is not taken")
    return 0
