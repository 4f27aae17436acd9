"""The arguments and options that several verbs share."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from tuilab.cli import complete
from tuilab.contract.centroids import MODEL_STATES
from tuilab.grid.metrics import METRICS

Dir = Annotated[
    str,
    typer.Argument(
        metavar="DIR",
        help="Experiment directory, or its name in runs/.",
        autocompletion=complete.experiments,
    ),
]
OptionalDir = Annotated[
    str | None,
    typer.Argument(
        metavar="DIR",
        help="Experiment directory; by default the newest here.",
        autocompletion=complete.experiments,
    ),
]
DirOrConfig = Annotated[
    str,
    typer.Argument(
        metavar="DIR|CONFIG",
        help="Experiment directory, config file, or the name of either (tiny, eps109, ...).",
        autocompletion=complete.experiments_or_configs,
    ),
]
Cells = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CELL",
        help="villain@4, villain@*, *@0, villain@4#42",
        autocompletion=complete.cells,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Metric = Annotated[
    str,
    typer.Option(
        "--metric",
        metavar="METRIC",
        show_default=False,
        help=f"Which number: {', '.join(METRICS)}, a measure of the config, or a short name; "
        "the headline by default.",
        autocompletion=complete.metrics,
    ),
]
Layer = Annotated[
    int | None,
    typer.Option("--layer", metavar="N", help="Cosines of this layer, not the headline's."),
]
ModelState = Annotated[
    str | None,
    typer.Option(
        "--state",
        metavar="STATE",
        help=f"Cosines of this model: {', '.join(MODEL_STATES)}.",
        autocompletion=complete.one_of(lambda: MODEL_STATES),
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would happen and change nothing.")
]
Yes = Annotated[
    bool, typer.Option("--yes", "-y", "--no-input", help="Do not ask for confirmation.")
]
Headless = Annotated[
    bool, typer.Option("--headless", help="No screen: print progress until the cells are finished.")
]
Where = Annotated[
    str | None,
    typer.Option("--dir", metavar="DIR", help="Folder of the experiment; runs/NAME by default."),
]
ReadOnly = Annotated[
    bool, typer.Option("--read-only", help="Open the screen to look only: it changes nothing.")
]
Ascii = Annotated[bool, typer.Option("--ascii", help="Use ASCII characters on the screen.")]
Theme = Annotated[
    str | None,
    typer.Option(
        "--theme",
        metavar="NAME",
        help="Colour theme of the screen.",
        autocompletion=complete.themes,
    ),
]


class SeveralValues(TyperCommand):
    """A command whose repeatable options take several words at once: ``--epochs 1 3``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat such an option before each of its words, as click wants it."""
        many = {name for one in self.params if getattr(one, "multiple", False) for name in one.opts}
        spread: list[str] = []
        last = ""
        for word in args:
            if word.startswith("-"):
                last = word if word in many else ""
            elif last and spread[-1] != last:
                spread.append(last)
            spread.append(word)
        return super().parse_args(ctx, spread)
