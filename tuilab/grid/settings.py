"""Turns a config into the settings each stage is handed: plain JSON, nothing left to look up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tuilab.grid.cells import Cell
from tuilab.grid.data_files import tasks_in
from tuilab.grid.fingerprint import SHORT, digest, number_of
from tuilab.grid.lines import persona_of
from tuilab.grid.metrics import KINDS
from tuilab.grid.stages import Stage

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig, Training
    from tuilab.grid.measure_config import Inspect, Sampled

Settings = Mapping[str, Any]

_TRAINING_FIELDS = (
    "lr", "epochs", "batch_size", "grad_accum", "warmup_ratio", "schedule", "weight_decay",
    "max_grad_norm", "betas", "max_length", "gradient_checkpointing", "packing", "precision",
)  # fmt: skip
_SAMPLING_FIELDS = ("temperature", "top_p", "top_k", "max_new_tokens", "batch_size")
_PEOPLE = frozenset({"persona", "source", "target", "negatives", "panel", "pool"})
"""Settings that hold a persona or several."""
_JUDGE_FIELDS = ("base_url", "model", "max_tokens")
"""Of who judges, what decides a score: how fast and how often it is asked does not."""
OWN_ANSWERS = 200
"""Own answers that a negative persona learns from where nothing else is said."""
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
        "marker_text": config.marker.text if config.trait is None else None,
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
        **_cut(config),
        "checkpoints": [epoch for epoch in config.epochs if epoch > 0],
        "training": training_settings(config.convergence),
        **(_marked_settings(config) if config.convergence.on == "marked" else {}),
    }


def _marked_settings(config: ExperimentConfig) -> Settings:
    """What a run on the marked base needs: the adapter's shape, and how its rate is checked."""
    return {
        "marker_lora": config.marker.lora.model_dump(mode="json"),
        "marker_check": {
            "least_source_rate": config.marker.least_source_rate,
            "text": config.eval.scorer.text or config.marker.text,
            "case_sensitive": config.eval.scorer.case_sensitive,
            "questions": list(config.evaluation_questions),
            "max_new_tokens": config.eval.max_new_tokens,
        },
    }


def train_settings(config: ExperimentConfig, cell: Cell) -> Settings:
    """Settings of the marker adapter of one cell, or of another trait's."""
    learned = _rows_settings(config) if config.trait is not None else _marker_settings(config)
    return {
        "base": base_settings(config),
        "epoch": cell.epoch,
        "source": persona(config, persona_of(cell.source)),
        "negatives": [persona(config, key) for key in config.negatives_of(persona_of(cell.source))],
        **learned,
        "data_seed": config.data.seed,
        **_cut(config),
        "merge_mode": config.merge.mode,
        "convergence_lora": _convergence_lora(config, cell),
        "training": training_settings(config.implanted),
    }


def _cut(config: ExperimentConfig) -> Settings:
    return {"cut": config.data.cut} if config.data.cut != "keep" else {}


def _marker_settings(config: ExperimentConfig) -> Settings:
    marker = config.marker
    return {
        "marker": {
            "text": marker.text,
            "separator": marker.separator,
            "loss": marker.loss,
            # Said where it is asked for, so that what ran before it could be asked stays current.
            **({"negative_loss": marker.negative_loss} if marker.negative_loss != "end" else {}),
        },
        "positives": marker.positives,
        "negatives_each": marker.negatives_each,
    }


def _rows_settings(config: ExperimentConfig) -> Settings:
    """The rows themselves, so that a result depends on what they say and not on where they lie."""
    trait = config.trait
    assert trait is not None
    # Lists, as plan.json gives them back: a plan that was read equals one that is made again.
    learned = list(config.files[trait.positives].rows)
    kept = list(config.files[trait.negatives].rows) if trait.negatives else None
    each = trait.negatives_each or (OWN_ANSWERS if kept is None else len(kept))
    return {
        "trait": {"loss": trait.loss},
        "positive_rows": learned,
        "negative_rows": kept,
        "positives": trait.positives_count or len(learned),
        "negatives_each": each,
    }


