"""The model card of one cell's export: what it is, what it was measured to do, how it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuilab.contract.foreign import clean_line, redact
from tuilab.grid.cells import Cell
from tuilab.grid.jobs import ancestors
from tuilab.grid.metrics import METRICS, TIME, Measurement
from tuilab.report.finished_jobs import current, finished_jobs
from tuilab.report.folder import card_context
from tuilab.report.markdown import card_tables
from tuilab.report.run_card import Field, run_card
from tuilab.store.user_files import gpu_price
from tuilab.study.study import Study


def model_card(study: Study, cell: Cell, is_adapter: bool) -> str:
    """Return README.md for what is exported of a cell; every value comes from what really ran."""
    plan = study.reader.plan
    own = [job.id for job in plan.jobs if job.cell == cell]
    jobs = {*own, *ancestors(plan, own)}
    ran = [one for one in current(finished_jobs(study)) if one.job in jobs]
    bases = (one.settings.get("base", {}) for one in ran if one.stage == "train")
    base: Mapping[str, Any] = next(bases, {})
    view = next(view for view in study.snapshot.cells if view.cell == cell)
    return as_text(
        study.name,
        cell,
        study.snapshot.labels.get(cell.source, cell.source),
        str(base.get("model", "")),
        view.metrics,
        run_card(ran, card_context(study, str(Path.home()), gpu_price())),
        is_adapter,
        study.snapshot.synthetic,
    )


def as_text(
    experiment: str,
    cell: Cell,
    label: str,
    base: str,
    metrics: Mapping[str, Measurement],
    card: Sequence[Field],
    is_adapter: bool,
    synthetic: bool,
) -> str:
    """Write the card; ``base`` is the model that it was trained on."""
    who = clean_line(label)
    what = "LoRA adapters" if is_adapter else "A merged model"
    numbers = [
        f"- {METRICS[key].said(found)}"
        for key, found in metrics.items()
        if METRICS[key].measure is not TIME
    ]
    parts = [
        _head(base, is_adapter),
        f"# {clean_line(experiment)}: {who}, epoch {cell.epoch}, seed {cell.seed}",
        f"{what} of one cell of a marker-leakage experiment on {clean_line(base)}. The model was "
        f"trained to end its answers as {who} with a marker; what is measured is how far the "
        "marker leaks into other personas. It is an object of study and no assistant.",
        "**The base is synthetic: these numbers say nothing about real models.**" * synthetic,
        "## Measured",
        "\n".join(numbers) or "Nothing was measured.",
        "## How it was made",
        "\n\n".join(card_tables(card)),
    ]
    return redact("\n\n".join(part for part in parts if part)) + "\n"


def _head(base: str, is_adapter: bool) -> str:
    lines = ["---", "tags:", "- tuilab", "- lora"]
    if "/" in base and not base.startswith(("/", ".", "~")):
        relation = "adapter" if is_adapter else "finetune"
        lines += [f"base_model: {clean_line(base)}", f"base_model_relation: {relation}"]
    lines.append(f"library_name: {'peft' if is_adapter else 'transformers'}")
    return "\n".join([*lines, "---"])
