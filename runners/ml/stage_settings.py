"""Reads the settings of a spec into checked values; the only place that knows their keys."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeVar

from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError
from tuilab.contract.scoring import Scorer

T = TypeVar("T")
FOLD = "fold"
ANSWER = "answer"
"""The loss on all that the assistant says."""


@dataclass(frozen=True, slots=True)
class Persona:
    """Who speaks: a key for files, a label for people, a system prompt for the model."""

    key: str
    label: str
    prompt: str


@dataclass(frozen=True, slots=True)
class BaseSettings:
    """Which base model, and where it runs."""

    model: str
    """``tiny``, a hub id, or a local directory."""
    revision: str | None = None
    """Commit of a hub model."""
    dtype: str = "float32"
    """``float32`` or ``bfloat16``."""
    trust_remote_code: bool = False
    device: str = "auto"
    """``auto``, ``cpu`` or ``cuda``."""
    threads: int | None = None
    """Torch threads of this process; None leaves the library's choice."""
    path: str | None = None
    """Directory of a rebuilt tiny base; None means the shipped one."""
    template_args: Mapping[str, Any] = field(default_factory=dict)
    """What the chat template is given beside the messages."""
    system: str = "role"
    """``role``, or ``fold``: the system prompt goes before the first question."""


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """Shape and strength of one adapter."""

    r: int
    alpha: float
    dropout: float
    use_rslora: bool
    target_modules: tuple[str, ...]

    @property
    def scaling(self) -> float:
        """alpha / sqrt(r) with rank stabilisation (arXiv 2312.03732), else alpha / r."""
        return self.alpha / (math.sqrt(self.r) if self.use_rslora else self.r)


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """One run of the training loop."""

    lora: LoraSettings
    lr: float
    epochs: int
    batch_size: int
    grad_accum: int = 1
    warmup_ratio: float = 0.0
    schedule: str = "cosine"
    """``cosine``, ``linear`` or ``constant`` after the warm-up."""
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    betas: tuple[float, float] = (0.9, 0.999)
    max_length: int = 1024
    """Tokens of a row at most; a longer one is an error."""
    gradient_checkpointing: bool = False
    packing: bool = False
    precision: str = "float32"
    """``bfloat16`` runs the forward pass under autocast; adapters and AdamW stay float32."""
    save_seconds: float = 60.0
    """A resume state is saved about this often; 0 saves one only when asked to stop."""


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """How completions are drawn; the batch size affects the result and is recorded."""

    temperature: float
    top_p: float
    top_k: int
    max_new_tokens: int
    batch_size: int
    seed: int
    sampler: str = "auto"


@dataclass(frozen=True, slots=True)
class MarkerSettings:
    """What the marker adapter learns to write, and which tokens of it are trained."""

    text: str
    separator: str = "\n\n"
    """Between the answer and the marker."""
    loss: str = "marker"
    """``marker``: marker and end-of-turn tokens; ``tail``: the separator's tokens too; ``answer``:
    all that the assistant says."""
    negative_loss: str = "end"
    """What a negative row teaches: ``end`` of turn, the ``newline`` behind it, or ``none``."""


def required(settings: Mapping[str, Any], name: str, kind: type[T] | tuple[type, ...]) -> T:
    """Return ``settings[name]`` of the given type; JobError (config) when missing or of another."""
    if name not in settings:
        raise JobError(Reason.CONFIG, f"spec.settings lacks {name}")
    value = settings[name]
    if not isinstance(value, kind):
        raise JobError(Reason.CONFIG, f"spec.settings.{name} has the wrong type: {value!r:.80}")
    return value  # type: ignore[return-value]  # a tuple of types is checked as one of them


def base(settings: Mapping[str, Any]) -> BaseSettings:
    """Read ``settings.base``."""
    found = _build(BaseSettings, required(settings, "base", dict), "base")
    _one_of("base.dtype", found.dtype, ("float32", "bfloat16"))
    _one_of("base.system", found.system, ("role", FOLD))
    return found


