"""Makes a report folder, and the bundle of everything behind it, from one study."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuilab.contract import atomic
from tuilab.report.bundle import write_bundle
from tuilab.report.caveats import caveats
from tuilab.report.document import Parts, write_report
from tuilab.report.evidence import Ran, cell_record, done_attempts
from tuilab.report.figure_image import save_figure
from tuilab.report.run_card import empty_fields, run_card
from tuilab.report.samples import draw_samples
from tuilab.store.results_only import COLUMNS
from tuilab.study.headline_table import render
from tuilab.study.layouts import as_csv
from tuilab.study.opening import Study

LARGE = {"adapter_model.safetensors", "model.safetensors"}
"""Weights stay with the experiment; a bundle carries their hashes."""


@dataclass(frozen=True, slots=True)
class Made:
    """What was written."""

    report: Path
    files: tuple[Path, ...]
    empty: tuple[str, ...]
    """Fields of the run card that nothing on disk tells."""


def make_report(study: Study, out: Path, seed: int = 0) -> Made:
    """Write report.md with its tables, claims and figures into ``out``."""
    from tuilab.science.figures_data import KINDS, figure
    from tuilab.science.standard_claims import standard_claims

    ran = done_attempts(study)
    card = run_card(ran, _tracker(study))
    claims = standard_claims(study.analysis)
    parts = Parts(
        card=card,
        empty=empty_fields(card),
        claims=claims,
        caveats=caveats(study, ran),
        figures=[figure(kind, study.analysis) for kind in KINDS],
        samples=draw_samples(study, seed=seed),
    )
    out.mkdir(parents=True, exist_ok=True)
    texts = {
        "report.md": write_report(study, parts),
        "headline.csv": render(study, "csv", full=True) + "\n",
        "headline.tex": render(study, "latex") + "\n",
        "headline.json": render(study, "json") + "\n",
        "measurements.csv": as_csv(COLUMNS, [_row(row) for row in study.rows]) + "\n",
        "claims.json": json.dumps([claim.record() for claim in claims], indent=1) + "\n",
    }
    files = []
    for name, text in texts.items():
        atomic.write_bytes(out / name, text.encode())
        files.append(out / name)
    for prepared in parts.figures:
        files += save_figure(prepared, out / "figures")
    return Made(out / "report.md", tuple(files), tuple(parts.empty))


def make_bundle(study: Study, made: Made, out: Path) -> str:
    """Archive the report, config, plan, code snapshot and per-cell records; return its sha256."""
    members: dict[str, Path | bytes] = {
        f"report/{path.relative_to(made.report.parent).as_posix()}": path for path in made.files
    }
    for name in ("experiment.toml", "plan.json", "design.json", "journal.jsonl", "deviations.json"):
        if (study.root / name).is_file():
            members[name] = study.root / name
    members |= _folder(study.root / "code", "code")
    for ran in done_attempts(study):
        members |= _cell(ran)
    return write_bundle(out, members)


def _cell(ran: Ran) -> dict[str, Path | bytes]:
    place = f"cells/{ran.job.replace('@', '/epoch-').replace('#', '/seed-')}"
    record = json.dumps(cell_record(ran), indent=1, sort_keys=True).encode()
    members: dict[str, Path | bytes] = {f"{place}/record.json": record}
    for artefact in ran.outcome.artefacts:
        path = ran.directory / artefact.path
        if path.name not in LARGE and path.is_file():
            members[f"{place}/{artefact.path}"] = path
    return members


def _folder(folder: Path, name: str) -> dict[str, Path | bytes]:
    return {
        f"{name}/{path.relative_to(folder).as_posix()}": path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def _row(row: dict[str, Any]) -> list[str]:
    return ["" if row[name] is None else str(row[name]) for name in COLUMNS]


def _tracker(study: Study) -> str:
    if study.reader.is_results_only:
        return ""
    return str(study.reader.plan.resources.get("tracker") or "none")
