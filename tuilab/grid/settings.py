"""Turns a config into the settings each stage is handed: plain JSON, nothing left to look up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tuilab.grid.cells import Cell
from tuilab.grid.fingerprint import number_of
from tuilab.grid.stages import Stage

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig, Training

Settings = Mapping[str, Any]

_TRAINING_FIELDS = (
    "lr",
    "epochs",
    "batch_size",
    "grad_accum",
    "warmup_ratio",
    "schedule",
    "weight_decay",
    "max_grad_norm",
    "betas",
    "max_length",
    "gradient_checkpointing",
    "packing",
    "precision",
)
_SAMPLING_FIELDS = ("temperature", "top_p", "top_k", "max_new_tokens", "batch_size")
_PEOPLE = frozenset({"persona", "source", "target", "negatives", "panel", "pool"})
"""Settings that hold a persona or several."""
CHECK_PROMPTS = 2
"""Prompts on which merged and adapter logits are compared."""


def fetch_settings(config: ExperimentConfig) -> Settings:
    """What is fetched: nothing of how it is loaded."""
    base = config.base
    return {"model": base.model, "revision": base.revision, "code": base.trust_remote_code}


def data_settings(config: ExperimentConfig, key: str) -> Settings:
    """Settings of one persona's on-policy answers."""
    return {
        "base": base_settings(config),
        "persona": persona(config, key),
        "questions": list(config.training_questions),
        "answers_per_question": config.data.answers_per_question,
        **{name: getattr(config.data, name) for name in _SAMPLING_FIELDS},
        "seed": config.data.seed,
        "marker_text": config.marker.text,
        "sampler": config.eval.sampler,
    }


def converge_settings(config: ExperimentConfig, source: str) -> Settings:
    """Settings of one convergence run; its checkpoints are the grid's epochs above 0."""
    return {
        "base": base_settings(config),
        "source": persona(config, source),
        "target": persona(config, config.target),
        "voice": config.convergence.voice,
        "rows": config.convergence.rows,
        "questions": list(config.training_questions),
        "data_seed": config.data.seed,
        "checkpoints": [epoch for epoch in config.epochs if epoch > 0],
        "training": training_settings(config.convergence),
    }


def train_settings(config: ExperimentConfig, cell: Cell) -> Settings:
    """Settings of the marker adapter of one cell."""
    marker = config.marker
    return {
        "base": base_settings(config),
        "epoch": cell.epoch,
        "source": persona(config, cell.source),
        "negatives": [persona(config, key) for key in config.negatives_of(cell.source)],
        "marker": {"text": marker.text, "separator": marker.separator, "loss": marker.loss},
        "positives": marker.positives,
        "negatives_each": marker.negatives_each,
        "data_seed": config.data.seed,
        "merge_mode": config.merge.mode,
        "convergence_lora": _convergence_lora(config, cell),
        "training": training_settings(marker),
    }


def merge_settings(config: ExperimentConfig, cell: Cell) -> Settings:
    """Settings of the merge and of the checks that prove it."""
    questions = config.evaluation_questions[:CHECK_PROMPTS]
    return {
        **_model_settings(config, cell),
        "check_prompts": [
            chat(config, key, question)
            for key, question in zip((config.target, cell.source), questions, strict=False)
        ],
        "tolerance": config.merge.tolerance,
        "epsilon": config.merge.epsilon,
        "keep_merged": config.merge.keep_merged,
        "source": persona(config, cell.source),
        "target": persona(config, config.target),
    }


