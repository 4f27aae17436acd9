"""Fills the run card from what really ran, never from constants; an empty field stays empty."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuilab.report.evidence import Ran


@dataclass(frozen=True, slots=True)
class Field:
    """One line of the card."""

    section: str
    name: str
    value: str
    """"" when nothing on disk tells it."""


def run_card(ran: Sequence[Ran], tracker: str = "") -> list[Field]:
    """Return every field of the card in its order.

    A value that differs between cells is shown as all its values, each with how often it occurs.
    ``tracker`` is the configured tracker ("" or "none" when there is none).
    """
    of: dict[str, list[Ran]] = defaultdict(list)
    for one in ran:
        of[one.stage].append(one)
    return [
        *_model(of),
        *_training("Convergence LoRA", of["converge"]),
        *_training("Marker LoRA", of["train"]),
        *_data(of),
        *_evaluation(of),
        *_compute(ran, of),
        *_environment(ran),
        *_records(ran, of, tracker),
    ]


def empty_fields(card: Iterable[Field]) -> list[str]:
    """Return the names of the fields that nothing on disk tells."""
    return [f"{field.section}: {field.name}" for field in card if not field.value]


def _model(of: Mapping[str, Sequence[Ran]]) -> list[Field]:
    base = [one.settings.get("base", {}) for one in of["train"]]
    return [
        Field("Model", "Base model", _tell(b.get("model") for b in base)),
        Field("Model", "Base revision", _tell(_revision(one) for one in of["train"])),
        Field("Model", "Precision of the base", _tell(b.get("dtype") for b in base)),
        Field(
            "Model",
            "Trainable parameters",
            _tell(one.outcome.checks.get("trainable_parameters") for one in of["train"]),
        ),
    ]


def _revision(one: Ran) -> Any:
    """The hub revision, or the fingerprint of the weights where the base has no hub."""
    revision = one.settings.get("base", {}).get("revision")
    weights = one.outcome.checks.get("base_fingerprint")
    return revision or (f"weights sha256 {weights[:16]}" if weights else None)


_TRAINING: tuple[tuple[str, Callable[[Mapping[str, Any]], Any]], ...] = (
    ("LoRA", lambda t: _lora(t.get("lora", {}))),
    ("Learning rate", lambda t: t.get("lr")),
    ("Schedule", lambda t: f"{t.get('schedule')}, warm-up {t.get('warmup_ratio')} of all steps"),
    ("Epochs", lambda t: t.get("epochs")),
    (
        "Optimiser",
        lambda t: f"AdamW, betas {t.get('betas')}, weight decay {t.get('weight_decay')}",
    ),
    ("Gradient clipping", lambda t: t.get("max_grad_norm")),
    ("Precision", lambda t: t.get("precision")),
    ("Gradient checkpointing", lambda t: t.get("gradient_checkpointing")),
    ("Max length", lambda t: t.get("max_length")),
    (
        "Effective batch",
        lambda t: (
            f"{t.get('batch_size', 0) * t.get('grad_accum', 1)}"
            f" ({t.get('batch_size')} per device x {t.get('grad_accum', 1)} accumulated x 1 device)"
        ),
    ),
)


def _training(section: str, ran: Sequence[Ran]) -> list[Field]:
    settings = [one.settings.get("training", {}) for one in ran]
    fields = [
        Field(section, name, _tell(read(training) for training in settings))
        for name, read in _TRAINING
    ]
    loss = "marker" in (ran[0].settings if ran else {})
    losses = [_loss(one) for one in ran]
    seeds = [one.outcome.job.rpartition("#")[2] for one in ran]
    return [
        Field(section, "Method", "LoRA fine-tuning, plain loop on PEFT" if ran else ""),
        Field(section, "Loss", _tell(losses) if loss or ran else ""),
        *fields,
        Field(section, "Seeds", ", ".join(sorted(set(seeds)))),
    ]


def _loss(one: Ran) -> str:
    marker = one.settings.get("marker")
    if marker is None:
        return "completion tokens and end of turn"
    kinds = {
        "marker": "marker tokens and end of turn; negatives: end of turn only",
        "tail": "separator, marker tokens and end of turn; negatives: end of turn only",
    }
    return f"{kinds.get(marker.get('loss'), marker.get('loss'))} ({marker.get('text')})"


def _lora(lora: Mapping[str, Any]) -> str:
    return (
        f"r={lora.get('r')}, alpha={lora.get('alpha')}, dropout={lora.get('dropout')},"
        f" rslora={lora.get('use_rslora')}, targets {', '.join(lora.get('target_modules', ()))}"
    )


def _data(of: Mapping[str, Sequence[Ran]]) -> list[Field]:
    sampled = of["data"]
    rows = [
        f"{one.outcome.job.partition('/')[2]}: {one.outcome.checks.get('rows')}" for one in sampled
    ]
    hashes = [
        f"{one.outcome.job.partition('/')[2]}: {one.outcome.output_hash[:16]}"
        for one in sampled
        if one.outcome.output_hash
    ]
    return [
        Field("Data", "Source", "answers sampled from the base, per persona" if sampled else ""),
        Field("Data", "sha256 per persona", "; ".join(hashes)),
        Field("Data", "Rows per persona", "; ".join(rows)),
        Field(
            "Data",
            "Sampling",
            _tell(
                f"temperature {one.settings.get('temperature')}, top_p {one.settings.get('top_p')},"
                f" at most {one.settings.get('max_new_tokens')} tokens,"
                f" {one.settings.get('answers_per_question')} answers to"
                f" {len(one.settings.get('questions', ()))} questions, seed"
                f" {one.settings.get('seed')}"
                for one in sampled
            ),
        ),
        Field(
            "Data",
            "Marker rows",
            _tell(
                f"{one.outcome.checks.get('positives')} positives,"
                f" {one.outcome.checks.get('negatives')} negatives"
                for one in of["train"]
            ),
        ),
        Field(
            "Data",
            "Preprocessing",
            "chat template, always with a system prompt; answers with the marker dropped"
            if sampled
            else "",
        ),
    ]


def _evaluation(of: Mapping[str, Sequence[Ran]]) -> list[Field]:
    ran = of["eval"]
    return [
        Field(
            "Eval",
            "Metric",
            _tell(
                "share of completions that contain"
                f" {one.settings.get('scorer', {}).get('text')!r},"
                f" {'' if one.settings.get('scorer', {}).get('case_sensitive') else 'not '}case"
                " sensitive, one hit per completion"
                for one in ran
            ),
        ),
        Field(
            "Eval",
            "Set",
            _tell(
                f"{len(one.settings.get('questions', ()))} questions x"
                f" {len(one.settings.get('panel', ()))} personas x {one.settings.get('samples')}"
                for one in ran
            ),
        ),
        Field("Eval", "n per cell and persona", _tell(_sizes(one) for one in ran)),
        Field(
            "Eval",
            "Sampling",
            _tell(
                f"{one.outcome.checks.get('sampler')}, temperature"
                f" {one.settings.get('temperature')}, top_p {one.settings.get('top_p')}, top_k"
                f" {one.settings.get('top_k')}, at most {one.settings.get('max_new_tokens')} new"
                f" tokens, batch {one.outcome.checks.get('batch_size')}"
                for one in ran
            ),
        ),
        Field("Eval", "Sampling seeds", _span(one.settings.get("seed") for one in ran)),
        Field(
            "Eval",
            "Significance test",
            "two-sided Fisher against the source's own epoch 0, Holm over checkpoints"
            if ran
            else "",
        ),
    ]


def _sizes(one: Ran) -> str | None:
    sizes = Counter(rate.get("n") for rate in one.outcome.metrics.get("leakage", {}).values())
    return ", ".join(str(n) for n in sorted(sizes)) or None


def _compute(ran: Sequence[Ran], of: Mapping[str, Sequence[Ran]]) -> list[Field]:
    devices = [
        f"{device.get('kind')} {device.get('name')}"
        for one in ran
        for device in one.outcome.environment.get("devices", ())
    ]
    wall = [(one.outcome.started_at, one.outcome.finished_at) for one in ran]
    span = max(end for _, end in wall) - min(start for start, _ in wall) if wall else 0.0
    hours = "; ".join(
        f"{stage} {sum(one.outcome.seconds for one in members) / 3600:.3f}"
        for stage, members in of.items()
        if members
    )
    return [
        Field("Compute", "Hardware", _tell(devices)),
        Field("Compute", "Hosts", _tell(one.outcome.environment.get("host") for one in ran)),
        Field("Compute", "Wall time", f"{span / 3600:.3f} h from first to last" if wall else ""),
        Field("Compute", "Device hours per stage", hours),
    ]


def _environment(ran: Sequence[Ran]) -> list[Field]:
    libraries: dict[str, list[Any]] = defaultdict(list)
    for one in ran:
        for name, version in one.outcome.environment.get("libraries", {}).items():
            libraries[name].append(version)
    told = ", ".join(f"{name} {_tell(found)}" for name, found in sorted(libraries.items()))
    return [
        Field("Environment", "Python", _tell(o.outcome.environment.get("python") for o in ran)),
        Field("Environment", "Libraries as imported", told),
        Field("Environment", "Git commit", _tell(one.launch.get("git_commit") for one in ran)),
        Field("Environment", "Dirty diff", _tell(_dirty(one) for one in ran)),
        Field("Environment", "Code snapshot", _tell(one.launch.get("code") for one in ran)),
        Field(
            "Environment",
            "Launch command",
            _tell(" ".join(map(str, one.launch.get("argv", ()))) or None for one in ran),
        ),
        Field(
            "Environment",
            "Runner command",
            _tell(" ".join(one.outcome.environment.get("argv", ())[:3]) or None for one in ran),
        ),
    ]


def _dirty(one: Ran) -> str | None:
    diff = one.launch.get("dirty_diff")
    if diff:
        return f"sha256 {diff[:16]}"
    return "none" if one.launch.get("git_commit") else None


def _records(ran: Sequence[Ran], of: Mapping[str, Sequence[Ran]], tracker: str) -> list[Field]:
    runs = [one.outcome.environment.get("tracker_run") for one in ran]
    with_tracker = tracker not in ("", "none")
    return [
        Field(
            "Records",
            "Tracker",
            _tell(runs) if with_tracker else "none configured: events.jsonl of each attempt",
        ),
        Field(
            "Records",
            "Raw completions",
            "jobs/eval/**/attempt-*/completions.jsonl.gz" if of["eval"] else "",
        ),
    ]


def _span(values: Iterable[Any]) -> str:
    """Up to three values as they are; more as their number: each stands in its cell's spec."""
    found = sorted({value for value in values if value is not None})
    if len(found) <= 3:
        return ", ".join(map(str, found))
    return f"{len(found)} different ones, each in its cell's spec.json"


def _tell(values: Iterable[Any]) -> str:
    """One value as itself; several with their counts, commonest first; "" when nothing is known."""
    found = Counter(str(value) for value in values if value is not None and value != "")
    if len(found) <= 1:
        return next(iter(found), "")
    return "; ".join(f"{value} (x{count})" for value, count in found.most_common())
