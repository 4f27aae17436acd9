"""Writes the Markdown report: summary, setup, results, caveats, artefacts, in the card's order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from tuilab.contract.foreign import clean, clean_line
from tuilab.report.run_card import Field
from tuilab.report.samples import Sample
from tuilab.science.claims import Claim
from tuilab.science.figure_model import Figure
from tuilab.study.headline_table import provenance_hash, render
from tuilab.study.layouts import as_markdown
from tuilab.study.opening import Study


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a report is made of, gathered before a word is written."""

    card: Sequence[Field]
    empty: Sequence[str]
    """Names of fields that nothing on disk tells."""
    claims: Sequence[Claim]
    caveats: Sequence[str]
    figures: Sequence[Figure]
    samples: Sequence[Sample]


def write_report(study: Study, parts: Parts) -> str:
    """Return the report as Markdown; the empty fields stand in its first lines."""
    sections = [
        f"# {clean_line(study.name)}",
        _what_is_empty(parts.empty),
        _synthetic(study),
        "## Summary",
        *[_claim(claim) for claim in parts.claims],
        "## Setup",
        *_card(parts.card),
        "## Results",
        *[_figure(figure) for figure in parts.figures],
        "### Headline",
        render(study, "md"),
        "### Every measured cell",
        _full_table(study),
        "## Sample outputs",
        *_samples(study, parts.samples),
        "## Caveats",
        "\n".join(f"- {clean_line(sentence)}" for sentence in parts.caveats),
        "## Artefacts",
        _artefacts(study),
    ]
    return "\n\n".join(_joined_lists(section for section in sections if section)) + "\n"


def _claim(claim: Claim) -> str:
    """What was asked, the verdict, and what the data say; the sentence is true either way."""
    asked, said = clean_line(claim.claim).rstrip("."), clean_line(claim.sentence)
    return f"- {asked}: **{claim.verdict.value}**. {said}"


def _what_is_empty(names: Sequence[str]) -> str:
    if not names:
        return "Every field of the run card is filled from what really ran."
    listed = "\n".join(f"- {name}" for name in names)
    return f"**{len(names)} fields of the run card are empty:**\n\n{listed}"


def _synthetic(study: Study) -> str:
    if not study.snapshot.synthetic:
        return ""
    return "> **Synthetic model.** These numbers show that the pipeline works and nothing else."


def _card(card: Sequence[Field]) -> Iterable[str]:
    for section, fields in groupby(card, key=lambda field: field.section):
        rows = [[field.name, clean_line(field.value) or "**empty**"] for field in fields]
        yield f"### {section}\n\n{as_markdown(['field', 'value'], rows, is_prose=True)}"


def _figure(figure: Figure) -> str:
    path = f"figures/{figure.kind}"
    return (
        f"### {clean_line(figure.title)}\n\n![{clean_line(figure.title)}]({path}.png)\n\n"
        f"{clean_line(figure.note)} ([PDF]({path}.pdf), [rows]({path}.csv))"
    )


def _full_table(study: Study) -> str:
    """Target leakage by epoch (rows) and source and seed (columns); n/a where not measured."""
    target = study.snapshot.target
    rates = {
        (row["source"], row["seed"], row["epoch"]): row
        for row in study.rows
        if row["metric"] == "leakage" and row["persona"] == target
    }
    columns = [(source, seed) for source in study.snapshot.sources for seed in study.snapshot.seeds]
    is_many = len(study.snapshot.seeds) > 1
    titles = ["epoch"] + [
        clean_line(study.snapshot.labels.get(source, source)) + (f" #{seed}" if is_many else "")
        for source, seed in columns
    ]
    rows = [
        [str(epoch), *[_rate(rates.get((source, seed, epoch))) for source, seed in columns]]
        for epoch in study.snapshot.epochs
    ]
    return as_markdown(titles, rows)


def _rate(row: dict[str, object] | None) -> str:
    if row is None or not isinstance(row["value"], float):
        return "n/a"
    mark = {"stale": "~", "suspect": "?"}.get(str(row["status"]), "")
    share = f"{mark}{100 * row['value']:.1f}%"
    return f"{share} ({row['hits']}/{row['n']})" if row["n"] else share


def _samples(study: Study, samples: Sequence[Sample]) -> Iterable[str]:
    if not samples:
        yield "No completions are at hand."
    for (cell, persona), group in groupby(samples, key=lambda one: (one.cell, one.persona)):
        label = study.snapshot.labels.get(persona, persona)
        lines = [f"### {cell}, asked as {clean_line(label)}"]
        for one in group:
            head = "with the marker" if one.has_marker else "without the marker"
            body = clean(one.text).replace("\n", "\n> ")
            lines.append(f"Question {one.question}, {head}:\n\n> {body}")
        yield "\n\n".join(lines)


def _artefacts(study: Study) -> str:
    provenance = "results only" if study.reader.is_results_only else "planned and run by tuilab"
    return (
        f"- Experiment: `{clean_line(study.root.name)}` ({provenance})\n"
        f"- Data hash of the numbers above: `{provenance_hash(study)}`\n"
        "- Tables: `headline.csv`, `headline.tex`, `measurements.csv`; claims: `claims.json`\n"
        "- Figures: `figures/` (PNG, PDF, and the rows each one draws)"
    )


def _joined_lists(sections: Iterable[str]) -> list[str]:
    """Keep list items of one list together, without blank lines between."""
    joined: list[str] = []
    for section in sections:
        if section.startswith("- ") and joined and joined[-1].startswith("- "):
            joined[-1] += "\n" + section
        else:
            joined.append(section)
    return joined
