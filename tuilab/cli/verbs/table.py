"""``tuilab table``: the headline table with intervals, n and what was left out."""

from __future__ import annotations

from typing import Annotated

import typer

from tuilab.cli import complete
from tuilab.cli.errors import OK, USAGE, RefusalError
from tuilab.cli.output import out, terminal_width
from tuilab.cli.resolve import find_experiment
from tuilab.cli.verbs.arguments import AsJson, Layer, ModelState, OptionalDir
from tuilab.study.headline_table import render
from tuilab.study.study import open_study
from tuilab.study.table_formats import FORMATS

Layout = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="text, md, csv, latex or json.",
        autocompletion=complete.one_of(lambda: FORMATS),
    ),
]
Full = Annotated[
    bool, typer.Option("--full", help="Also the rise, counts, early fractions and other metrics.")
]


def table(
    directory: OptionalDir = None,
    layout: Layout = "text",
    full: Full = False,
    layer: Layer = None,
    state: ModelState = None,
    as_json: AsJson = False,
) -> int:
    """Show the headline table: baseline, peak, final, net, intervals and n. n/a is not 0.

    \b
    tuilab table runs/tiny
    tuilab table published --format md
    tuilab table runs/eps109 --layer 20
    """
    chosen = "json" if as_json else layout
    if chosen not in FORMATS:
        raise RefusalError(f"unknown format {chosen!r}: use {', '.join(FORMATS)}", USAGE)
    out(
        render(open_study(find_experiment(directory), layer, state), chosen, full, terminal_width())
    )
    return OK
