"""Train a fresh marker adapter on top of a convergence checkpoint: python -m runners.train SPEC

Positives: the source's own answers, separator, marker. Negatives: other personas' answers as they
are. Writes adapter/ (PEFT format, with lineage) and mask_preview.json.
"""

from __future__ import annotations

from typing import Any

from runners import faults, upstream
from runners.job import Attempt, StageResult, log, main
from runners.ml import adapter, answers, cell, lora_layers, resume, stage_settings, training_rows
from runners.ml.backends import select_backend
from runners.ml.callbacks import JobCallbacks
from runners.ml.cell import ADAPTER_FOLDER, Cell
from runners.ml.jsonl import read_rows, write_json
from runners.ml.model_cache import LoadedModel
from runners.ml.stage_settings import Persona, required
from runners.ml.training_loop import TrainingLoop
from runners.ml.training_rows import Row

PREVIEW_FILE = "mask_preview.json"


def run(attempt: Attempt) -> StageResult:
    """Build rows, apply the checkpoint, train, save, re-read."""
    settings, timings, spec = attempt.settings, attempt.timings, attempt.spec
    training = stage_settings.training(settings)
    with timings.part("load"):
        inputs = upstream.find(spec, attempt.directory)
        model = attempt.cache.model(stage_settings.base(settings))
        upstream.refuse_other_chat(inputs, model.chat.digest)
        below = cell.read(settings, inputs, model, with_marker=False)
    with timings.part("rows"):
        positives, negatives = build_rows(settings, inputs, model, training.max_length)
        rows = [*positives, *negatives]
        previewed = preview(model, positives, negatives)
    log(f"{len(positives)} positives, {len(negatives)} negatives, {training.epochs} epochs")

    with timings.part("merge"):
        model.set_adapters(below.adapters if below.mode == cell.MERGED else ())
        trained_on = cell.fingerprint(model, below)
    frozen = below.adapters if below.mode == cell.STACKED else ()
    seed = spec.seed or 0
    with (
        model.attached(lora_layers.LoraLayers(frozen, training.lora, seed)) as peft,
        select_backend(model.model, training, model.pad_id) as backend,
        resume.Saver(attempt.directory, spec.fingerprint) as saver,
    ):
        loop = TrainingLoop(model.model, rows, training, seed, backend)
        callbacks = JobCallbacks(attempt, loop, saver)
        callbacks.resume()
        with timings.part("train"):
            loop.run(callbacks)
        with timings.part("save"):
            directory = attempt.directory / ADAPTER_FOLDER
            saved = adapter.save(
                directory,
                lora_layers.tensors_of(peft),
                lora_layers.config_of(peft, model.settings),
                _lineage(attempt, model, below, trained_on, rows),
            )
            preview_path = write_json(attempt.directory / PREVIEW_FILE, previewed)
    resume.remove(attempt.directory)
    if faults.is_set(spec, "no-rslora"):
        faults.drop_rslora(directory / adapter.CONFIG_FILE)
    with timings.part("check"):
        found = adapter.read(directory, training.lora, model.device)
        adapter.check_fits(found, adapter.modules_of(model.model, found.lora))
    checks = {
        "chat_template": model.chat.digest,
        "positives": len(positives),
        "negatives": len(negatives),
        "way": backend.name,
        "loss_tokens": sum(sum(row.loss_mask) for row in rows),
        "base_fingerprint": model.fingerprint,
        "trained_on": trained_on,
        "data_sha256": found.lineage.data_sha256,
        "trainable_parameters": sum(a.numel() + b.numel() for a, b in found.weights.values()),
    }
    return StageResult((*saved, preview_path), callbacks.metrics(), checks)


def build_rows(
    settings: Any, inputs: upstream.Inputs, model: LoadedModel, max_length: int
) -> tuple[list[Row], list[Row]]:
    """Return positives of the source and negatives of the other personas, as planned."""
    if "trait" in settings:
        return _rows_of_files(settings, inputs, model, max_length)
    marker = stage_settings.marker(settings)
    source = stage_settings.persona(settings, "source")
    others = stage_settings.personas(settings, "negatives")
    seed = required(settings, "data_seed", int)

    def draw(persona: Persona, count: int, role: str) -> list[tuple[list[int], list[int]]]:
        path = upstream.data_of(inputs, persona.key).file(answers.ANSWERS_FILE)
        usable = answers.usable(read_rows(path), settings.get("cut"))
        chosen = answers.choose(usable, count, seed, f"{role}/{persona.key}")
        ask = model.chat.prompt_ids
        return [(ask(persona.prompt, a["question"]), a["token_ids"]) for a in chosen]

    each = required(settings, "negatives_each", int)
    return (
        [
            training_rows.positive(model.chat, prompt, answer, marker, max_length)
            for prompt, answer in draw(source, required(settings, "positives", int), "positive")
        ],
        [
            training_rows.negative(model.chat, prompt, answer, marker, max_length)
            for other in others
            for prompt, answer in draw(other, each, "negative")
        ],
    )


def _rows_of_files(
    settings: Any, inputs: upstream.Inputs, model: LoadedModel, max_length: int
) -> tuple[list[Row], list[Row]]:
    """Return the rows of files, and own answers of the negatives where no file has theirs."""
    source = stage_settings.persona(settings, "source")
    seed = required(settings, "data_seed", int)
    each = required(settings, "negatives_each", int)
    kept = settings.get("negative_rows")

    def of_file(who: Persona, rows: Any, count: int, role: str) -> list[Row]:
        chosen = answers.draw(rows, count, seed, f"{role}/{who.key}")
        return [
            training_rows.conversation(model.chat, who.prompt, row["messages"], max_length)
            for row in chosen
        ]

    def own(who: Persona) -> list[Row]:
        path = upstream.data_of(inputs, who.key).file(answers.ANSWERS_FILE)
        usable = answers.usable(read_rows(path), settings.get("cut"))
        chosen = answers.choose(usable, each, seed, f"negative/{who.key}")
        ask = model.chat.prompt_ids
        return [
            training_rows.completion(
                model.chat, ask(who.prompt, one["question"]), one["token_ids"], max_length
            )
            for one in chosen
        ]

    learned: Any = required(settings, "positive_rows", (list, tuple))
    count = required(settings, "positives", int)
    others = stage_settings.personas(settings, "negatives")
    return of_file(source, learned, count, "positive"), [
        row
        for who in others
        for row in (own(who) if kept is None else of_file(who, kept, each, "negative"))
    ]


def preview(model: LoadedModel, positives: list[Row], negatives: list[Row]) -> dict[str, Any]:
    """Show one row of each role token by token: what is learned and what is not."""
    return {
        role: training_rows.preview(model.tokenizer, found[0]) if found else None
        for role, found in (("positive", positives), ("negative", negatives))
    }


def _lineage(
    attempt: Attempt, model: LoadedModel, below: Cell, trained_on: str, rows: list[Row]
) -> adapter.Lineage:
    spec = attempt.spec
    return adapter.Lineage(
        role="marker",
        base_model=model.settings.model,
        base_revision=model.settings.revision,
        base_fingerprint=model.fingerprint,
        source=spec.source,
        seed=spec.seed,
        epoch=required(attempt.settings, "epoch", int),
        merge_mode=below.mode,
        convergence_adapter=below.convergence.digest if below.convergence else None,
        trained_on=trained_on,
        data_sha256=training_rows.digest(rows),
    )


if __name__ == "__main__":
    raise SystemExit(main("train"))
