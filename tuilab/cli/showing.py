"""Shows the state of an experiment in plain text or JSON; loads nothing heavy."""

from __future__ import annotations

from tuilab.cli.guard import OK
from tuilab.cli.places import find_experiment
from tuilab.cli.say import document, out


def show_status(directory: str | None, as_json: bool) -> int:
    """Print where an experiment stands; the newest one here when none is named."""
    from tuilab.store.status import status

    found = status(find_experiment(directory))
    if as_json:
        document(found)
        return OK
    from tuilab.cli.status_text import as_text

    for line in as_text(found):
        out(line)
    return OK