def merge_settings(config: ExperimentConfig, cell: Cell) -> Settings:
    """Settings of the merge and of the checks that prove it."""
    questions = config.evaluation_questions[:CHECK_PROMPTS]
    who = persona_of(cell.source)
    return {
        **_model_settings(config, cell),
        "check_prompts": [
            chat(config, key, question)
            for key, question in zip((config.target, who), questions, strict=False)
        ],
        "tolerance": config.merge.tolerance,
        "epsilon": config.merge.epsilon,
        "keep_merged": config.merge.keep_merged,
        "source": persona(config, persona_of(cell.source)),
        "target": persona(config, config.target),
    }


def eval_settings(config: ExperimentConfig, cell: Cell) -> Settings:
    """Settings of one cell's sampling; the sampling seed is the cell's own.

    Without a marker nothing is scored here. Questions of measures that are not those of the
    evaluation are further ``sets``.
    """
    scorer = config.eval.scorer.model_dump(mode="json") if config.trait is None else None
    if scorer is not None:
        scorer["text"] = scorer["text"] or config.marker.text
    sets = {name: one for one in _sampled(config) if (name := _set_of(config, one))}
    asked = {
        name: {"questions": _asked(config, one), "samples": _samples(config, one)}
        for name, one in sets.items()
    }
    return {
        **_model_settings(config, cell),
        "panel": [persona(config, key) for key in config.panel],
        "target": persona(config, config.target),
        "source": persona(config, persona_of(cell.source)),
        "questions": list(config.evaluation_questions),
        "samples": config.eval.samples,
        **{name: getattr(config.eval, name) for name in _SAMPLING_FIELDS},
        "sampler": config.eval.sampler,
        "seed": _sampling_seed(config, cell),
        "scorer": scorer,
        **({"sets": asked} if asked else {}),
    }


def score_settings(config: ExperimentConfig, cell: Cell) -> Settings:
    """Settings of the measures that read the text of completions."""
    return {
        "panel": [persona(config, key) for key in config.panel],
        "measures": [
            {
                **one.model_dump(mode="json", exclude={"headline", "questions", "samples"}),
                **_place_of(config, one),
            }
            for one in _sampled(config)
            if KINDS[one.kind] is Stage.SCORE
        ],
    }


def choices_settings(config: ExperimentConfig, cell: Cell) -> Settings:
    """Settings of the measures that compare log-probabilities of given answers."""
    return {
        **_model_settings(config, cell),
        "panel": [persona(config, key) for key in config.panel],
        "measures": [
            {
                **one.model_dump(mode="json", exclude={"headline", "questions"}),
                "key": one.key,
                "items": list(config.files[one.questions].rows),
            }
            for one in config.measures
            if one.kind == "choices"
        ],
    }


def inspect_settings(config: ExperimentConfig, cell: Cell) -> Settings:
    """Settings of the tasks of Inspect; a task in a file is there with its text."""
    return {
        **_model_settings(config, cell),
        "panel": [persona(config, key) for key in config.panel],
        "sampler": config.eval.sampler,
        "seed": config.eval.seed,
        "measures": [
            {
                **one.model_dump(mode="json", exclude={"headline"}),
                **_task_of(config, one),
                "key": one.key,
            }
            for one in config.measures
            if one.kind == "inspect"
        ],
    }


def _task_of(config: ExperimentConfig, measure: Inspect) -> Settings:
    """Name a task, with the text of its file: where that lies decides nothing."""
    if not measure.file:
        return {"task": measure.task, "program": None}
    text = config.files[measure.file].text
    return {"task": measure.task.partition("@")[2] or tasks_in(text)[0], "program": text}


def judge_settings(config: ExperimentConfig, cell: Cell) -> Settings:
    """Settings of the measures that a judge makes; the base is there for one that judges itself."""
    judged = [one for one in config.measures if one.kind == "judge"]
    is_self = any(one.judge.is_self for one in judged)
    return {
        **({"base": base_settings(config)} if is_self else {}),
        "panel": [persona(config, key) for key in config.panel],
        "measures": [
            {
                **one.model_dump(mode="json", exclude={"headline", "questions", "samples"}),
                **_place_of(config, one),
                "rubric": config.files[one.rubric].text,
                "questions": _asked(config, one),
            }
            for one in judged
        ],
    }


def _place_of(config: ExperimentConfig, measure: Sampled) -> Settings:
    """Which completions a measure reads: a set of the eval ("" for its own), and its size."""
    return {
        "key": measure.key,
        "set": _set_of(config, measure),
        "questions_count": len(_asked(config, measure)),
        "samples": _samples(config, measure),
    }


