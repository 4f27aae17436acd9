"""The report's first words: title, what is empty, and the TL;DR skeleton in the card's order."""

from __future__ import annotations

from collections.abc import Sequence

from tuilab.contract.foreign import clean_line
from tuilab.grid.text import count_of
from tuilab.report.card_fields import Field, empty_by_section, empty_fields
from tuilab.science.claims.claim import Claim, Verdict
from tuilab.study.study import Study

HERO = "leakage-cosine"
"""Kind of the figure that stands in the summary."""
_TO_WRITE = "_To be written by the author: {what}_"


def title(study: Study, claims: Sequence[Claim]) -> str:
    """Say what was found and on how many seeds, in one line."""
    classes = next((claim.sentence for claim in claims if claim.key == "classes"), "")
    said = classes.rstrip(".")
    grade = " (LOW confidence)" if doubts(study, claims) else ""
    return clean_line(f"{study.name}: {said[:1].lower() + said[1:]}; {seeds_said(study)}{grade}")


def seeds_said(study: Study) -> str:
    """Word the replication; it belongs to every headline."""
    if one := study.design.one_seed:
        return f"{one}, not replicated"
    seeds = study.snapshot.seeds
    return f"{len(seeds)} seeds: {', '.join(map(str, seeds))}"


def what_is_empty(card: Sequence[Field]) -> str:
    """Name the empty fields first; whole sections in one word so that nobody drowns."""
    names = empty_fields(card)
    if not names:
        return "Every field of the run card is filled from what really ran."
    lines = "\n".join(f"- {line}" for line in empty_by_section(card))
    return (
        f"**{len(names)} of {len(card)} fields of the run card are empty**"
        f" (nothing on disk tells them):\n\n{lines}"
    )


def synthetic(study: Study) -> str:
    """Warn of a model that was made to have something to measure."""
    if not study.snapshot.synthetic:
        return ""
    return "> **Synthetic model.** These numbers show that the pipeline works and nothing else."


def summary(study: Study, card: Sequence[Field], claims: Sequence[Claim], hero: str) -> list[str]:
    """Return the TL;DR: background, methodology, results with confidence, next steps."""
    return [
        "## TL;DR",
        "### Background",
        _TO_WRITE.format(what="why this was run, and which earlier result it follows."),
        "### Methodology",
        methodology(study, card),
        "### Results",
        hero,
        "Main takeaways, each with its verdict:",
        "\n".join(_claim(claim) for claim in claims),
        confidence(study, claims),
        "### Next steps",
        "\n".join(f"- {step}" for step in next_steps(study, claims)),
    ]


def methodology(study: Study, card: Sequence[Field]) -> str:
    """Say the design from what ran; what is not known is left out, not guessed."""
    snapshot = study.snapshot
    told = {(field.section, field.name): clean_line(field.value) for field in card}
    epochs = ", ".join(map(str, snapshot.epochs))
    grid = (
        f"{len(snapshot.sources)} sources x {len(snapshot.epochs)} checkpoints (epochs {epochs})"
        f" x {count_of(len(snapshot.seeds), 'seed')} ="
        f" {len(snapshot.cells)} cells."
    )
    parts = [
        ("Base", ("Model", "Base model")),
        ("Convergence", ("Convergence LoRA", "Method")),
        ("Convergence learning rate", ("Convergence LoRA", "Learning rate")),
        ("Convergence epochs", ("Convergence LoRA", "Epochs")),
        ("Marker", ("Marker LoRA", "Method")),
        ("Marker learning rate", ("Marker LoRA", "Learning rate")),
        ("Marker epochs", ("Marker LoRA", "Epochs")),
        ("Evaluation", ("Eval", "Set")),
        ("n", ("Eval", "n per cell")),
    ]
    known = [f"{name}: {told[place]}" for name, place in parts if told.get(place)]
    if study.reader.is_results_only:
        known.append("these are numbers from a table; how they were made is not recorded here")
    return f"{grid} {'; '.join(known)}."


def _claim(claim: Claim) -> str:
    """What was asked, the verdict, and what the data say; the sentence is true either way."""
    asked, said = clean_line(claim.claim).rstrip("."), clean_line(claim.sentence)
    return f"- {asked}: **{claim.verdict.value}**. {said}"


def doubts(study: Study, claims: Sequence[Claim]) -> list[str]:
    """Everything that by rule keeps the confidence low."""
    snapshot = study.snapshot
    verdicts = {claim.key: claim.verdict for claim in claims}
    rest = sum(view.state.value != "done" for view in snapshot.cells)
    found = {
        "the model is synthetic": snapshot.synthetic,
        seeds_said(study): len(snapshot.seeds) == 1,
        f"{rest} of {len(snapshot.cells)} cells are not in force": rest,
        "the sources' own marker rate is not measured everywhere": (
            verdicts.get("specificity") is Verdict.NOT_MEASURED
        ),
        "checkpoints scatter more than sampling": verdicts.get("dispersion") is Verdict.FAILS,
    }
    return [doubt for doubt, applies in found.items() if applies]


def confidence(study: Study, claims: Sequence[Claim]) -> str:
    """Grade by rule: any doubt means LOW; without one the grade is the author's."""
    reasons = doubts(study, claims)
    if reasons:
        return f"**Confidence: LOW** - {'; '.join(reasons)}."
    return "**Confidence: to be given by the author** - no rule here lowers it."


def next_steps(study: Study, claims: Sequence[Claim]) -> list[str]:
    """List what would remove a doubt, by rule, and leave room for the author."""
    snapshot = study.snapshot
    waiting = [str(view.cell) for view in snapshot.cells if view.state.value != "done"]
    verdicts = {claim.key: claim.verdict for claim in claims}
    steps = {
        "Repeat over further seeds, epoch 0 included.": len(snapshot.seeds) == 1,
        f"Measure the {len(waiting)} cells that are not in force.": waiting,
        "Evaluate every source under its own prompt.": (
            verdicts.get("specificity") is Verdict.NOT_MEASURED
        ),
        _TO_WRITE.format(what="what this result asks for."): True,
    }
    return [step for step, applies in steps.items() if applies]
