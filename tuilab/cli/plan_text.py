"""Words and JSON for a forecast; pure functions of values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tuilab.cli.forecast import Forecast
from tuilab.cli.output import plain
from tuilab.grid.checks import Level
from tuilab.grid.stages import Stage
from tuilab.grid.text import count_of, duration, size

_SIGNS = {Level.OK: "ok ", Level.WARNING: " ! ", Level.BLOCKING: " ✗ "}


def as_text(found: Forecast, with_jobs: bool = False) -> Iterator[str]:
    """Yield the lines of ``tuilab plan``."""
    yield from _head(found)
    yield ""
    yield from _stages(found)
    yield ""
    yield "checks"
    for check in found.checks:
        yield f" {_SIGNS[check.level]} {plain(check.sentence)}"
    yield ""
    yield "disk"
    for folder in found.folders:
        yield f"     {plain(folder.sentence)}"
    yield from _data(found)
    if with_jobs:
        yield ""
        yield "jobs in launch order, with what each reads"
        for job in found.plan.jobs:
            cost = found.costs[job.id]
            reads = f"  <- {', '.join(job.parents)}" if job.parents else ""
            yield f"  {plain(job.id):<44} {duration(cost.seconds):>7}{plain(reads)}"


def _head(found: Forecast) -> Iterator[str]:
    config, plan = found.config, found.plan
    base = config.base
    revision = f" @ {base.revision[:12]}" if base.revision else ""
    synthetic = "  (synthetic model)" if plan.synthetic else ""
    yield f"{plain(plan.experiment)}: {plain(base.model)}{revision}, {base.dtype}{synthetic}"
    if config.note:
        yield plain(config.note)
    yield (
        f"{count_of(len(plan.sources), 'source')} x {count_of(len(plan.epochs), 'epoch')} x "
        f"{count_of(len(plan.seeds), 'seed')} = {count_of(len(plan.cells), 'cell')}; "
        f"panel of {len(config.panel)}, {len(config.evaluation_questions)} questions x "
        f"{config.eval.samples} completions; n = "
        f"{len(config.evaluation_questions) * config.eval.samples} per persona and cell"
    )


def _stages(found: Forecast) -> Iterator[str]:
    yield "stage      jobs   to do       each   together       disk"
    chosen = set(found.open_jobs)
    for stage in Stage:
        jobs = [job.id for job in found.plan.jobs if job.stage is stage]
        todo = [job for job in jobs if job in chosen]
        if not jobs:
            continue
        total = sum(found.costs[job].seconds for job in todo)
        each = duration(total / len(todo)) if todo else "-"
        disk = size(sum(found.costs[job].bytes for job in todo))
        yield (
            f"{stage.value:<9} {len(jobs):>5} {len(todo):>7} {each:>10} "
            f"{duration(total) if todo else '-':>10} {disk:>10}"
        )
    workers = count_of(found.places.workers, "worker")
    if found.places.cards:
        workers += f" on {count_of(len(found.places.cards), 'GPU')}"
    yield (
        f"expected: {duration(found.seconds)} with {workers}, {size(found.bytes)} of disk"
        + (
            f", first cell after {duration(found.first_cell_seconds)}"
            if found.first_cell_seconds is not None
            else ""
        )
        + f"  (times from: {found.rates})"
    )


def _data(found: Forecast) -> Iterator[str]:
    if not found.data:
        yield ""
        yield "data sets: none sampled yet; their hashes stand here once they exist"
        return
    yield ""
    yield "data sets"
    for one in found.data:
        rows = "n/a" if one.rows is None else str(one.rows)
        dropped = "n/a" if one.dropped is None else str(one.dropped)
        yield (
            f"     {plain(one.persona):<24} {rows:>6} rows, {dropped} dropped for the marker, "
            f"{one.output_hash[:16]}"
        )


def as_json(found: Forecast, preview: Mapping[str, Any] | None, why_no_preview: str) -> Any:
    """Return the document of ``tuilab plan --json``."""
    config, plan = found.config, found.plan
    return {
        "experiment": plan.experiment,
        "synthetic": plan.synthetic,
        "base": config.base.model_dump(mode="json"),
        "sources": list(plan.sources),
        "epochs": list(plan.epochs),
        "seeds": list(plan.seeds),
        "cells": len(plan.cells),
        "expected": {
            "seconds": round(found.seconds, 1),
            "first_cell_seconds": found.first_cell_seconds,
            "bytes": found.bytes,
            "workers": found.places.workers,
            "gpus": list(found.places.cards),
            "times_from": found.rates,
        },
        "jobs": [
            {
                "id": job.id,
                "stage": job.stage.value,
                "parents": list(job.parents),
                "to_do": job.id in set(found.open_jobs),
                "seconds": round(found.costs[job.id].seconds, 2),
                "bytes": found.costs[job.id].bytes,
                "deviation": dict(job.deviation),
            }
            for job in plan.jobs
        ],
        "checks": [
            {"name": one.name, "level": one.level.value, "sentence": one.sentence}
            for one in found.checks
        ],
        "blocked": found.is_blocked,
        "folders": [
            {
                "what": one.what,
                "path": str(one.path),
                "survival": one.survival.value,
                "free_bytes": one.free,
            }
            for one in found.folders
        ],
        "data": [
            {
                "persona": one.persona,
                "rows": one.rows,
                "dropped_marker": one.dropped,
                "hash": one.output_hash,
            }
            for one in found.data
        ],
        "preview": preview,
        "why_no_preview": why_no_preview,
    }
