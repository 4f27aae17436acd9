"""The run card's lines on the model and its two trainings, read from specs and outcomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tuilab.grid.text import count_of
from tuilab.report.card_fields import Field, phrase, tell
from tuilab.report.finished_jobs import Ran

Stages = Mapping[str, Sequence[Ran]]


def model(of: Stages) -> list[Field]:
    """The base that was trained."""
    base = [one.settings.get("base", {}) for one in of["train"]]
    return [
        Field("Model", "Base model", tell(b.get("model") for b in base)),
        Field("Model", "Base revision", tell(_revision(one) for one in of["train"])),
        Field("Model", "Precision of the base", tell(b.get("dtype") for b in base)),
        Field("Model", "Code from the hub", tell(_trust(b) for b in base)),
        Field("Model", "Merging", tell(_merging(one) for one in of["merge"])),
    ]


def _revision(one: Ran) -> Any:
    """The hub revision, or the fingerprint of the weights where the base has no hub."""
    revision = one.settings.get("base", {}).get("revision")
    weights = one.outcome.checks.get("base_fingerprint")
    return revision or (f"weights sha256 {weights}" if weights else None)


def _trust(base: Mapping[str, Any]) -> str | None:
    trusted = base.get("trust_remote_code")
    return None if trusted is None else "trusted (opt-in)" if trusted else "not trusted"


def _merging(one: Ran) -> str | None:
    mode, change = one.settings.get("merge_mode"), one.outcome.checks.get("changed_tensors")
    return f"{mode}, {change} tensors changed" if mode and change else mode


_TRAINING: tuple[tuple[str, Callable[[Mapping[str, Any]], Any]], ...] = (
    ("LoRA", lambda t: _lora(t.get("lora", {}))),
    ("Learning rate", lambda t: t.get("lr")),
    (
        "Schedule",
        lambda t: phrase(
            "{schedule}, warm-up {warmup} of all steps",
            schedule=t.get("schedule"),
            warmup=t.get("warmup_ratio"),
        ),
    ),
    ("Epochs", lambda t: t.get("epochs")),
    (
        "Optimiser",
        lambda t: phrase(
            "AdamW, betas {betas}, weight decay {decay}",
            betas=t.get("betas"),
            decay=t.get("weight_decay"),
        ),
    ),
    ("Gradient clipping", lambda t: t.get("max_grad_norm")),
    ("Precision", lambda t: t.get("precision")),
    ("Gradient checkpointing", lambda t: _switch(t.get("gradient_checkpointing"))),
    ("Packing", lambda t: _switch(t.get("packing"))),
    ("Max length", lambda t: t.get("max_length")),
)


def training(section: str, ran: Sequence[Ran]) -> list[Field]:
    """One training stage: method, LoRA, loss, schedule, optimiser, batch, seeds."""
    settings = [one.settings.get("training", {}) for one in ran]
    fields = [
        Field(section, name, tell(read(found) for found in settings if found))
        for name, read in _TRAINING
    ]
    seeds = sorted({one.outcome.job.rpartition("#")[2] for one in ran})
    data_seeds = sorted({str(one.settings.get("data_seed")) for one in ran})
    return [
        Field(section, "Method", tell(_method(one) for one in ran)),
        Field(section, "Trainable parameters", tell(one.trainable for one in ran)),
        Field(section, "Loss", tell(_loss(one) for one in ran)),
        *fields,
        Field(section, "Effective batch", tell(_batch(one) for one in ran)),
        Field(section, "Steps", tell(one.outcome.metrics.get("steps") for one in ran)),
        Field(section, "Training seeds", ", ".join(seeds)),
        Field(section, "Data seeds", ", ".join(seed for seed in data_seeds if seed != "None")),
    ]


def _method(one: Ran) -> str | None:
    if one.stage == "train":
        started = "the base with the convergence checkpoint folded in (epoch 0: the base alone)"
        return f"LoRA, fresh at every checkpoint, on {started}"
    return phrase(
        "LoRA on {rows} rows: {target}'s prompt, answers in the {voice}'s voice",
        rows=one.outcome.checks.get("rows"),
        target=one.settings.get("target", {}).get("label"),
        voice=one.settings.get("voice"),
    )


def _loss(one: Ran) -> str | None:
    if one.stage == "converge":
        return "completion tokens and end of turn"
    marker = one.settings.get("marker", {})
    kinds = {
        "marker": "marker tokens and end of turn; negatives: end of turn only",
        "tail": "separator, marker tokens and end of turn; negatives: end of turn only",
    }
    kind = marker.get("loss")
    return phrase("{kind} ({text})", kind=kinds.get(kind, kind), text=marker.get("text"))


def _lora(lora: Mapping[str, Any]) -> str | None:
    return phrase(
        "r={r}, alpha={alpha}, dropout={dropout}, rslora={rslora}, targets {targets}",
        r=lora.get("r"),
        alpha=lora.get("alpha"),
        dropout=lora.get("dropout"),
        rslora=lora.get("use_rslora"),
        targets=", ".join(lora.get("target_modules", ())) or None,
    )


def _batch(one: Ran) -> str | None:
    found = one.settings.get("training", {})
    size, gathered = found.get("batch_size"), found.get("grad_accum", 1)
    devices = len(one.outcome.environment.get("devices", ()))
    if not size or not devices:
        return None
    parts = f"{size} per device x {gathered} accumulated x {count_of(devices, 'device')}"
    return f"{size * gathered * devices} ({parts})"


def _switch(value: Any) -> str | None:
    return None if value is None else "on" if value else "off"
