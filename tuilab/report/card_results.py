"""The run card's lines on data, evaluation and hidden states, read from specs and outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tuilab.report.card_fields import Field, phrase, span, tell
from tuilab.report.finished_jobs import Ran

Stages = Mapping[str, Sequence[Ran]]
SIGNIFICANCE = (
    "two-sided Fisher against the source's own epoch 0, Holm over its checkpoints, alpha 0.05"
)
"""What ``science.significance`` computes for every experiment, also for an imported one."""


def data(of: Stages) -> list[Field]:
    """Where the training rows came from: counts, hashes, sampling."""
    sampled = of["data"]
    per_persona = [Field("Data", f"Answers of {_who(one)}", _answers(one)) for one in sampled]
    return [
        Field("Data", "Source", tell(_origin(one) for one in sampled)),
        *(per_persona or [Field("Data", "Answers and sha256 per persona", "")]),
        Field("Data", "Sampling", tell(_drawing(one) for one in sampled)),
        Field("Data", "Convergence rows", tell(_rows(one, "rows") for one in of["converge"])),
        Field("Data", "Marker rows", tell(_roles(one) for one in of["train"])),
        Field("Data", "Training rows sha256", span(_hash(one) for one in of["train"])),
        Field("Data", "Preprocessing", tell(_preprocessing(one) for one in sampled)),
    ]


def _who(one: Ran) -> str:
    return str(one.settings.get("persona", {}).get("label") or one.job.partition("/")[2])


def _answers(one: Ran) -> str:
    checks = one.outcome.checks
    told = phrase(
        "{rows} rows, {dropped} dropped for the marker, sha256 {sha256}",
        rows=checks.get("rows"),
        dropped=checks.get("dropped_marker"),
        sha256=one.outcome.output_hash or None,
    )
    return told or ""


def _origin(one: Ran) -> str | None:
    model = one.settings.get("base", {}).get("model")
    return phrase("answers that {model} gave under each persona's prompt", model=model)


def _drawing(one: Ran) -> str | None:
    found = one.settings
    return phrase(
        "temperature {temperature}, top_p {top_p}, at most {tokens} tokens, {answers} answers to"
        " {questions} questions, seed {seed}",
        temperature=found.get("temperature"),
        top_p=found.get("top_p"),
        tokens=found.get("max_new_tokens"),
        answers=found.get("answers_per_question"),
        questions=len(found.get("questions", ())) or None,
        seed=found.get("seed"),
    )


def _rows(one: Ran, name: str) -> Any:
    return one.outcome.checks.get(name)


def _roles(one: Ran) -> str | None:
    positives, negatives = _rows(one, "positives"), _rows(one, "negatives")
    if positives is None:
        return None
    others = len(one.settings.get("negatives", ()))
    return f"{positives} positives, {negatives} negatives of {others} personas"


def _hash(one: Ran) -> Any:
    return one.outcome.checks.get("data_sha256")


def _preprocessing(one: Ran) -> str | None:
    marker = one.settings.get("marker_text")
    said = "chat template, always with a system prompt; answers containing {marker} dropped"
    return phrase(said, marker=marker)


def evaluation(of: Stages, sizes: str) -> list[Field]:
    """What was counted, over what, how it was sampled; ``sizes`` is n as it was measured."""
    ran = of["eval"]
    return [
        Field("Eval", "Metric", tell(_metric(one) for one in ran)),
        Field("Eval", "Set", tell(_set(one) for one in ran)),
        Field("Eval", "n per cell", sizes),
        Field("Eval", "Sampling", tell(_sampling(one) for one in ran)),
        Field("Eval", "Sampling seeds", span(one.settings.get("seed") for one in ran)),
        Field("Eval", "Finish", _finish(ran)),
        Field("Eval", "Significance test", SIGNIFICANCE),
    ]


def _metric(one: Ran) -> str | None:
    scorer = one.settings.get("scorer", {})
    return phrase(
        "share of completions that contain {text!r} ({kind}, {case}case sensitive), one hit per"
        " completion",
        text=scorer.get("text"),
        kind=scorer.get("kind"),
        case="" if scorer.get("case_sensitive") else "not ",
    )


def _set(one: Ran) -> str | None:
    questions, panel = one.settings.get("questions", ()), one.settings.get("panel", ())
    samples = one.settings.get("samples")
    return phrase(
        "{questions} questions x {panel} personas x {samples} completions = {total} per cell",
        questions=len(questions) or None,
        panel=len(panel) or None,
        samples=samples,
        total=len(questions) * len(panel) * (samples or 0),
    )


def _sampling(one: Ran) -> str | None:
    found, checks = one.settings, one.outcome.checks
    return phrase(
        "{sampler}, temperature {temperature}, top_p {top_p}, top_k {top_k}, at most {tokens} new"
        " tokens, batch {batch}",
        sampler=checks.get("sampler"),
        temperature=found.get("temperature"),
        top_p=found.get("top_p"),
        top_k=found.get("top_k"),
        tokens=found.get("max_new_tokens"),
        batch=checks.get("batch_size"),
    )


def _finish(ran: Sequence[Ran]) -> str:
    counted: Counter[str] = Counter()
    for one in ran:
        health = one.outcome.metrics.get("health", {})
        counted.update({key: int(health.get(key) or 0) for key in ("n", "cut", "malformed")})
    if not counted["n"]:
        return ""
    return (
        f"{counted['cut']} of {counted['n']} completions cut at the limit, {counted['malformed']}"
        " with a malformed marker"
    )


def cosine(of: Stages) -> list[Field]:
    """On which scale hidden states were compared."""
    ran = of["cosine"]
    return [
        Field("Cosine", "Layers", tell(_listed(one.settings.get("layers")) for one in ran)),
        Field("Cosine", "Pool", tell(_pool(one) for one in ran)),
        Field("Cosine", "Model state", tell(one.settings.get("model_state") for one in ran)),
    ]


def _listed(values: Any) -> str | None:
    return ", ".join(map(str, values)) if values else None


def _pool(one: Ran) -> str | None:
    return phrase(
        "{name}: {personas} personas x {questions} questions",
        name=one.settings.get("pool_name"),
        personas=len(one.settings.get("pool", ())) or None,
        questions=len(one.settings.get("questions", ())) or None,
    )
