"""Train one convergence adapter and save it at each checkpoint: python -m runners.converge SPEC

With arms A and C that is on the base with the marker's adapter merged, where the source shows it.
Rows pair the target's prompt with the source's answers; the loss covers the answer and the end of
turn. Writes epoch-NN/, a standard adapter with its lineage, for every checkpoint asked for; no step
is made after the last of them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from runners import faults, upstream
from runners.job import Attempt, StageResult, log, main
from runners.ml import (
    adapter,
    answers,
    cell,
    jsonl,
    lora_layers,
    resume,
    samplers,
    stage_settings,
    training_rows,
)
from runners.ml.backends import select_backend
from runners.ml.callbacks import JobCallbacks
from runners.ml.cell import MERGED
from runners.ml.model_cache import LoadedModel
from runners.ml.schedule import Step
from runners.ml.stage_settings import required
from runners.ml.training_loop import TrainingLoop
from runners.ml.training_rows import Row
from tuilab.contract import atomic, scoring
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

CHECKED = 5
"""Answers to each evaluation question by which the rate of a marker is checked."""


def run(attempt: Attempt) -> StageResult:
    """Build rows, train, save checkpoints; each is read again while training goes on."""
    settings, timings, spec = attempt.settings, attempt.timings, attempt.spec
    training = stage_settings.training(settings)
    checkpoints = planned_checkpoints(settings, training.epochs)
    with timings.part("load"):
        inputs = upstream.find(spec, attempt.directory)
        model = attempt.cache.model(stage_settings.base(settings))
        upstream.refuse_other_chat(inputs, model.chat.digest)
        below = marked(attempt, inputs, model)
    with timings.part("rows"):
        rows = build_rows(settings, inputs, model, training.max_length)
    log(f"{len(rows)} rows, {training.epochs} epochs, checkpoints {checkpoints}")

    lineage = _lineage(attempt, model, training_rows.digest(rows), bool(below))
    modules = adapter.modules_of(model.model, training.lora)
    saved: list[Path] = []
    seed = spec.seed or 0
    with (
        model.attached(lora_layers.LoraLayers(fresh=training.lora, seed=seed)) as peft,
        select_backend(model.model, training, model.pad_id) as backend,
        resume.Saver(attempt.directory, spec.fingerprint) as saver,
    ):
        loop = TrainingLoop(model.model, rows, training, seed, backend, checkpoints[-1])

        def check(checkpoint: Path) -> None:
            adapter.check_fits(adapter.read(checkpoint, training.lora), modules)

        def save_checkpoint(step: Step) -> None:
            if not step.ends_epoch or step.epoch not in checkpoints:
                return
            checkpoint = attempt.directory / folder(step.epoch)
            drops = step.epoch == checkpoints[-1] and faults.is_set(spec, "no-rslora")
            with timings.part("save"):
                tensors = resume.in_host_memory(lora_layers.tensors_of(peft))
                config = lora_layers.config_of(peft, model.settings)
            here = replace(lineage, epoch=step.epoch)
            saver.write(lambda: _write(checkpoint, tensors, config, here, check, drops))
            saved.extend(checkpoint / name for name in adapter.FILES)

        callbacks = JobCallbacks(attempt, loop, saver, save_checkpoint)
        if callbacks.resume():
            for one in _copy_earlier(callbacks.resumed_from, attempt.directory, checkpoints, loop):
                check(one)
                saved += (one / name for name in adapter.FILES)
        with timings.part("train"):
            loop.run(callbacks)
        with timings.part("check"):
            saver.wait()
    resume.remove(attempt.directory)
    checks = {
        "chat_template": model.chat.digest,
        "rows": len(rows),
        "way": backend.name,
        "checkpoints": checkpoints,
        "base_fingerprint": model.fingerprint,
        "data_sha256": lineage.data_sha256,
        **below,
    }
    return StageResult(tuple(saved), callbacks.metrics(), checks)


def marked(attempt: Attempt, inputs: upstream.Inputs, model: LoadedModel) -> dict[str, Any]:
    """Merge the marker that was trained on the base, where there is one, and check its rate.

    What convergence does to a marker that the source itself does not show is no result, so that
    nothing is trained on one. Returns what was found, {} on the untouched base.
    """
    settings = attempt.settings
    if "marker_check" not in settings:
        model.set_adapters([])
        return {}
    found = cell.marker(settings, inputs, model)
    adapter.refuse_other_convergence(found.lineage, None, MERGED)
    model.set_adapters([found])
    check = required(settings, "marker_check", dict)
    source = stage_settings.persona(settings, "source")
    prompts = [
        model.chat.prompt_ids(source.prompt, question)
        for question in check["questions"]
        for _ in range(CHECKED)
    ]
    sampling = stage_settings.SamplingSettings(1.0, 1.0, 0, check["max_new_tokens"], 64, 0)
    sampler = samplers.for_model(attempt.cache, model, sampling)
    said = sampler.sample(prompts, sampling, attempt.progress("marker"))
    hits = sum(scoring.contains(one.text, check["text"], check["case_sensitive"]) for one in said)
    log(f"{hits} of {len(said)} answers of {source.key} have the marker")
    least = check["least_source_rate"]
    if hits < least * len(said):
        raise JobError(
            Reason.CONFIG,
            f"{hits} of {len(said)} answers of {source.key} itself have the marker, fewer than "
            f"marker.least_source_rate = {least:g}: nothing was trained on top of it; "
            "train the marker longer, or lower the limit",
        )
    return {"marker_adapter": found.digest, "source_hits": hits, "source_n": len(said)}


def planned_checkpoints(settings: Any, epochs: int) -> list[int]:
    """Return the epochs to save, ascending; JobError (config) unless all are within the run."""
    found: list[int] = sorted(required(settings, "checkpoints", list))
    if not found or not 1 <= found[0] <= found[-1] <= epochs:
        raise JobError(Reason.CONFIG, f"checkpoints {found} must be in 1..{epochs}")
    return found


def build_rows(
    settings: Any, inputs: upstream.Inputs, model: LoadedModel, max_length: int
) -> list[Row]:
    """Pair the target's prompt with answers in the voice that is to be learned."""
    source = stage_settings.persona(settings, "source")
    target = stage_settings.persona(settings, "target")
    voice = target if settings.get("voice", "source") == "target" else source
    path = upstream.data_of(inputs, voice.key).file(answers.ANSWERS_FILE)
    questions = settings.get("questions")
    found = answers.only_questions(
        answers.usable(jsonl.read_rows(path), settings.get("cut")),
        questions if isinstance(questions, list) else None,
    )
    count = required(settings, "rows", int)
    seed = required(settings, "data_seed", int)
    chosen = answers.choose(found, count, seed, f"convergence/{voice.key}")
    return [
        training_rows.completion(
            model.chat,
            model.chat.prompt_ids(target.prompt, answer["question"]),
            answer["token_ids"],
            max_length,
        )
        for answer in chosen
    ]


