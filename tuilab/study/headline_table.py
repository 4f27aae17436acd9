"""The headline table of a study in every format, with a caption that says what it rests on."""

from __future__ import annotations

import hashlib
import json
import textwrap
from typing import Any

from tuilab.contract.foreign import clean_line
from tuilab.grid.edits import EDITED
from tuilab.grid.text import MISSING, number
from tuilab.science.edit_notes import cells_set_aside, edits_notes
from tuilab.science.headline_rows import (
    MARKS,
    HeadlineRow,
    headline,
    headline_frame,
    headline_text,
    noise_text,
)
from tuilab.store.results_only import OPTIONAL
from tuilab.study.study import Study
from tuilab.study.table_formats import as_latex, as_markdown, as_text


def provenance_hash(study: Study) -> str:
    """Hash the rows that the numbers were computed from: equal data, equal hash (12 hex digits)."""
    # An absent edit is no part of the data: tables without that column hash alike.
    rows = [{k: v for k, v in row.items() if k not in OPTIONAL or v} for row in study.rows]
    text = json.dumps(rows, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def noted(study: Study) -> list[str]:
    """Return what people wrote about the experiment and its cells, one sentence each."""
    cells = [f"{view.cell}: {view.note}" for view in study.snapshot.cells if view.note]
    own = [str(study.snapshot.note)] if study.snapshot.note else []
    return [clean_line(one) for one in (*own, *cells)]


def caption(study: Study, rows: tuple[HeadlineRow, ...]) -> str:
    """Say what is counted, on which scale the cosine is, what was left out, and the data's hash."""
    scale = next((row.cosine_scale for row in rows if row.cosine_scale is not None), None)
    parts = [
        f"{study.name}: {study.measured}, 95% intervals in brackets; a peak is the largest of its"
        " checkpoints and biased upward",
        f"cosine at epoch 0 ({scale})" if scale is not None else "no cosine was measured",
        _seeds(study),
        _left_out(rows),
        *edits_notes(study.analysis, EDITED),
        f"noted: {'; '.join(noted(study))}" if any(noted(study)) else "",
        "synthetic model: says nothing about real models" if study.snapshot.synthetic else "",
        f"data {provenance_hash(study)}",
    ]
    return " ".join(["; ".join(part for part in parts if part) + ".", *study.facts])


def render(study: Study, layout: str, full: bool = False, width: int | None = None) -> str:
    """Return the table as text, md, csv, latex or json; ``width`` bounds text alone.

    csv and json hold raw numbers for programs (rates 0..1), the others words for people.
    """
    rows = headline(study.analysis)
    if layout == "json":
        return json.dumps(as_document(study), indent=1, ensure_ascii=False, allow_nan=False)
    titles, cells = headline_text(rows, full=full)
    about = caption(study, rows)
    if layout == "md":
        return f"{as_markdown(titles, cells)}\n\n{about}"
    if layout == "csv":
        return _raw_csv(study, rows)
    if layout == "latex":
        return as_latex(titles, cells, about)
    return f"{as_text(titles, cells, width)}\n\n{_folded(about, width)}"


def noise_table(study: Study) -> str:
    """Return what the scatter of each source is made of, as Markdown."""
    rows = headline(study.analysis)
    shares = [noise_text(row) for row in rows]
    if all(share == MISSING for share in shares):
        return "Not known of any source: neither answers by question nor enough later checkpoints."
    cells = [
        [clean_line(row.label), share, *map(_sd, parts)]
        for row, share in zip(rows, shares, strict=True)
        for parts in [(row.noise_counting, row.noise_questions, row.noise_training)]
    ]
    titles = ["Source", "Shares of the variance", "Counting", "Questions", "Training"]
    several = len(study.design.seeds) > 1
    run = "the successive checkpoints of one run, without what all of them share"
    between = "seeds" if several else run
    about = (
        "█ c counting, ▓ q questions, ░ t training; then each as a standard deviation in points,"
        f" for one cell after epoch 0. Training is what varies between {between}; n/a is not known,"
        " which is not 0, and a share of what is known is then the most that it can be (<=)."
    )
    return f"{as_markdown(titles, cells)}\n\n{about}"


def _sd(part: float | None) -> str:
    return MISSING if part is None else number(part * 100, 1)


def as_document(study: Study) -> dict[str, Any]:
    """Return raw numbers (rates 0..1, null where not measured) for programs."""
    rows = headline(study.analysis)
    records = json.loads(headline_frame(rows).to_json(orient="records"))
    return {
        "experiment": study.name,
        "synthetic": study.snapshot.synthetic,
        "data": provenance_hash(study),
        "caption": caption(study, rows),
        "edited": {
            "left_out": dict(cells_set_aside(study.analysis.frame)),
            "whole_sources": {row.source: row.edits for row in rows if row.edits},
        },
        "notes": noted(study),
        "rows": records,
    }


def _raw_csv(study: Study, rows: tuple[HeadlineRow, ...]) -> str:
    """Raw numbers, empty where not measured; experiment and data hash in every line."""
    frame = headline_frame(rows)
    frame.insert(0, "experiment", study.name)
    frame["data"] = provenance_hash(study)
    return str(frame.to_csv(index=False, lineterminator="\n")).rstrip("\n")


def _seeds(study: Study) -> str:
    one = study.design.one_seed
    return f"{one}, not replicated" if one else f"{len(study.design.seeds)} seeds"


def _folded(text: str, width: int | None) -> str:
    return textwrap.fill(text, width) if width else text


def _left_out(rows: tuple[HeadlineRow, ...]) -> str:
    counts = {status: sum(len(getattr(row, status)) for row in rows) for status in MARKS}
    named = [f"{count} {word}" for word, count in counts.items() if count]
    noun = "cell" if sum(counts.values()) == 1 else "cells"
    return f"left out: {', '.join(named)} {noun}" if named else ""
