"""``tuilab status``: the state of the grid; ``quick.py`` answers the calls of scripts."""

from __future__ import annotations

from tuilab.cli.quick import show_status
from tuilab.cli.verbs.arguments import AsJson, Metric, OptionalDir


def status(directory: OptionalDir = None, metric: Metric = "", as_json: AsJson = False) -> int:
    """Show the state of an experiment: counts, values, and what went wrong.

    \b
    tuilab status
    tuilab status runs/tiny --metric cosine
    tuilab status runs/tiny --json | jq .counts
    """
    return show_status(directory, as_json, metric)
