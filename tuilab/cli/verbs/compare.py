"""``tuilab compare``: two experiments of one grid, cell by cell."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import typer

from tuilab.cli.errors import OK, USAGE, RefusalError
from tuilab.cli.output import document, out, plain, terminal_width
from tuilab.cli.resolve import find_experiment, find_metric
from tuilab.cli.verbs.arguments import AsJson, Dir, Layer, Metric, ModelState
from tuilab.grid.metrics import COSINES
from tuilab.grid.reference import as_lines as reference_lines
from tuilab.grid.reference import differences
from tuilab.science.replication import MARGIN
from tuilab.store.reader import Reader
from tuilab.study.comparability import comparability, record_of
from tuilab.study.comparison import compare as compare_snapshots
from tuilab.study.comparison import replicated, same_cells, shared_questions
from tuilab.study.comparison_text import as_document, as_lines
from tuilab.study.study import on_scale, open_study

Full = Annotated[bool, typer.Option("--full", help="Both values of every cell.")]
Margin = Annotated[
    float,
    typer.Option(
        "--margin",
        metavar="POINTS",
        min=0.1,
        max=100,
        help="Results up to this many points apart count as the same.",
    ),
]


def compare(
    one: Dir,
    other: Dir,
    metric: Metric = "",
    full: Full = False,
    margin: Margin = 100 * MARGIN,
    layer: Layer = None,
    state: ModelState = None,
    as_json: AsJson = False,
) -> int:
    """Compare two experiments of one grid: how far apart they are and what chance explains.

    Ends with a word on each source: replicates, contradicts, or cannot tell.

    \b
    tuilab compare published runs/eps109
    tuilab compare runs/tiny runs/tiny-again --metric cosine
    tuilab compare runs/tiny runs/tiny-again --layer 3 --state base
    """
    roots = [find_experiment(name) for name in (one, other)]
    if layer is None and state is None:
        readers = [Reader(root) for root in roots]
        first, second = (reader.poll(time.time()) for reader in readers)
    else:
        studies = [open_study(root, layer, state) for root in roots]
        readers = [study.reader for study in studies]
        first, second = (on_scale(study) for study in studies)
        metric = metric or COSINES.name
        if find_metric(metric, first.measured) != COSINES.name:
            raise RefusalError(
                "--layer and --state choose cosines: say --metric cosine with them.", USAGE
            )
    metric = find_metric(metric, first.measured)
    shared = shared_questions((readers[0], readers[1]), first, second, [metric])
    found = compare_snapshots(first, second, metric, shared)
    records = [record_of(reader, name) for reader, name in zip(readers, found.names, strict=True)]
    apart = comparability(records, same_cells(first, second))
    outcomes = replicated(first, second, found.metric, margin / 100)
    unlike = {
        name: differences(reader.plan)
        for name, reader in zip(found.names, readers, strict=True)
        if not reader.is_results_only
    }
    if as_json:
        told = {name: [asdict(one) for one in of] for name, of in unlike.items()}
        document({**as_document(found, apart, outcomes), "unlike_reference": told})
        return OK
    for line in as_lines(found, apart, terminal_width(), outcomes, full):
        out(line)
    for name, of in unlike.items():
        for place, line in enumerate(reference_lines(of)):
            out(plain(f"{name}: {line}" if not place else line))
    return OK
