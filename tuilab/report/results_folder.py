"""Turns a measurements frame into a results-only experiment directory, and a CSV into a frame."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuilab.contract import atomic
from tuilab.store.experiment import DESIGN_FILE, RESULTS_FILE, is_experiment
from tuilab.store.results_only import COLUMNS
from tuilab.study.layouts import as_csv

if TYPE_CHECKING:
    import pandas as pd

    from tuilab.science.design import Design


class ImportRefusedError(Exception):
    """The table or the place for it cannot be used; the text says why."""


def read_table(path: Path, unit: str, target: str) -> pd.DataFrame:
    """Read a tidy CSV into a measurements frame; every problem of the file is named by its line.

    Columns: source, epoch, metric, and value or hits and n; optionally seed, persona, layer, pool,
    model_state, status, reason. ``unit`` is ``rate`` (0..1) or ``percent``.
    """
    import pandas as pd

    from tuilab.science.frame import measurements

    try:
        raw = pd.read_csv(path, dtype="string", keep_default_na=False)
    except FileNotFoundError:
        raise ImportRefusedError(f"{path}: there is no such file") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ImportRefusedError(f"{path}: is no table: {error}") from error
    chosen: Literal["percent", "rate"] = "percent" if unit == "percent" else "rate"
    return measurements(raw, unit=chosen, target=target, first_row=2, may_be_empty=False)


def write_results(
    root: Path,
    frame: pd.DataFrame,
    design: Design,
    provenance: Mapping[str, Any],
    reference: str | None = None,
) -> Path:
    """Write measurements.csv and design.json; refuses a directory that holds an experiment."""
    if is_experiment(root):
        raise ImportRefusedError(f"{root} already holds an experiment: choose another --name")
    root.mkdir(parents=True, exist_ok=True)
    rows = [
        ["" if _is_na(row[name]) else _text(row[name]) for name in COLUMNS]
        for row in frame.to_dict("records")
    ]
    atomic.write_bytes(root / RESULTS_FILE, (as_csv(COLUMNS, rows) + "\n").encode())
    described = design_document(frame, design, provenance, reference)
    text = json.dumps(described, indent=1, ensure_ascii=False)
    atomic.write_bytes(root / DESIGN_FILE, (text + "\n").encode())
    return root


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
        "reference": reference,
        "headline_cosine": headline,
        "provenance": dict(provenance),
    }


def _is_na(value: object) -> bool:
    import pandas as pd

    return bool(pd.isna(value))  # type: ignore[call-overload]  # a scalar gives a bool


def _text(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)