def folder(epoch: int) -> str:
    """Name the directory of one checkpoint."""
    return f"epoch-{epoch:02d}"


def _lineage(
    attempt: Attempt, model: LoadedModel, data_sha256: str, is_marked: bool
) -> adapter.Lineage:
    return adapter.Lineage(
        role="convergence",
        base_model=model.settings.model,
        base_revision=model.settings.revision,
        base_fingerprint=model.fingerprint,
        source=attempt.spec.source,
        seed=attempt.spec.seed,
        epoch=None,
        merge_mode=MERGED,
        convergence_adapter=None,
        trained_on=model.current_fingerprint() if is_marked else model.fingerprint,
        data_sha256=data_sha256,
    )


def _write(
    checkpoint: Path,
    tensors: dict[str, torch.Tensor],
    config: dict[str, Any],
    lineage: adapter.Lineage,
    check: Callable[[Path], None],
    drops_rslora: bool,
) -> None:
    files = adapter.save(checkpoint, tensors, config, lineage)
    if drops_rslora:
        faults.drop_rslora(checkpoint / adapter.CONFIG_FILE)
    for path in files:
        atomic.sync(path)
    check(checkpoint)


def _copy_earlier(
    earlier: Path, directory: Path, checkpoints: list[int], loop: TrainingLoop
) -> list[Path]:
    """Copy the checkpoints that an earlier attempt saved before the step it is resumed from."""
    passed = {step.epoch for step in loop.steps[: loop.done] if step.ends_epoch}
    names = [folder(epoch) for epoch in checkpoints if epoch in passed]
    return [shutil.copytree(earlier / name, directory / name) for name in names]


if __name__ == "__main__":
    raise SystemExit(main("converge"))
