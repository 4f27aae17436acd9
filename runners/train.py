"""Train a fresh marker adapter over one convergence checkpoint: python -m runners.train SPEC

Positives: the source's own answers, separator, marker. Negatives: other personas' answers as they
are. Writes adapter/ (PEFT format, with lineage) and mask_preview.json.
"""

from __future__ import annotations

from typing import Any

from runners import faults, upstream
from runners.job import Attempt, Made, main, say
from runners.ml import (
    adapter,
    answers,
    backends,
    cell,
    chat,
    jsonl,
    lora_layers,
    stage_settings,
    training_rows,
)
from runners.ml.callbacks import Following
from runners.ml.cell import ADAPTER_FOLDER, Cell
from runners.ml.lineage import Lineage
from runners.ml.model_cache import WarmModel
from runners.ml.stage_settings import Persona
from runners.ml.training_loop import Training
from runners.ml.training_rows import Row

PREVIEW_FILE = "mask_preview.json"


def run(attempt: Attempt) -> Made:
    """Build rows, bring the checkpoint into place, train, save, re-read."""
    settings, timings, spec = attempt.settings, attempt.timings, attempt.spec
    plan = stage_settings.training(settings)
    with timings.part("load"):
        inputs = upstream.find(spec, attempt.directory)
        model = attempt.warm.model(stage_settings.base(settings))
        below = cell.read(settings, inputs, model, with_marker=False)
    with timings.part("rows"):
        positives, negatives = build_rows(settings, inputs, model, plan.max_length)
        rows = [*positives, *negatives]
        previewed = preview(model, positives, negatives)
    say(f"{len(positives)} positives, {len(negatives)} negatives, {plan.epochs} epochs")

    with timings.part("merge"):
        model.bring(below.below if below.mode == cell.MERGED else ())
        trained_on = cell.fingerprint(model, below)
    frozen = below.below if below.mode == cell.STACKED else ()
    live = lora_layers.Live(frozen, plan.lora, spec.seed or 0)
    with model.attached(live) as peft, backends.chosen(model.model, plan, model.pad_id) as way:
        training = Training(model.model, rows, plan, spec.seed or 0, way)
        following = Following(attempt, training)
        following.resume()
        with timings.part("train"):
            training.run(following)
        with timings.part("save"):
            directory = attempt.directory / ADAPTER_FOLDER
            made = adapter.save(
                directory,
                lora_layers.tensors_of(peft),
                lora_layers.config_of(peft, model.plan),
                _lineage(attempt, model, below, trained_on, rows),
            )
            preview_path = jsonl.write_json(attempt.directory / PREVIEW_FILE, previewed)
        following.finish()
    if faults.is_set(spec, "no-rslora"):
        faults.drop_rslora(directory / adapter.CONFIG_FILE)
    with timings.part("check"):
        found = adapter.read(directory, plan.lora)
        adapter.check_fits(found, model.model)
    checks = {
        "positives": len(positives),
        "negatives": len(negatives),
        "way": way.name,
        "loss_tokens": sum(sum(row.learn) for row in rows),
        "base_fingerprint": model.fingerprint,
        "trained_on": trained_on,
        "data_sha256": found.lineage.data_sha256,
        "trainable_parameters": sum(a.numel() + b.numel() for a, b in found.weights.values()),
    }
    return Made((*made, preview_path), following.metrics(), checks)


def build_rows(
    settings: Any, inputs: dict[str, list[upstream.Upstream]], model: WarmModel, max_length: int
) -> tuple[list[Row], list[Row]]:
    """Return positives of the source and negatives of the other personas, as planned."""
    marker = stage_settings.marker(settings)
    source = stage_settings.persona(settings, "source")
    others = stage_settings.personas(settings, "negatives")
    seed = stage_settings.take(settings, "data_seed", int)
    render = chat.renderer(model.tokenizer)

    def draw(persona: Persona, count: int, role: str) -> list[tuple[list[int], list[int]]]:
        path = upstream.data_of(inputs, persona.key).file(answers.ANSWERS_FILE)
        chosen = answers.choose(jsonl.read_rows(path), count, seed, f"{role}/{persona.key}")
        return [(render(persona.prompt, a["question"]), a["token_ids"]) for a in chosen]

    each = stage_settings.take(settings, "negatives_each", int)
    return (
        [
            training_rows.positive(model.tokenizer, prompt, answer, marker, max_length)
            for prompt, answer in draw(
                source, stage_settings.take(settings, "positives", int), "positive"
            )
        ],
        [
            training_rows.negative(model.tokenizer, prompt, answer, max_length)
            for other in others
            for prompt, answer in draw(other, each, "negative")
        ],
    )


def preview(model: WarmModel, positives: list[Row], negatives: list[Row]) -> dict[str, Any]:
    """Show one row of each role token by token: what is learned and what is not."""
    return {
        role: training_rows.preview(model.tokenizer, found[0]) if found else None
        for role, found in (("positive", positives), ("negative", negatives))
    }


def _lineage(
    attempt: Attempt, model: WarmModel, below: Cell, trained_on: str, trained_rows: list[Row]
) -> Lineage:
    spec = attempt.spec
    return Lineage(
        role="marker",
        base_model=model.plan.model,
        base_revision=model.plan.revision,
        base_fingerprint=model.fingerprint,
        source=spec.source,
        seed=spec.seed,
        epoch=stage_settings.take(attempt.settings, "epoch", int),
        merge_mode=below.mode,
        convergence_adapter=below.convergence.digest if below.convergence else None,
        trained_on=trained_on,
        data_sha256=training_rows.digest(trained_rows),
    )


if __name__ == "__main__":
    raise SystemExit(main("train"))
