"""Opens a directory of results without a plan (published numbers, imported tables), read-only."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from tuilab.contract.parsing import loads, open_plain, read_bytes
from tuilab.grid.cells import Cell
from tuilab.grid.edits import read_edits
from tuilab.grid.engine_view import EngineView
from tuilab.grid.lines import persona_of
from tuilab.grid.metrics import COLUMNS, measures_in, numbers_of
from tuilab.grid.states import State
from tuilab.store.find_experiments import DESIGN_FILE, RESULTS_FILE
from tuilab.store.snapshot import CellView, Snapshot

EDITS = "edits"
OPTIONAL = ("question_hits", "questions", EDITS, "accepted")
"""Columns that a table has only where one of its rows says something there."""
Row = dict[str, Any]


class ResultsError(Exception):
    """The directory's tables cannot be used; the text names file, row and what is wrong."""


@dataclass(frozen=True, slots=True)
class ResultsDesign:
    """What design.json says: the grid the rows are read against."""

    name: str
    sources: tuple[str, ...]
    """Persona keys in display order."""
    labels: Mapping[str, str]
    target: str
    epochs: tuple[int, ...]
    seeds: tuple[int, ...]
    reference: str | None = None
    headline_cosine: Mapping[str, Any] = field(default_factory=dict)
    """{"layer", "pool", "model_state"}"""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    seed_given: bool = True
    """Whether the table names its seed."""
    panel: tuple[str, ...] = ()
    """Evaluated personas in display order; () when only the rows tell."""


def read_results(root: Path) -> Snapshot:
    """Build the one snapshot of a results directory: cells done, stale, failed or idle.

    A planned cell without a row is idle (never measured, never zero). Raises ResultsError.
    """
    design = read_design(root)
    rows = read_measurements(root)
    by_cell: dict[Cell, list[Row]] = {}
    for row in rows:
        by_cell.setdefault(Cell(row["source"], row["epoch"], row["seed"]), []).append(row)
    cells = tuple(
        _view(Cell(source, epoch, seed), by_cell.get(Cell(source, epoch, seed), []), design)
        for source in design.sources
        for seed in design.seeds
        for epoch in design.epochs
    )
    strangers = sorted(str(cell) for cell in set(by_cell) - {view.cell for view in cells})
    counts = Counter(view.state.value for view in cells)
    return Snapshot(
        name=design.name,
        root=root,
        sources=design.sources,
        labels=design.labels,
        epochs=design.epochs,
        seeds=design.seeds,
        target=design.target,
        cells=cells,
        shared=(),
        engine=EngineView(),
        counts={state.value: counts[state.value] for state in State if counts[state.value]},
        sequence=1,
        taken_at=(root / RESULTS_FILE).stat().st_mtime,
        reference=design.reference,
        headline_cosine=design.headline_cosine,
        problems=tuple(
            f"{RESULTS_FILE} has rows of {cell}, not in {DESIGN_FILE}" for cell in strangers[:5]
        ),
        read_only=True,
        imported_from=_origin(design.provenance),
        seed_given=design.seed_given,
        measured=measures_in(rows),
    )


def _origin(provenance: Mapping[str, Any]) -> str:
    """Name the file that was imported, otherwise ours and the card it belongs to."""
    if told := provenance.get("imported_from"):
        return str(told)
    card = provenance.get("card")
    return f"{RESULTS_FILE} of card {card}" if card else RESULTS_FILE


def read_design(root: Path) -> ResultsDesign:
    """Read design.json; ResultsError when it is missing a part."""
    path = root / DESIGN_FILE
    try:
        raw = loads(read_bytes(path))
        labels = {str(item["key"]): str(item["label"]) for item in raw["sources"]}
        panel = {str(item["key"]): str(item["label"]) for item in raw.get("panel", ())}
        target = str(raw["target"])
        return ResultsDesign(
            name=str(raw["name"]),
            sources=tuple(labels),
            labels={**panel, **labels, target: str(raw.get("target_label", target))},
            target=target,
            epochs=tuple(int(epoch) for epoch in raw["epochs"]),
            seeds=tuple(int(seed) for seed in raw["seeds"]),
            reference=raw.get("reference"),
            headline_cosine=dict(raw.get("headline_cosine") or {}),
            provenance=dict(raw.get("provenance") or {}),
            seed_given=raw.get("seed_given") is not False,
            panel=tuple(panel),
        )
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
    except KeyError as error:
        raise ResultsError(f"{path} lacks {error}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ResultsError(f"{path} is damaged: {error}") from error


def read_measurements(root: Path) -> list[Row]:
    """Read measurements.csv into typed rows (see COLUMNS); an empty field is None."""
    path = root / RESULTS_FILE
    try:
        with open_plain(path) as raw, TextIOWrapper(raw, "utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if missing := COLUMNS.keys() - set(OPTIONAL) - set(reader.fieldnames or ()):
                raise ResultsError(f"{path} lacks the columns {', '.join(sorted(missing))}")
            return [_typed(path, number, raw) for number, raw in enumerate(reader, start=2)]
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ResultsError(f"{path} is damaged: {error}") from error


def columns_of(rows: Iterable[Mapping[Any, Any]]) -> tuple[str, ...]:
    """Return the columns to write: the optional ones only where a row says something there."""
    empty = set(OPTIONAL)
    for row in rows:
        empty -= {name for name in empty if isinstance(row[name], str) and row[name]}
    return tuple(name for name in COLUMNS if name not in empty)


def _typed(path: Path, number: int, raw: Mapping[str, str | None]) -> Row:
    try:
        row: Row = {
            name: kind(raw[name]) if raw.get(name) else None for name, kind in COLUMNS.items()
        }
    except ValueError as error:
        raise ResultsError(f"{path}, row {number}: {error}") from error
    if row["source"] is None or row["epoch"] is None or row["metric"] is None:
        raise ResultsError(f"{path}, row {number}: needs source, epoch and metric")
    row["seed"] = 0 if row["seed"] is None else row["seed"]
    if row["value"] is not None and not math.isfinite(row["value"]):
        raise ResultsError(f"{path}, row {number}: the value is not a finite number")
    return row


def _view(cell: Cell, rows: list[Row], design: ResultsDesign) -> CellView:
    shown = (row for row in rows if row["status"] in (None, "measured", "stale"))
    if measured := [row for row in shown if row["value"] is not None]:
        state = State.STALE if all(r["status"] == "stale" for r in measured) else State.DONE
        told = (read_edits(row[EDITS] or "") for row in measured)
        edits = {key: value for one in told for key, value in one.items()}
        who, target = persona_of(cell.source), design.target
        return CellView(
            cell,
            state,
            None,
            metrics=numbers_of(measured, who, target, design.headline_cosine),
            deviation=edits,
            edits=edits,
        )
    bad = next((row for row in rows if row["status"] in ("failed", "suspect")), None)
    if bad is not None:
        return CellView(cell, State(bad["status"]), "eval", detail=bad["reason"] or "")
    detail = next((row["reason"] for row in rows if row["reason"]), "not measured")
    return CellView(cell, State.IDLE, None, detail=detail)
