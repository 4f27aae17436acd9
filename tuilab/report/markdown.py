"""Writes the Markdown report: summary, setup, results, samples, numbers, caveats, artefacts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from tuilab.contract.foreign import clean, clean_line
from tuilab.grid.edits import EDITED
from tuilab.grid.lines import parts_of
from tuilab.grid.reference import TITLES, Difference
from tuilab.grid.report_text import ReportText
from tuilab.grid.signs import ACCEPTED
from tuilab.grid.text import MISSING, count_of, percent_text, rate_digits
from tuilab.report.declared_card import DECLARED
from tuilab.report.run_card import Field, empty_by_section, empty_fields
from tuilab.report.samples import Condition, Sample, hit_words, reads_them
from tuilab.science.claims.claim import Claim, Verdict
from tuilab.science.edit_notes import edits_notes
from tuilab.science.figures.model import Figure
from tuilab.study.headline_table import noise_table, noted, provenance_hash, render
from tuilab.study.locked_claims import CONFIRMATORY, lock_lines, locks_of
from tuilab.study.study import Study
from tuilab.study.table_formats import as_markdown

CLIP = 360
"""Characters shown of each end of a long completion; samples.json holds the whole."""
_MARKS = {"stale": "~", "suspect": "?", "failed": "✗"}


@dataclass(frozen=True, slots=True)
class ReportParts:
    """Everything a report is made of, gathered before a word is written."""

    card: Sequence[Field]
    claims: Sequence[Claim]
    caveats: Sequence[str]
    figures: Sequence[Figure]
    samples: Sequence[Condition]
    seed: int = 0
    """What samples were drawn by; who chose another than 0 may have chosen among samples."""
    text: ReportText = field(default_factory=ReportText)
    """What the author wrote."""
    differences: Sequence[Difference] = ()
    """Where the experiment is not the published one that it refers to."""
    code: str = ""
    """Digest of the analysis code that makes it; "": the one installed here."""


def write_report(study: Study, parts: ReportParts) -> str:
    """Return the report as Markdown; the empty fields stand in its first lines."""
    hero = [figure for figure in parts.figures if figure.kind == HERO]
    sections = [
        f"# {title(study, parts.claims)}",
        what_is_empty(parts.card),
        synthetic(study),
        *summary(study, parts, "".join(_image(figure) for figure in hero)),
        *_connections(parts.text),
        "## Setup",
        "### Why this experiment, and why these settings",
        clean(parts.text.rationale).strip()
        or _TO_WRITE.format(key="rationale", what="why these settings, what else was considered."),
        *card_tables(parts.card),
        *_unlike_reference(parts.differences),
        "## Results",
        *[_figure(figure) for figure in parts.figures],
        "## Sample outputs",
        *_samples(study, parts.samples, parts.seed),
        "## Headline numbers",
        render(study, "md"),
        "### Full table",
        _full_table(study),
        "### What the scatter is made of",
        noise_table(study),
        "### Standing caveats",
        "\n".join(f"- {clean_line(sentence)}" for sentence in parts.caveats),
        *_notes(study),
        *_lock(study, parts.code),
        "## All claims",
        *[_with_evidence(claim) for claim in parts.claims],
        "## Artefacts",
        _artefacts(study),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _unlike_reference(found: Sequence[Difference]) -> list[str]:
    if not found:
        return []
    rows = [[clean_line(cell) for cell in one.cells] for one in found]
    return [f"### Deviations from the reference\n\n{as_markdown(TITLES, rows, is_prose=True)}"]


def _lock(study: Study, code: str) -> list[str]:
    found = lock_lines(study, code=code)
    said = "\n".join(f"- {clean_line(line, 2000)}" for line in found)
    return ["### Locked claims and deviations since", said] if found else []


def _notes(study: Study) -> list[str]:
    found = noted(study)
    return ["### Notes", "\n".join(f"- {one}" for one in found)] if found else []


def card_tables(card: Sequence[Field]) -> Iterable[str]:
    """One table per section; sections of which nothing is known share one sentence."""
    silent = []
    for section, group in groupby(card, key=lambda field: field.section):
        fields = list(group)
        if not any(field.value for field in fields):
            silent.append(f"{section} ({len(fields)} fields)")
            continue
        rows = [[field.name, clean_line(field.said) or "**empty**"] for field in fields]
        yield f"### {section}\n\n{as_markdown(['field', 'value'], rows, is_prose=True)}"
    if silent:
        yield f"Not recorded: {', '.join(silent)}."


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
        if row["metric"] == study.design.measure and row["persona"] == snapshot.target
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


def _rate(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return MISSING
    mark = _MARKS.get(str(row["status"]), "") or (
        EDITED * bool(row["edits"]) + ACCEPTED * bool(row["accepted"])
    )
    if not isinstance(row["value"], float):
        return mark or MISSING
    share = f"{mark}{percent_text(row['value'], rate_digits(row['n']))}"
    return f"{share} ({row['hits']}/{row['n']})" if row["n"] else share


def _samples(study: Study, conditions: Sequence[Condition], seed: int) -> Iterable[str]:
    if not conditions:
        yield "No completions are available: the numbers cannot be checked against what was said."
        return
    what = study.design.what
    heads = {True: f"Counts as {what}", False: "Does not count"}
    of, which = " that the headline is about", f"up to three that count as {what} and three others"
    if not reads_them(study):
        heads, of, which = {False: "Answer"}, "", "up to three"
    if what == "marker":
        heads = {True: "With the marker", False: "Without"}
        of, which = "", "up to three with the marker and three without"
    yield (
        f"Drawn at random by seed {seed} from all completions of the cell{of}: {which}, at the"
        " first and the last epoch of every source."
    )
    for one in conditions:
        source = study.snapshot.labels.get(one.cell.source, one.cell.source)
        asked = study.snapshot.labels.get(one.persona, one.persona)
        place = f"{source}, epoch {one.cell.epoch}, seed {one.cell.seed}, asked as {asked}"
        count = f"{hit_words(study, one.hits, one.n)}."
        if what == "marker":
            count = f"{one.hits} of {one.n} completions have the marker."
        texts = [_sample(sample, heads[sample.has_marker]) for sample in one.samples]
        yield "\n\n".join([f"### {clean_line(place)}", count, *texts])


def _sample(one: Sample, head: str) -> str:
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


HERO = "leakage-cosine"
"""Kind of the figure that stands in the summary."""
_TO_WRITE = "_To be written by the author ({key} in report.toml): {what}_"
MOST_TAKEAWAYS = 5
_FIRST = ("classes", "specificity", "against", "front-loaded", "cosine", "cosine-predicts")
"""Standard claims in the order in which a reader asks; "coverage" is said by the doubts."""
_DECIDED = frozenset({Verdict.HOLDS, Verdict.FAILS})
SEEDS_FOR_HIGH = 5


def title(study: Study, claims: Sequence[Claim]) -> str:
    """Say what was found and on how many seeds, in one line."""
    classes = next((claim.sentence for claim in claims if claim.key == "classes"), "")
    said = classes.rstrip(".")
    found = f"{study.name}: {said[:1].lower() + said[1:]}; {seeds_said(study)}"
    return clean_line(f"{found} ({grade(study, claims)[0]} confidence)")


def seeds_said(study: Study) -> str:
    """Word the replication; it belongs to every headline."""
    if one := study.design.one_seed:
        return f"{one}, not replicated"
    seeds = study.snapshot.seeds
    return f"{len(seeds)} seeds: {', '.join(map(str, seeds))}"


def what_is_empty(card: Sequence[Field]) -> str:
    """Name the empty fields first; whole sections in one word so that nobody drowns."""
    names, doubtful = empty_fields(card), [field for field in card if field.state]
    if not names and not doubtful:
        return "Every field of the run card is filled in from what really ran."
    told = []
    if doubtful:
        against = [field for field in doubtful if field.state != DECLARED]
        which = f"; {len(against)} of these are contradicted:" if against else "."
        told.append(
            f"**{len(doubtful)} of {len(card)} fields of the run card are declared by who made the"
            f" table, and not verified**{which}"
        )
        lines = [f"- {one.section}, {one.name}: {clean_line(one.said)}" for one in against]
        told += ["\n".join(lines)] * bool(lines)
    if names:
        empty = "\n".join(f"- {line}" for line in empty_by_section(card))
        told.append(
            f"**{len(names)} of {len(card)} fields of the run card are empty**"
            f" (not recorded):\n\n{empty}"
        )
    return "\n\n".join(told)


def synthetic(study: Study) -> str:
    """Warn of a model that was made to have something to measure."""
    if not study.snapshot.synthetic:
        return ""
    return "> **Synthetic model.** These numbers show that the pipeline works and nothing else."


def summary(study: Study, parts: ReportParts, hero: str) -> list[str]:
    """Return the TL;DR: background, methodology, results with confidence, next steps."""
    text, claims = parts.text, parts.claims
    what = "why this was run, and which earlier result it follows."
    return [
        "## TL;DR",
        "### Background",
        clean(text.background).strip() or _TO_WRITE.format(key="background", what=what),
        "### Methodology",
        methodology(study, parts.card),
        "### Results",
        hero,
        "Main takeaways, each with its verdict (all claims are judged below):",
        "\n".join(_claim(claim) for claim in takeaways(claims)),
        confidence(study, claims),
        "### Next steps",
        "\n".join(f"- {step}" for step in next_steps(study, claims, text)),
    ]


def takeaways(claims: Sequence[Claim]) -> list[Claim]:
    """Choose at most five, by rule: nobody picks what looks good.

    Claims that were locked before the first measurement come first, in their order; then the
    standard ones in the order of ``_FIRST``, decided ones before those that are left open, the
    classes before all. Claims on a single source, and whether all cells are measured, are not among
    them.
    """
    locked = [claim for claim in claims if claim.status == CONFIRMATORY]
    standard = [claim for claim in claims if _name(claim) in _FIRST and claim not in locked]
    standard.sort(
        key=lambda claim: (
            _name(claim) != _FIRST[0],
            claim.verdict not in _DECIDED,
            _FIRST.index(_name(claim)),
        )
    )
    return [*locked, *standard][:MOST_TAKEAWAYS]


def _name(claim: Claim) -> str:
    return claim.key.partition(":")[0]


def _connections(text: ReportText) -> list[str]:
    parts = {"Follows": text.parents, "Used by": text.consumers}
    lines = [f"- {name}: {clean_line(one)}" for name, those in parts.items() for one in those]
    return ["## Where it belongs", "\n".join(lines)] if lines else []


def _with_evidence(claim: Claim) -> str:
    lines = "".join(f"\n  - {clean_line(line)}" for line in claim.evidence)
    return _claim(claim) + lines


def methodology(study: Study, card: Sequence[Field]) -> str:
    """Say the design from what ran; what is not known is left out, not guessed."""
    snapshot = study.snapshot
    told = {
        (one.section, one.name): clean_line(one.value if one.state == DECLARED else one.said)
        for one in card
    }
    epochs = ", ".join(map(str, snapshot.epochs))
    personas = len({parts_of(line)[0] for line in snapshot.sources})
    variants = len(snapshot.sources) // max(1, personas)
    grid = (
        f"{count_of(personas, 'source')} x "
        + f"{variants} variants x " * (variants > 1)
        + f"{count_of(len(snapshot.epochs), 'checkpoint')} (epochs {epochs})"
        f" x {count_of(len(snapshot.seeds), 'seed')} ="
        f" {len(snapshot.cells)} cells."
    )
    parts = [
        ("Base", ("Model", "Base model")),
        ("Convergence", ("Convergence LoRA", "Method")),
        ("Convergence learning rate", ("Convergence LoRA", "Learning rate")),
        ("Convergence epochs", ("Convergence LoRA", "Epochs")),
        *(
            (f"{learned}{what}", (f"{learned} LoRA", name))
            for learned in ("Marker", "Trait")
            for what, name in (
                ("", "Method"),
                (" learning rate", "Learning rate"),
                (" epochs", "Epochs"),
            )
        ),
        ("Evaluation", ("Eval", "Set")),
        ("n", ("Eval", "n per cell")),
    ]
    known = [f"{name}: {told[place]}" for name, place in parts if told.get(place)]
    if study.reader.is_results_only:
        is_declared = any(field.state for field in card)
        how = "is declared by its card alone" if is_declared else "is not recorded here"
        known.append(f"these are numbers from a table; how they were made {how}")
    return f"{grid} {'; '.join(known)}."


def _claim(claim: Claim) -> str:
    """What was asked, the verdict, and what the data say; the sentence is true either way."""
    asked, said = clean_line(claim.claim).rstrip("."), clean_line(claim.sentence)
    status = f" ({claim.status})" if claim.status else ""
    return f"- {asked}: **{claim.said}**{status}. {said}"


def doubts(study: Study, claims: Sequence[Claim]) -> list[str]:
    """Everything that by rule keeps the confidence low."""
    snapshot = study.snapshot
    verdicts = {claim.key: claim.verdict for claim in claims}
    rest = sum(view.state.value != "done" for view in snapshot.cells)
    found = {
        "the model is synthetic": snapshot.synthetic,
        seeds_said(study): len(snapshot.seeds) == 1,
        f"{rest} of {len(snapshot.cells)} cells have no current result": rest,
        "the sources' own marker rate is not measured everywhere": (
            verdicts.get("specificity") is Verdict.NOT_MEASURED
        ),
        "checkpoints scatter by more than sampling": verdicts.get("dispersion") is Verdict.FAILS,
    }
    return [doubt for doubt, applies in found.items() if applies]


def grade(study: Study, claims: Sequence[Claim]) -> tuple[str, list[str]]:
    """Grade by rule, with the reasons.

    LOW: any doubt. HIGH: no doubt, five seeds, claims that were locked before the first
    measurement and all decided, and nothing done otherwise since. MODERATE: what lies between.
    """
    if reasons := doubts(study, claims):
        return "LOW", reasons
    record = locks_of(study)
    locked = [claim for claim in claims if claim.status == CONFIRMATORY]
    lacking = {
        f"fewer than {SEEDS_FOR_HIGH} seeds": len(study.snapshot.seeds) < SEEDS_FOR_HIGH,
        "no claim was locked before the first measurement": not locked,
        "a locked claim is not decided": any(one.verdict not in _DECIDED for one in locked),
        "something was done otherwise since the lock": bool(record.deviations),
    }
    if reasons := [reason for reason, applies in lacking.items() if applies]:
        return "MODERATE", reasons
    return "HIGH", ["no doubt by the rules, and every locked claim is decided"]


def confidence(study: Study, claims: Sequence[Claim]) -> str:
    """Say the grade and why it is no other."""
    given, reasons = grade(study, claims)
    return f"**Confidence: {given}** - {'; '.join(reasons)}."


def next_steps(study: Study, claims: Sequence[Claim], text: ReportText) -> list[str]:
    """List the author's, and what would remove a doubt, by rule."""
    snapshot = study.snapshot
    waiting = [str(view.cell) for view in snapshot.cells if view.state.value != "done"]
    verdicts = {claim.key: claim.verdict for claim in claims}
    steps = {
        "Repeat with more seeds, epoch 0 included.": len(snapshot.seeds) == 1,
        f"Measure the {len(waiting)} cells that have no current result.": waiting,
        "Evaluate every source under its own prompt.": (
            verdicts.get("specificity") is Verdict.NOT_MEASURED
        ),
        _TO_WRITE.format(key="next_steps", what="what this result asks for."): not text.next_steps,
    }
    own = [clean_line(step) for step in text.next_steps]
    return [*own, *(step for step, applies in steps.items() if applies)]
