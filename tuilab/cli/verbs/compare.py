"""``tuilab compare``: two experiments of one grid, cell by cell."""

from __future__ import annotations

import time

from tuilab.cli.errors import OK
from tuilab.cli.output import document, out, terminal_width
from tuilab.cli.resolve import find_experiment, find_metric
from tuilab.cli.verbs.arguments import AsJson, Dir, Metric
from tuilab.store.reader import Reader
from tuilab.study.comparability import comparability, record_of
from tuilab.study.comparison import compare as compare_snapshots
from tuilab.study.comparison import same_cells
from tuilab.study.comparison_text import as_document, as_lines


def compare(one: Dir, other: Dir, metric: Metric = "", as_json: AsJson = False) -> int:
    """Compare two experiments of one grid: how far apart, what chance explains, what differs.

    \b
    tuilab compare published runs/eps109
    tuilab compare runs/tiny runs/tiny-again --metric cosine
    """
    readers = [Reader(find_experiment(name)) for name in (one, other)]
    first, second = (reader.poll(time.time()) for reader in readers)
    found = compare_snapshots(first, second, find_metric(metric, first.measured))
    records = [record_of(reader, name) for reader, name in zip(readers, found.names, strict=True)]
    apart = comparability(records, same_cells(first, second))
    if as_json:
        document(as_document(found, apart))
        return OK
    for line in as_lines(found, apart, terminal_width()):
        out(line)
    return OK
