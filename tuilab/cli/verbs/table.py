"""``tuilab table``: measured leakage by source and epoch, in plain text."""

from __future__ import annotations

from tuilab.cli.guard import OK
from tuilab.cli.verbs.arguments import AsJson, OptionalDir


def table(directory: OptionalDir = None, as_json: AsJson = False) -> int:
    """Show leakage and source rate with hits and n; what is not measured is n/a.

    \b
    tuilab table runs/tiny
    """
    from tuilab.cli.places import find_experiment
    from tuilab.cli.say import document, out
    from tuilab.cli.status_text import leakage_table
    from tuilab.store.status import status

    root = find_experiment(directory)
    found = status(root)
    if as_json:
        document({key: found[key] for key in ("experiment", "synthetic", "cells")})
        return OK
    for line in leakage_table(found, labels_of(root)):
        out(line)
    return OK


def labels_of(root: object) -> dict[str, str]:
    """Return the labels of an experiment's personas; {} where there is no plan."""
    from pathlib import Path

    from tuilab.store.plan_file import PlanFileError, load_plan

    try:
        return dict(load_plan(Path(str(root))).labels)
    except PlanFileError:
        return {}
