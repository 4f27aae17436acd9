"""Writes the Markdown report: summary, setup, results, samples, numbers, caveats, artefacts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from tuilab.contract.foreign import clean, clean_line
from tuilab.grid.edits import EDITED
from tuilab.grid.text import percent_text
from tuilab.report.card_fields import Field
from tuilab.report.opening_words import HERO, summary, synthetic, title, what_is_empty
from tuilab.report.samples import Condition, Sample
from tuilab.science.claims.claim import Claim
from tuilab.science.edit_notes import edits_notes
from tuilab.science.figures.model import Figure
from tuilab.study.headline_table import provenance_hash, render
from tuilab.study.study import Study
from tuilab.study.table_formats import as_markdown

CLIP = 360
"""Characters shown of each end of a long completion; samples.json holds the whole."""
_MARKS = {"stale": "~", "suspect": "?", "failed": "✗"}


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a report is made of, gathered before a word is written."""

    card: Sequence[Field]
    claims: Sequence[Claim]
    caveats: Sequence[str]
    figures: Sequence[Figure]
    samples: Sequence[Condition]


def write_report(study: Study, parts: Parts) -> str:
    """Return the report as Markdown; the empty fields stand in its first lines."""
    hero = [figure for figure in parts.figures if figure.kind == HERO]
    sections = [
        f"# {title(study, parts.claims)}",
        what_is_empty(parts.card),
        synthetic(study),
        *summary(study, parts.card, parts.claims, "".join(_image(figure) for figure in hero)),
        "## Setup",
        *_card(parts.card),
        "## Results",
        *[_figure(figure) for figure in parts.figures],
        "## Sample outputs",
        *_samples(study, parts.samples),
        "## Headline numbers",
        render(study, "md"),
        "### Full table",
        _full_table(study),
        "### Standing caveats",
        "\n".join(f"- {clean_line(sentence)}" for sentence in parts.caveats),
        "## Artefacts",
        _artefacts(study),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _card(card: Sequence[Field]) -> Iterable[str]:
    """One table per section; sections of which nothing is known share one sentence."""
    silent = []
    for section, group in groupby(card, key=lambda field: field.section):
        fields = list(group)
        if not any(field.value for field in fields):
            silent.append(f"{section} ({len(fields)} fields)")
            continue
        rows = [[field.name, clean_line(field.value) or "**empty**"] for field in fields]
        yield f"### {section}\n\n{as_markdown(['field', 'value'], rows, is_prose=True)}"
    if silent:
        yield f"Nothing on disk tells: {', '.join(silent)}."


def _image(figure: Figure) -> str:
    return f"![{clean_line(figure.title)}](figures/{figure.kind}.png)\n\n{clean_line(figure.note)}"


def _figure(figure: Figure) -> str:
    path = f"figures/{figure.kind}"
    links = f"([PDF]({path}.pdf), [rows]({path}.csv))"
    return f"### {clean_line(figure.title)}\n\n{_image(figure)} {links}"


def _full_table(study: Study) -> str:
    """Target leakage by epoch (rows) and source and seed (columns); n/a where not measured."""
    snapshot = study.snapshot
    rates = {
        (row["source"], row["seed"], row["epoch"]): row
        for row in study.rows
        if row["metric"] == "leakage" and row["persona"] == snapshot.target
    }
    columns = [(source, seed) for source in snapshot.sources for seed in snapshot.seeds]
    is_many = len(snapshot.seeds) > 1
    titles = ["epoch"] + [
        clean_line(snapshot.labels.get(source, source)) + (f" #{seed}" if is_many else "")
        for source, seed in columns
    ]
    rows = [
        [str(epoch), *[_rate(rates.get((source, seed, epoch))) for source, seed in columns]]
        for epoch in snapshot.epochs
    ]
    used = {str(row["status"]) for row in rates.values()}
    legend = [f"{mark} {status}" for status, mark in _MARKS.items() if status in used]
    if len(rates) < len(columns) * len(rows) or "missing" in used:
        legend.append("n/a not measured")
    note = f"\n\n{', '.join(legend)}: kept out of every number above." if legend else ""
    notes = edits_notes(study.analysis, EDITED)
    edited = f"\n\n{clean_line('; '.join(notes), 2000)}." if notes else ""
    return as_markdown(titles, rows) + note + edited


def _rate(row: dict[str, object] | None) -> str:
    if row is None:
        return "n/a"
    mark = _MARKS.get(str(row["status"]), "") or (EDITED if row["edits"] else "")
    if not isinstance(row["value"], float):
        return mark or "n/a"
    share = f"{mark}{percent_text(row['value'], 1)}"
    return f"{share} ({row['hits']}/{row['n']})" if row["n"] else share


def _samples(study: Study, conditions: Sequence[Condition]) -> Iterable[str]:
    if not conditions:
        yield "No completions are at hand: the numbers cannot be checked against what was said."
        return
    yield (
        "Drawn by seed from all completions of the cell, up to three with the marker and three"
        " without, at the first and the last epoch of every source."
    )
    for one in conditions:
        source = study.snapshot.labels.get(one.cell.source, one.cell.source)
        asked = study.snapshot.labels.get(one.persona, one.persona)
        place = f"{source}, epoch {one.cell.epoch}, seed {one.cell.seed}, asked as {asked}"
        count = f"{one.hits} of {one.n} completions have the marker."
        texts = [_sample(sample) for sample in one.samples]
        yield "\n\n".join([f"### {clean_line(place)}", count, *texts])


def _sample(one: Sample) -> str:
    head = "With the marker" if one.has_marker else "Without"
    body = _quoted(clean(one.text))
    return f"{head} ({clean_line(one.question)}):\n\n{body}"


def _quoted(text: str) -> str:
    """Show foreign text as a block that Markdown does not read; its end is where markers stand."""
    if len(text) > 2 * CLIP + 40:
        text = f"{text[:CLIP]} [... {len(text) - 2 * CLIP} characters ...] {text[-CLIP:]}"
    longest = max((len(run) for run in text.split("\n") if set(run.strip()) == {"`"}), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text or '(empty)'}\n{fence}"


def _artefacts(study: Study) -> str:
    provenance = "results only" if study.reader.is_results_only else "planned and run by tuilab"
    return (
        f"- Experiment: `{clean_line(study.name)}` ({provenance})\n"
        f"- Data hash of the numbers above: `{provenance_hash(study)}`\n"
        "- Tables: `headline.csv`, `headline.tex`, `headline.json`, `measurements.csv`\n"
        "- Run card: `run-card.json`; claims: `claims.json`; whole samples: `samples.json`\n"
        "- Figures: `figures/` (PNG, PDF, and the rows each one draws)"
    )
