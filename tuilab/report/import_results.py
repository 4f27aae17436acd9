"""Turns a measurements frame into a results-only experiment directory, and a CSV into a frame."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuilab.contract import atomic
from tuilab.report.csv_table import ImportRefusedError, read_csv, refusal
from tuilab.store.experiment import DESIGN_FILE, RESULTS_FILE
from tuilab.store.results_only import columns_of
from tuilab.study.table_formats import as_csv

if TYPE_CHECKING:
    import pandas as pd

    from tuilab.science.design import Design

PERCENT_HINT = "(is the table in percent?)"


@dataclass(frozen=True, slots=True, eq=False)
class ReadTable:
    """A file's measurements with the order that people gave them."""

    frame: pd.DataFrame
    """A measurements frame in canonical order."""
    sources: tuple[str, ...]
    """Sources in the order of the file."""
    seed_given: bool
    """Whether any row names a seed."""


def read_table(path: Path, unit: str, target: str) -> ReadTable:
    """Read a tidy CSV into measurements; every problem of the file is named by its line.

    Columns: source, epoch, metric, and value or hits and n; optionally seed, persona, layer, pool,
    model_state, status, reason, edits. ``unit`` is ``rate`` (0..1) or ``percent``.
    Raises ImportRefusedError.
    """
    import pandas as pd

    from tuilab.science.frame import BLANK, measurements
    from tuilab.science.schema import MeasurementsError

    table = read_csv(path)
    raw = pd.DataFrame(table.rows, columns=table.header, dtype="string")
    chosen: Literal["percent", "rate"] = "percent" if unit == "percent" else "rate"
    may_be_empty = bool(table.problems)
    try:
        frame = measurements(raw, unit=chosen, target=target, may_be_empty=may_be_empty)
    except MeasurementsError as error:
        raise refusal(path, [*table.problems, *map(table.at_line, error.problems)]) from error
    if table.problems:
        raise refusal(path, table.problems)
    if not bool(frame["value"].notna().any()):
        raise ImportRefusedError(f"{path}: every value is missing, so there is nothing to show")
    sources = tuple(dict.fromkeys(row["source"].strip() for row in table.rows))
    seeds = (row.get("seed", "").strip().lower() for row in table.rows)
    return ReadTable(frame, sources, not BLANK.issuperset(seeds))


def write_results(
    root: Path,
    frame: pd.DataFrame,
    design: Design,
    provenance: Mapping[str, Any],
    reference: str | None = None,
) -> Path:
    """Make a results directory, all of it or nothing; refuses a place that is taken."""
    if root.exists():
        raise ImportRefusedError(f"{root} is taken: choose another --name")
    files = results_files(frame, design, provenance, reference)
    draft = root.with_name(f".{root.name[:100]}.{uuid.uuid4().hex[:8]}.draft")
    draft.mkdir(parents=True)
    try:
        for name, data in files.items():
            atomic.write_bytes(draft / name, data)
        draft.rename(root)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return root


def results_files(
    frame: pd.DataFrame, design: Design, provenance: Mapping[str, Any], reference: str | None
) -> dict[str, bytes]:
    """Return measurements.csv and design.json as they are written."""
    records = frame.to_dict("records")
    columns = columns_of(records)
    rows = [["" if _is_na(row[name]) else _text(row[name]) for name in columns] for row in records]
    described = design_document(frame, design, provenance, reference)
    return {
        RESULTS_FILE: (as_csv(columns, rows) + "\n").encode(),
        DESIGN_FILE: (json.dumps(described, indent=1, ensure_ascii=False) + "\n").encode(),
    }


def design_document(
    frame: pd.DataFrame, design: Design, provenance: Mapping[str, Any], reference: str | None
) -> dict[str, Any]:
    """Return design.json's content."""
    from tuilab.science.cosine import scales

    found = scales(frame)
    headline = (
        {"layer": found[0].layer, "pool": found[0].pool, "model_state": found[0].model_state}
        if found
        else {}
    )
    return {
        "name": design.name,
        "sources": [{"key": one.key, "label": one.label} for one in design.sources],
        "panel": [{"key": one.key, "label": one.label} for one in design.personas],
        "target": design.target.key,
        "target_label": design.target.label,
        "epochs": list(design.epochs),
        "seeds": list(design.seeds),
        **({} if design.seed_given else {"seed_given": False}),
        "reference": reference,
        "headline_cosine": headline,
        "provenance": dict(provenance),
    }


def _is_na(value: object) -> bool:
    import pandas as pd

    return bool(pd.isna(value))  # type: ignore[call-overload]  # a scalar gives a bool


def _text(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)
