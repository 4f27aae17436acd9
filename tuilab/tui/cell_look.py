"""Reads what a cell measured and a few of its completions; slow: called off the event loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuilab.contract.parsing import loads, read_bytes
from tuilab.grid import toml
from tuilab.grid.jobs import job_id
from tuilab.grid.metrics import Row
from tuilab.grid.stages import Stage
from tuilab.grid.states import WITH_RESULT
from tuilab.store.find_experiments import DESIGN_FILE
from tuilab.store.layout import Layout
from tuilab.store.snapshot import CellView
from tuilab.tui.attempt_files import marker_of, questions_of, settings_of
from tuilab.tui.cell_evidence import Evidence, evidence_of
from tuilab.tui.present.completions_text import Completion, Questions

if TYPE_CHECKING:
    from tuilab.store.reader import Reader
    from tuilab.tui.poller import SnapshotSource

KEPT = 12
"""Completions to keep as examples."""


@dataclass(frozen=True, slots=True)
class CellLook:
    """What a cell measured, in full."""

    evidence: Evidence = ()
    """What it was read from: equal evidence, equal numbers."""
    rows: tuple[Row, ...] = ()
    """Every measured value and each that is missing, see ``grid/metrics.py:COLUMNS``."""
    samples: tuple[Completion, ...] = ()
    """Examples of the target's completions: two hits and a miss, and so on."""
    count: int = 0
    """Completions of the target in all; 0 where none are at hand."""
    marker: str = ""
    questions: Questions = field(default_factory=dict)
    """What the completions answer."""
    note: str = ""
    """What the config says of itself."""
    problem: str = ""
    """What could not be read."""


def look_at(reader: SnapshotSource | None, view: CellView) -> CellLook:
    """Read a cell's numbers and completions; what is damaged is told, never raised.

    A source that is no reader of files has nothing but its snapshots.
    """
    from tuilab.store.measurements import cell_rows
    from tuilab.store.reader import Reader

    if not isinstance(reader, Reader):
        return CellLook(evidence_of(Path(), view))
    evidence = evidence_of(reader.layout.root, view)
    note = note_of(reader.layout)
    try:
        rows = tuple(cell_rows(reader, view))
        found = list(_of_target(reader, view))
    except (OSError, ValueError) as error:
        return CellLook(evidence, note=note, problem=str(error))
    settings: Mapping[str, Any] = {}
    if not reader.is_results_only:
        cell = view.cell
        name = job_id(Stage.EVAL, cell.source, cell.epoch, cell.seed)
        settings = settings_of(reader.layout, reader.plan, name, view.attempt)
    marker, questions = marker_of(settings), questions_of(settings)
    return CellLook(evidence, rows, tuple(_examples(found)), len(found), marker, questions, note)


def _of_target(reader: Reader, view: CellView) -> Iterator[Completion]:
    from tuilab.store.measurements import completions

    if view.state not in WITH_RESULT or reader.is_results_only:
        return
    for row in completions(reader, view.cell):
        if row.get("persona") == reader.plan.target:
            yield row


def _examples(rows: Sequence[Completion]) -> list[Completion]:
    """Return hits and misses, two to one as long as there are both, of many questions."""
    by_sample = sorted(rows, key=lambda row: str(row.get("sample")))
    hits = [row for row in by_sample if row.get("hit")]
    others = [row for row in by_sample if not row.get("hit")]
    found: list[Completion] = []
    while len(found) < KEPT and (hits or others):
        found += hits[:2] + others[:1]
        hits, others = hits[2:], others[1:]
    return found[:KEPT]


def note_of(layout: Layout) -> str:
    """Return what the config (or the card of imported results) says of itself; "" for nothing."""
    try:
        design = layout.root / DESIGN_FILE
        is_table = design.is_file()
        path = design if is_table else layout.config
        stamp = path.stat()
        return _note(path, is_table, stamp.st_mtime_ns)
    except (OSError, ValueError, TypeError, AttributeError):
        return ""  # a damaged config is told where it matters


@lru_cache(maxsize=8)
def _note(path: Path, is_table: bool, _changed: int) -> str:
    if is_table:
        found: Any = (loads(read_bytes(path)).get("provenance") or {}).get("note")
    else:
        found = toml.loads(read_bytes(path).decode()).get("note")
    return str(found or "")
