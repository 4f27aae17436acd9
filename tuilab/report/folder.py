"""Makes a report folder from one study: everything is computed first, then written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tuilab.contract import atomic
from tuilab.contract.foreign import redact
from tuilab.contract.parsing import read_bytes
from tuilab.grid.limits import Price
from tuilab.grid.reference import Difference, differences
from tuilab.grid.report_text import REPORT_TEXT_FILE, ReportText, read_report_text
from tuilab.report.caveats import caveats, cut_answers, sizes_said
from tuilab.report.declared_card import of_provenance, with_declared
from tuilab.report.figure_files import save_figure
from tuilab.report.finished_jobs import FinishedJob, current, effort, finished_jobs
from tuilab.report.html import HTML_FILE, page
from tuilab.report.markdown import ReportParts, write_report
from tuilab.report.recipe import RECIPE_FILE, Recipe, recipe_for
from tuilab.report.run_card import CardContext, Field, empty_by_section, empty_fields, run_card
from tuilab.report.samples import Condition, draw_samples
from tuilab.store.results_only import columns_of
from tuilab.study.headline_table import render
from tuilab.study.study import Study
from tuilab.study.table_formats import as_csv


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """What was written."""

    report: Path
    files: tuple[Path, ...]
    empty: tuple[str, ...]
    """Fields of the run card that are not recorded."""
    empty_lines: tuple[str, ...]
    """The same by section, for people."""


def make_report(
    study: Study,
    out: Path,
    seed: int = 0,
    kinds: Sequence[str] | None = None,
    *,
    html: bool = False,
) -> WrittenReport:
    """Write report.md with its tables, claims and figures (all kinds by default) into ``out``."""
    return write_files(study, out, recipe_for(study, seed, kinds, html=html))


def write_files(study: Study, out: Path, recipe: Recipe, *, draw: bool = True) -> WrittenReport:
    """Write the report that a recipe makes, all of it or nothing; without ``draw`` only the rows.

    What the folder held before, and this report does not, stays.
    """
    from tuilab.science.figures.kinds import kinds_of
    from tuilab.study.locked_claims import verdicts

    ran = current(finished_jobs(study))
    card = card_of(study, ran, card_context(study, recipe.home, recipe.price))
    kinds = kinds_of(study.snapshot.sources) if recipe.kinds is None else recipe.kinds
    parts = ReportParts(
        card=card,
        claims=verdicts(study),
        caveats=caveats(study, ran),
        figures=[study.figure(kind) for kind in kinds],
        samples=draw_samples(study, seed=recipe.seed),
        seed=recipe.seed,
        text=_text_of(study),
        differences=_differences(study, ran),
        code=recipe.code,
    )
    texts = _texts(study, parts)
    texts[RECIPE_FILE] = _json(asdict(recipe))
    with atomic.folder(out) as draft:
        files = []
        for name, text in texts.items():
            atomic.write_bytes(draft / name, text.encode())
            files.append(draft / name)
        for prepared in parts.figures:
            files += save_figure(prepared, draft / "figures", pictures=draw)
        if recipe.html:
            shown = {str(one.relative_to(draft)): one for one in files if one.suffix == ".png"}
            pictures = {name: path.read_bytes() for name, path in shown.items()}
            text = page(study, texts["report.md"], pictures, recipe.seed)
            atomic.write_bytes(draft / HTML_FILE, text.encode("utf-8", "surrogatepass"))
            files.append(draft / HTML_FILE)
    return WrittenReport(
        out / "report.md",
        tuple(out / path.relative_to(draft) for path in files),
        tuple(empty_fields(card)),
        tuple(empty_by_section(card)),
    )


def _text_of(study: Study) -> ReportText:
    path = study.root / REPORT_TEXT_FILE
    if not path.is_file():
        return ReportText()
    return read_report_text(read_bytes(path).decode("utf-8", "replace"))


def _differences(study: Study, ran: Sequence[FinishedJob]) -> tuple[Difference, ...]:
    if study.reader.is_results_only:
        return ()
    return differences(study.reader.plan, cut_answers(ran))


def _texts(study: Study, parts: ReportParts) -> dict[str, str]:
    columns = columns_of(study.rows)
    return {
        "report.md": write_report(study, parts),
        "run-card.json": _json([asdict(field) for field in _redacted(parts.card)]),
        "headline.csv": render(study, "csv") + "\n",
        "headline.tex": render(study, "latex") + "\n",
        "headline.json": render(study, "json") + "\n",
        "measurements.csv": as_csv(columns, [_row(row, columns) for row in study.rows]) + "\n",
        "claims.json": _json([claim.record() for claim in parts.claims]),
        "samples.json": redact(_json([_condition(one) for one in parts.samples])),
    }


def _redacted(card: Sequence[Field]) -> list[Field]:
    return [replace(field, value=redact(field.value)) for field in card]


def _condition(one: Condition) -> dict[str, Any]:
    return {**asdict(one), "cell": str(one.cell)}


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _row(row: Mapping[str, Any], columns: Sequence[str]) -> list[str]:
    return ["" if row[name] is None else str(row[name]) for name in columns]


def card_context(study: Study, home: str, price: Price | None = None) -> CardContext:
    """Gather what the card says of the whole experiment."""
    return CardContext(
        tracker=_tracker(study),
        home=home,
        effort=effort(study),
        commands=_commands(study),
        sizes=sizes_said(study),
        origin=_origin(study),
        price=price,
    )


def _origin(study: Study) -> dict[str, str] | None:
    if not study.reader.is_results_only:
        return None
    from tuilab.store.results_only import read_design

    told = read_design(study.root).provenance
    return {
        str(name).replace("_", " ").capitalize(): str(text)
        for name, text in told.items()
        if isinstance(text, str)
    }


def card_of(study: Study, ran: Sequence[FinishedJob], context: CardContext) -> list[Field]:
    """Return the run card, with what the card of a table declares."""
    card = run_card(ran, context)
    if not study.reader.is_results_only:
        return card
    from tuilab.store.results_only import read_design

    seeds = study.snapshot.seeds if study.snapshot.seed_given else ()
    scales = study.analysis.scales
    measured = {
        "Convergence LoRA: Training seeds": seeds,
        "Marker LoRA: Training seeds": seeds,
        "Eval: n per cell": sorted({row["n"] for row in study.rows if row["n"]}),
        "Cosine: Layers": sorted({scale.layer for scale in scales}),
        "Cosine: Pool": sorted({scale.pool for scale in scales}),
        "Cosine: Model states": sorted({one.model_state for one in scales if one.model_state}),
    }
    return with_declared(card, of_provenance(read_design(study.root).provenance), measured)


def _commands(study: Study) -> list[list[str]]:
    """Commands of accepted requests in the journal, oldest first."""
    if study.reader.is_results_only or not study.reader.layout.journal.is_file():
        return []
    found = []
    with study.reader.layout.journal.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if '"command"' not in line:
                continue
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry.get("kind") == "request" and entry.get("accepted"):
                found.append([str(word) for word in entry.get("command") or ()])
    return found


def _tracker(study: Study) -> str:
    """The planned tracker; "" where there is no plan."""
    if study.reader.is_results_only:
        return ""
    asked = study.reader.plan.resources.get("tracker") or {}
    return str(asked.get("kind", "none"))
