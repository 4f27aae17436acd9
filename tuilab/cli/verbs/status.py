"""``tuilab status``: the grid as it stands; the JSON form loads nothing heavy."""

from __future__ import annotations

from tuilab.cli.guard import OK
from tuilab.cli.verbs.arguments import AsJson, OptionalDir


def status(directory: OptionalDir = None, as_json: AsJson = False) -> int:
    """Show the state of an experiment: counts, values, and what went wrong.

    \b
    tuilab status
    tuilab status runs/tiny --json | jq .counts
    """
    from tuilab.cli.places import find_experiment
    from tuilab.cli.say import document, out
    from tuilab.store.status import status as read_status

    found = read_status(find_experiment(directory))
    if as_json:
        document(found)
        return OK
    from tuilab.cli.status_text import as_text

    for line in as_text(found):
        out(line)
    return OK
