"""Reads the settings of a spec into checked values; the only place that knows their keys."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar

from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Persona:
    """Who speaks: a key for files, a label for people, a system prompt for the model."""

    key: str
    label: str
    prompt: str


@dataclass(frozen=True, slots=True)
class BasePlan:
    """Which model everything stands on, and where it runs."""

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


@dataclass(frozen=True, slots=True)
class LoraPlan:
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
class TrainingPlan:
    """One run of the training loop."""

    lora: LoraPlan
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
    gradient_checkpointing: bool = False
    packing: bool = False
    precision: str = "float32"
    """``bfloat16`` runs the forward pass under autocast; adapters and AdamW stay float32."""
    save_seconds: float = 60.0
    """A resume state is kept about this often; 0 keeps one only when asked to stop."""


@dataclass(frozen=True, slots=True)
class SamplingPlan:
    """How completions are drawn; the batch size belongs to the result and is recorded."""

    temperature: float
    top_p: float
    top_k: int
    max_new_tokens: int
    batch_size: int
    seed: int
    sampler: str = "auto"


@dataclass(frozen=True, slots=True)
class MarkerPlan:
    """What the marker adapter is to write, and which of it is trained."""

    text: str
    separator: str = "\n\n"
    """Stands between the answer and the marker."""
    loss: str = "marker"
    """``marker``: marker and end-of-turn tokens; ``tail``: the separator's tokens too."""


@dataclass(frozen=True, slots=True)
class ScorerPlan:
    """How a completion is judged."""

    kind: str
    text: str
    case_sensitive: bool = False


def take(settings: Mapping[str, Any], name: str, kind: type[T] | tuple[type, ...]) -> T:
    """Return ``settings[name]`` of the given type; JobError (config) when absent or other."""
    if name not in settings:
        raise JobError(Reason.CONFIG, f"spec.settings lacks {name}")
    value = settings[name]
    if not isinstance(value, kind):
        raise JobError(Reason.CONFIG, f"spec.settings.{name} has the wrong type: {value!r:.80}")
    return value  # type: ignore[return-value]  # a tuple of types is checked as one of them


def base(settings: Mapping[str, Any]) -> BasePlan:
    """Read ``settings.base``."""
    plan = _build(BasePlan, take(settings, "base", dict), "base")
    _one_of("base.dtype", plan.dtype, ("float32", "bfloat16"))
    return plan


def persona(settings: Mapping[str, Any], name: str) -> Persona:
    """Read one persona."""
    return _persona(take(settings, name, dict), name)


def personas(settings: Mapping[str, Any], name: str) -> tuple[Persona, ...]:
    """Read a list of personas, in order."""
    return tuple(_persona(raw, name) for raw in take(settings, name, (list, tuple)))


def lora(settings: Mapping[str, Any], name: str) -> LoraPlan | None:
    """Read an adapter plan; None where the settings say null."""
    raw = settings.get(name)
    return None if raw is None else _lora(raw, name)


def training(settings: Mapping[str, Any]) -> TrainingPlan:
    """Read ``settings.training`` with its adapter."""
    raw: dict[str, Any] = dict(take(settings, "training", dict))
    raw["lora"] = _lora(take(raw, "lora", dict), "training.lora")
    raw["betas"] = tuple(raw.get("betas", (0.9, 0.999)))
    plan = _build(TrainingPlan, raw, "training")
    _one_of("training.schedule", plan.schedule, ("cosine", "linear", "constant"))
    _one_of("training.precision", plan.precision, ("float32", "bfloat16"))
    if min(plan.epochs, plan.batch_size, plan.grad_accum) < 1:
        raise JobError(Reason.CONFIG, "training: epochs, batch_size and grad_accum must be >= 1")
    return plan


def sampling(settings: Mapping[str, Any]) -> SamplingPlan:
    """Read the sampling keys, which lie at the top of the settings."""
    return _build(SamplingPlan, settings, "settings")


def marker(settings: Mapping[str, Any]) -> MarkerPlan:
    """Read ``settings.marker``."""
    plan = _build(MarkerPlan, take(settings, "marker", dict), "marker")
    _one_of("marker.loss", plan.loss, ("marker", "tail"))
    return plan


def scorer(settings: Mapping[str, Any]) -> ScorerPlan:
    """Read ``settings.scorer``."""
    plan = _build(ScorerPlan, take(settings, "scorer", dict), "scorer")
    _one_of("scorer.kind", plan.kind, ("substring",))
    return plan


def _persona(raw: Mapping[str, Any], where: str) -> Persona:
    found = _build(Persona, {"label": raw.get("key"), **raw}, where)
    if not found.prompt:
        raise JobError(
            Reason.CONFIG,
            f"{where}: persona {found.key!r} has no prompt; the chat template would insert its own",
        )
    return found


def _lora(raw: Mapping[str, Any], where: str) -> LoraPlan:
    modules: tuple[str, ...] = tuple(sorted(take(raw, "target_modules", (list, tuple))))
    return _build(LoraPlan, {**raw, "target_modules": modules}, where)


def _build(kind: type[T], raw: Mapping[str, Any], where: str) -> T:
    """Make a dataclass from the keys it knows; others belong to somebody else."""
    parts = fields(kind)  # type: ignore[arg-type]  # every kind here is a dataclass
    known = {part.name: raw[part.name] for part in parts if part.name in raw}
    needed = (part.name for part in parts if part.default is MISSING)
    if missing := [name for name in needed if name not in known]:
        raise JobError(Reason.CONFIG, f"spec.settings: {where} lacks {', '.join(missing)}")
    return kind(**known)


def _one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise JobError(Reason.CONFIG, f"{name} is {value!r}; it must be {' or '.join(allowed)}")
