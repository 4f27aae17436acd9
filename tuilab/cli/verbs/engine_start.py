"""``tuilab engine-start``: starts the engine of an experiment; what the screen's key does."""

from __future__ import annotations

from typing import Annotated

import typer

from tuilab.cli.errors import OK
from tuilab.cli.requests import start_engine
from tuilab.cli.resolve import find_experiment
from tuilab.cli.verbs.arguments import Dir


def engine_start(
    directory: Dir,
    go: Annotated[bool, typer.Option(help="Start queued work at once.")] = True,
    takeover: Annotated[
        bool, typer.Option("--takeover", help="Replace an engine that is alive.")
    ] = False,
) -> int:
    """Start the engine of an experiment unless one is alive.

    \b
    tuilab engine-start runs/tiny
    """
    start_engine(find_experiment(directory), go, takeover)
    return OK