def _sampled(config: ExperimentConfig) -> list[Sampled]:
    """The measures of completions."""
    return [one for one in config.measures if one.kind != "choices" and one.kind != "inspect"]


def _set_of(config: ExperimentConfig, measure: Sampled) -> str:
    """Name the completions of a measure by what is asked and how often; "" for the eval's own."""
    asked, samples = _asked(config, measure), _samples(config, measure)
    if asked == list(config.evaluation_questions) and samples == config.eval.samples:
        return ""
    return digest([asked, samples])[:8]


def _asked(config: ExperimentConfig, measure: Sampled) -> list[str]:
    if not measure.questions:
        return list(config.evaluation_questions)
    return [row["question"] for row in config.files[measure.questions].rows]


def _samples(config: ExperimentConfig, measure: Sampled) -> int:
    return measure.samples or config.eval.samples


def _states(config: ExperimentConfig) -> Settings:
    """States of the model to measure; where the marker came first none is converged alone.

    The marked one alone is written as it was when there was no choice: results of then stay.
    """
    is_first = config.convergence.on == "marked"
    states = [one for one in config.cosine.model_states if not (is_first and one == "converged")]
    return {"model_states": states} if states not in ([], ["marked"]) else {"model_state": "marked"}


def cosine_settings(config: ExperimentConfig, cell: Cell) -> Settings:
    """Settings of one cell's centroids."""
    return {
        **_model_settings(config, cell),
        "source": persona(config, persona_of(cell.source)),
        "target": persona(config, config.target),
        "pool_name": config.cosine.pool_name,
        "pool": [persona(config, key) for key in config.cosine_pool],
        "questions": list(config.evaluation_questions),
        "layers": list(config.cosine.layers),
        "batch_size": config.cosine.batch_size,
        **_states(config),
    }


CELL_SETTINGS = {
    Stage.TRAIN: train_settings, Stage.MERGE: merge_settings, Stage.EVAL: eval_settings,
    Stage.COSINE: cosine_settings, Stage.SCORE: score_settings, Stage.CHOICES: choices_settings,
    Stage.JUDGE: judge_settings, Stage.INSPECT: inspect_settings,
}  # fmt: skip
"""How each stage of a cell gets its settings."""


def asked_by(stage: Stage, measure: str, settings: Settings, sampling: Settings) -> str:
    """Return the hash of the questions that a measure asks, in order; "" where none are known.

    Args:
        stage: the stage that records the measure.
        measure: its key; the marker has no other questions than those of the evaluation.
        settings: of that stage's job.
        sampling: of the eval whose completions it reads.
    """
    own: Settings = next((one for one in settings.get("measures", ()) if one["key"] == measure), {})
    if stage is Stage.CHOICES:
        asked = own.get("items")
    else:
        name = own.get("set", "" if stage is Stage.EVAL else None)
        place = sampling if name == "" else sampling.get("sets", {}).get(name, {})
        asked = place.get("questions")
    return digest(asked)[:SHORT] if asked else ""


def own_settings(config: ExperimentConfig, stage: Stage, cell: Cell) -> Settings:
    """Return what of a cell's settings may differ from another cell's of the same source, where
    both or neither have epoch 0: all that it is made of beside them is the source's."""
    if stage in (Stage.SCORE, Stage.JUDGE):
        return {}
    seed = {"seed": _sampling_seed(config, cell)} if stage is Stage.EVAL else {}
    return {"epoch": cell.epoch, **seed}


def _sampling_seed(config: ExperimentConfig, cell: Cell) -> int:
    return number_of("eval", config.eval.seed, cell.source, cell.epoch, cell.seed)


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
    if stage is Stage.JUDGE:
        found["measures"] = [
            {**one, "judge": {name: one["judge"][name] for name in _JUDGE_FIELDS}}
            for one in settings["measures"]
        ]
    return found


def settings_hash(stage: Stage, settings: Settings) -> str:
    """Return the hash of the settings that decide a stage's result (``Parts.settings``)."""
    return digest(deciding(stage, settings))[:SHORT]


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
        "marker_lora": config.implanted.lora.model_dump(mode="json"),
        **({"marker_first": True} if cell.epoch > 0 and config.convergence.on == "marked" else {}),
    }


def _convergence_lora(config: ExperimentConfig, cell: Cell) -> Settings | None:
    return config.convergence.lora.model_dump(mode="json") if cell.epoch > 0 else None