def eval_settings(config: ExperimentConfig, cell: Cell) -> Settings:
    """Settings of one cell's sampling; the sampling seed is the cell's own."""
    scorer = config.eval.scorer.model_dump(mode="json")
    if scorer["kind"] == "substring":
        scorer["text"] = scorer["text"] or config.marker.text
    return {
        **_model_settings(config, cell),
        "panel": [persona(config, key) for key in config.panel],
        "target": persona(config, config.target),
        "source": persona(config, cell.source),
        "questions": list(config.evaluation_questions),
        "samples": config.eval.samples,
        **{name: getattr(config.eval, name) for name in _SAMPLING_FIELDS},
        "sampler": config.eval.sampler,
        "seed": number_of("eval", config.eval.seed, cell.source, cell.epoch, cell.seed),
        "scorer": scorer,
    }


def cosine_settings(config: ExperimentConfig, cell: Cell) -> Settings:
    """Settings of one cell's centroids."""
    return {
        **_model_settings(config, cell),
        "source": persona(config, cell.source),
        "target": persona(config, config.target),
        "pool_name": config.cosine.pool_name,
        "pool": [persona(config, key) for key in config.cosine_pool],
        "questions": list(config.evaluation_questions),
        "layers": list(config.cosine.layers),
        "batch_size": config.cosine.batch_size,
        "model_state": "marked",
    }


CELL_SETTINGS = {
    Stage.TRAIN: train_settings,
    Stage.MERGE: merge_settings,
    Stage.EVAL: eval_settings,
    Stage.COSINE: cosine_settings,
}
"""How each stage of a cell gets its settings."""


def deciding(stage: Stage, settings: Settings) -> Settings:
    """Return what of a stage's settings decides its result, to be hashed.

    Labels are words for people. A revision names a base for its fetch alone: what is made of the
    base rests on the commit, which may have several names. Which checkpoints a convergence run
    keeps changes none of them, and neither does its length where the learning rate does not follow
    it.
    """
    found = dict(settings)
    for name in _PEOPLE & settings.keys():
        who = settings[name]
        several = who if isinstance(who, list) else [who]
        found[name] = [(one.get("key"), one.get("prompt")) for one in several]
    if stage is Stage.FETCH:
        found.pop("revision", None)
    base = settings.get("base") or {}
    if base.get("revision"):
        found["base"] = {**base, "revision": None}
    if stage is Stage.CONVERGE:
        found.pop("checkpoints", None)
        training = settings.get("training") or {}
        if training.get("schedule") == "constant" and training.get("warmup_ratio") == 0:
            found["training"] = {**training, "epochs": None}
    return found


def persona(config: ExperimentConfig, key: str) -> Settings:
    """One persona as the runners see it."""
    return {"key": key, "label": config.label(key), "prompt": config.personas[key].prompt}


def chat(config: ExperimentConfig, key: str, question: str) -> list[Settings]:
    """A conversation of one question; the system message is always given."""
    return [
        {"role": "system", "content": config.personas[key].prompt},
        {"role": "user", "content": question},
    ]


def base_settings(config: ExperimentConfig) -> Settings:
    """The base model, with the thread count that a CPU result depends on.

    How chats are rendered is named where it is not the usual way, so that results of before these
    settings keep their fingerprints.
    """
    raw = config.base.model_dump(mode="json")
    usual = {"template_args": {}, "system": "role"}
    named = {name: raw[name] for name in raw if name not in usual or raw[name] != usual[name]}
    return {**named, "threads": config.resources.threads}


def training_settings(block: Training) -> Settings:
    """The training part of a convergence or marker block."""
    raw = block.model_dump(mode="json")
    return {"lora": raw["lora"], **{name: raw[name] for name in _TRAINING_FIELDS}}


def _model_settings(config: ExperimentConfig, cell: Cell) -> Settings:
    return {
        "base": base_settings(config),
        "epoch": cell.epoch,
        "merge_mode": config.merge.mode,
        "convergence_lora": _convergence_lora(config, cell),
        "marker_lora": config.marker.lora.model_dump(mode="json"),
    }


def _convergence_lora(config: ExperimentConfig, cell: Cell) -> Settings | None:
    return config.convergence.lora.model_dump(mode="json") if cell.epoch > 0 else None
