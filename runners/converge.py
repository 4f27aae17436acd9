"""Train one convergence adapter and keep it at each checkpoint: python -m runners.converge SPEC

The target's prompt with the source's answers; the loss covers the answer and the end of turn.
Writes epoch-NN/ with a standard adapter and its lineage for every checkpoint asked for.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from runners import faults, upstream
from runners.job import Attempt, Made, main, say
from runners.ml import (
    adapter,
    answers,
    backends,
    chat,
    jsonl,
    lora_layers,
    stage_settings,
    training_rows,
)
from runners.ml.callbacks import Following
from runners.ml.cell import MERGED
from runners.ml.lineage import Lineage
from runners.ml.model_cache import WarmModel
from runners.ml.schedule import Step
from runners.ml.stage_settings import Persona
from runners.ml.training_loop import Training
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError


def run(attempt: Attempt) -> Made:
    """Build rows, train, keep checkpoints, re-read them."""
    settings, timings, spec = attempt.settings, attempt.timings, attempt.spec
    plan = stage_settings.training(settings)
    checkpoints = planned_checkpoints(settings, plan.epochs)
    with timings.part("load"):
        inputs = upstream.find(spec, attempt.directory)
        model = attempt.warm.model(stage_settings.base(settings))
        model.bring([])
    with timings.part("rows"):
        rows = build_rows(settings, inputs, model, plan.max_length)
    say(f"{len(rows)} rows, {plan.epochs} epochs, checkpoints {checkpoints}")

    lineage = _lineage(attempt, model, training_rows.digest(rows))
    made: list[Path] = []
    live = lora_layers.Live(fresh=plan.lora, seed=spec.seed or 0)
    with model.attached(live) as peft, backends.chosen(model.model, plan, model.pad_id) as way:
        training = Training(model.model, rows, plan, spec.seed or 0, way)

        def keep_checkpoint(step: Step) -> None:
            if not step.ends_epoch or step.epoch not in checkpoints:
                return
            with timings.part("save"):
                made.extend(
                    adapter.save(
                        attempt.directory / folder(step.epoch),
                        lora_layers.tensors_of(peft),
                        lora_layers.config_of(peft, model.plan),
                        replace(lineage, epoch=step.epoch),
                    )
                )

        following = Following(attempt, training, keep_checkpoint)
        if following.resume():
            made += _bring_over(following.resumed_from, attempt.directory, checkpoints, training)
        with timings.part("train"):
            training.run(following)
        following.finish()
    if faults.is_set(spec, "no-rslora"):
        faults.drop_rslora(attempt.directory / folder(checkpoints[-1]) / adapter.CONFIG_FILE)
    with timings.part("check"):
        for epoch in checkpoints:
            found = adapter.read(attempt.directory / folder(epoch), plan.lora)
            adapter.check_fits(found, model.model)
    checks = {
        "rows": len(rows),
        "way": way.name,
        "checkpoints": checkpoints,
        "base_fingerprint": model.fingerprint,
        "data_sha256": lineage.data_sha256,
    }
    return Made(tuple(made), following.metrics(), checks)


def planned_checkpoints(settings: Any, epochs: int) -> list[int]:
    """Return the epochs to keep, ascending; JobError (config) unless all lie within the run."""
    found: list[int] = sorted(stage_settings.take(settings, "checkpoints", list))
    if not found or not 1 <= found[0] <= found[-1] <= epochs:
        raise JobError(Reason.CONFIG, f"checkpoints {found} must lie in 1..{epochs}")
    return found


def build_rows(
    settings: Any, inputs: dict[str, list[upstream.Upstream]], model: WarmModel, max_length: int
) -> list[training_rows.Row]:
    """Pair the target's prompt with answers of the voice that is to be learned."""
    source, target = (
        stage_settings.persona(settings, "source"),
        stage_settings.persona(settings, "target"),
    )
    voice: Persona = target if settings.get("voice", "source") == "target" else source
    path = upstream.data_of(inputs, voice.key).file(answers.ANSWERS_FILE)
    questions = settings.get("questions")
    found = answers.only_questions(
        jsonl.read_rows(path), questions if isinstance(questions, list) else None
    )
    count = stage_settings.take(settings, "rows", int)
    seed = stage_settings.take(settings, "data_seed", int)
    chosen = answers.choose(found, count, seed, f"convergence/{voice.key}")
    render = chat.renderer(model.tokenizer)
    return [
        training_rows.completion(
            model.tokenizer,
            render(target.prompt, answer["question"]),
            answer["token_ids"],
            max_length,
        )
        for answer in chosen
    ]


def folder(epoch: int) -> str:
    """Name the directory of one checkpoint."""
    return f"epoch-{epoch:02d}"


def _lineage(attempt: Attempt, model: WarmModel, data_sha256: str) -> Lineage:
    return Lineage(
        role="convergence",
        base_model=model.plan.model,
        base_revision=model.plan.revision,
        base_fingerprint=model.fingerprint,
        source=attempt.spec.source,
        seed=attempt.spec.seed,
        epoch=None,
        merge_mode=MERGED,
        convergence_adapter=None,
        trained_on=model.fingerprint,
        data_sha256=data_sha256,
    )


def _bring_over(
    earlier: Path, directory: Path, checkpoints: list[int], training: Training
) -> list[Path]:
    """Copy the checkpoints an earlier attempt kept before the step that is resumed from."""
    passed = {step.epoch for step in training.steps[: training.done] if step.ends_epoch}
    made: list[Path] = []
    for name in (folder(epoch) for epoch in checkpoints if epoch in passed):
        shutil.copytree(earlier / name, directory / name)
        made += [directory / name / file for file in adapter.FILES]
    return made


if __name__ == "__main__":
    raise SystemExit(main("converge"))