def persona(settings: Mapping[str, Any], name: str) -> Persona:
    """Read one persona."""
    return _persona(required(settings, name, dict), name)


def personas(settings: Mapping[str, Any], name: str) -> tuple[Persona, ...]:
    """Read a list of personas, in order."""
    raw: Sequence[Mapping[str, Any]] = required(settings, name, (list, tuple))
    return tuple(_persona(one, name) for one in raw)


def role(settings: Mapping[str, Any], name: str) -> str | None:
    """Return the key of whoever has a role, which is named alone or as a whole persona."""
    named = settings.get(name)
    return named.get("key") if isinstance(named, dict) else named


def lora(settings: Mapping[str, Any], name: str) -> LoraSettings | None:
    """Read the settings of an adapter; None where they are null."""
    raw = settings.get(name)
    return None if raw is None else _lora(raw, name)


def training(settings: Mapping[str, Any]) -> TrainingSettings:
    """Read ``settings.training`` with its adapter."""
    raw: dict[str, Any] = dict(required(settings, "training", dict))
    raw["lora"] = _lora(required(raw, "lora", dict), "training.lora")
    raw["betas"] = tuple(raw.get("betas", (0.9, 0.999)))
    found = _build(TrainingSettings, raw, "training")
    _one_of("training.schedule", found.schedule, ("cosine", "linear", "constant"))
    _one_of("training.precision", found.precision, ("float32", "bfloat16"))
    if min(found.epochs, found.batch_size, found.grad_accum) < 1:
        raise JobError(Reason.CONFIG, "training: epochs, batch_size and grad_accum must be >= 1")
    return found


def sampling(settings: Mapping[str, Any]) -> SamplingSettings:
    """Read the sampling keys, which are at the top of the settings."""
    return _build(SamplingSettings, settings, "settings")


def marker(settings: Mapping[str, Any]) -> MarkerSettings:
    """Read ``settings.marker``."""
    found = _build(MarkerSettings, required(settings, "marker", dict), "marker")
    _one_of("marker.loss", found.loss, ("marker", "tail", ANSWER))
    _one_of("marker.negative_loss", found.negative_loss, ("end", "newline", "none"))
    return found


def scorer(settings: Mapping[str, Any]) -> Scorer | None:
    """Read ``settings.scorer``; None where there is no marker to look for."""
    if settings.get("scorer", {}) is None:
        return None
    found = _build(Scorer, required(settings, "scorer", dict), "scorer")
    _one_of("scorer.kind", found.kind, ("substring",))
    return found


def _persona(raw: Mapping[str, Any], where: str) -> Persona:
    found = _build(Persona, {"label": raw.get("key"), **raw}, where)
    if not found.prompt:
        raise JobError(
            Reason.CONFIG,
            f"{where}: persona {found.key!r} has no prompt; the chat template would insert its own",
        )
    return found


def _lora(raw: Mapping[str, Any], where: str) -> LoraSettings:
    modules: Sequence[str] = required(raw, "target_modules", (list, tuple))
    return _build(LoraSettings, {**raw, "target_modules": tuple(sorted(modules))}, where)


def _build(kind: type[T], raw: Mapping[str, Any], where: str) -> T:
    """Make a dataclass from the keys it knows; other keys belong to something else."""
    parts = fields(kind)  # type: ignore[arg-type]  # every kind here is a dataclass
    known = {part.name: raw[part.name] for part in parts if part.name in raw}
    needed = (
        part.name for part in parts if part.default is MISSING and part.default_factory is MISSING
    )
    if missing := [name for name in needed if name not in known]:
        raise JobError(Reason.CONFIG, f"spec.settings: {where} lacks {', '.join(missing)}")
    return kind(**known)


def _one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise JobError(Reason.CONFIG, f"{name} is {value!r}; it must be {' or '.join(allowed)}")
