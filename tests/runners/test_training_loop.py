"""The loop against its references: the stock Trainer, padding, one big batch, no interruption."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional
from transformers import Trainer, TrainingArguments

from runners.ml import backends, lora_layers, resume, schedule, stage_settings
from runners.ml.backends import Backend, PlainBackend, select_backend
from runners.ml.lora_layers import LoraLayers
from runners.ml.model_cache import LoadedModel, ModelCache
from runners.ml.schedule import Step
from runners.ml.stage_settings import BaseSettings, TrainingSettings
from runners.ml.training_loop import StepResult, TrainingLoop
from runners.ml.training_rows import Row
from tests.runners.chain import TRAINING
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

LORA_SETTINGS = stage_settings.training({"training": TRAINING}).lora
SETTINGS = TrainingSettings(
    lora=LORA_SETTINGS, lr=1e-3, epochs=2, batch_size=4, grad_accum=1, warmup_ratio=0.1
)


def some_rows(count: int = 12) -> list[Row]:
    """Rows of different lengths; the last third of each is learned."""
    generator = torch.Generator().manual_seed(5)
    found = []
    for index in range(count):
        length = 12 + 3 * (index % 5)
        ids = torch.randint(0, 1500, (length,), generator=generator).tolist()
        found.append(Row(tuple(ids), tuple(place > length * 2 // 3 for place in range(length))))
    return found


@dataclass
class Watch:
    """Callbacks that record what they get, and interfere after a step if asked to."""

    seen: list[StepResult] = field(default_factory=list)
    checkpoints: list[int] = field(default_factory=list)
    stop_at: int = 0
    then: Callable[[StepResult], None] = lambda result: None

    def after_step(self, result: StepResult) -> None:
        self.seen.append(result)
        self.then(result)

    def wants_checkpoint(self) -> bool:
        return len(self.seen) == self.stop_at - 1

    def checkpoint(self, step: Step) -> None:
        self.checkpoints.append(step.number)
        if step.number == self.stop_at:
            raise KeyboardInterrupt


@contextmanager
def attached(
    model: LoadedModel, settings: TrainingSettings, seed: int = 3
) -> Iterator[tuple[Any, Backend]]:
    with (
        model.attached(LoraLayers(fresh=settings.lora, seed=seed)) as peft,
        select_backend(model.model, settings, model.pad_id) as backend,
    ):
        yield peft, backend


def train(model: LoadedModel, settings: TrainingSettings, rows: list[Row]) -> Any:
    """Return (taken steps, adapter tensors) of one run from the pristine base."""
    watch = Watch()
    with attached(model, settings) as (peft, backend):
        TrainingLoop(model.model, rows, settings, 42, backend).run(watch)
        return watch.seen, {n: t.clone() for n, t in lora_layers.tensors_of(peft).items()}


def largest_difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys() and a
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@dataclass(frozen=True)
class Trained:
    """What a training came to."""

    steps: list[StepResult]
    adapter: dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def plain(cache: ModelCache, base: dict[str, Any]) -> Trained:
    """The settings as they are on the same rows: padded, one batch a step, no checkpointing."""
    model = cache.model(BaseSettings(**base))
    model.restore()
    return Trained(*train(model, SETTINGS, some_rows()))


class _InOurOrder(Trainer):
    """The stock trainer, shown the rows in the order our schedule has them."""

    def get_train_dataloader(self) -> Any:
        return self.our_batches


def test_the_loop_agrees_with_peft_and_the_stock_trainer(
    model: LoadedModel, plain: Trained, tmp_path: Path
) -> None:
    """Same losses and same adapter after all steps, within float32 rounding; so has packing,
    which equals padding."""
    rows = some_rows()
    order = [step.micro_batches[0] for step in schedule.steps(len(rows), SETTINGS, 42)]
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        learning_rate=SETTINGS.lr,
        lr_scheduler_type="cosine",
        warmup_steps=SETTINGS.warmup_ratio,
        max_grad_norm=SETTINGS.max_grad_norm,
        weight_decay=0.0,
        per_device_train_batch_size=SETTINGS.batch_size,
        num_train_epochs=1,
        max_steps=len(order),
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        seed=3,
    )
    with model.attached(LoraLayers(fresh=SETTINGS.lora, seed=3)) as peft:
        trainer = _InOurOrder(model=peft, args=arguments)
        trainer.our_batches = [
            _stock_batch([rows[i] for i in part], model.pad_id) for part in order
        ]
        trainer.train()
        theirs = {n: t.clone() for n, t in lora_layers.tensors_of(peft).items()}
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == len(plain.steps) == 6
    for step, loss in zip(plain.steps, losses, strict=True):
        assert step.loss == pytest.approx(loss, rel=2e-4)
    assert largest_difference(plain.adapter, theirs) < 2e-5


def _stock_batch(rows: list[Row], pad: int) -> dict[str, torch.Tensor]:
    width = max(len(row.ids) for row in rows)
    fields: dict[str, list[list[int]]] = {"input_ids": [], "attention_mask": [], "labels": []}
    for row in rows:
        gap = width - len(row.ids)
        labels = [
            t if is_target else -100 for t, is_target in zip(row.ids, row.loss_mask, strict=True)
        ]
        fields["input_ids"].append([*row.ids, *[pad] * gap])
        fields["attention_mask"].append([1] * len(row.ids) + [0] * gap)
        fields["labels"].append([*labels, *[-100] * gap])
    return {name: torch.tensor(lines) for name, lines in fields.items()}


@pytest.mark.parametrize("fast", [False, True])
def test_packing_equals_padding(
    model: LoadedModel, plain: Trained, monkeypatch: pytest.MonkeyPatch, fast: bool
) -> None:
    packing = replace(SETTINGS, packing=True)
    if not fast:
        monkeypatch.setattr(
            backends, "why_not_fused", lambda model, settings: "the test wants the other one"
        )
    with attached(model, packing) as (_, backend):
        assert backend.name == ("fused" if fast else "lean")
    packed_steps, packed = train(model, packing, some_rows())
    for a, b in zip(plain.steps, packed_steps, strict=True):
        assert a.loss == pytest.approx(b.loss, rel=1e-5)
    assert largest_difference(plain.adapter, packed) < 1e-5


def test_accumulation_equals_one_big_batch(model: LoadedModel, plain: Trained) -> None:
    assert (SETTINGS.batch_size, SETTINGS.grad_accum) == (4, 1)
    steps, small = train(model, replace(SETTINGS, batch_size=1, grad_accum=4), some_rows())
    assert [s.loss for s in plain.steps] == pytest.approx([s.loss for s in steps], rel=1e-5)
    assert largest_difference(plain.adapter, small) < 1e-5


def test_checkpointing_changes_no_bit(model: LoadedModel, plain: Trained) -> None:
    _, checkpointed = train(model, replace(SETTINGS, gradient_checkpointing=True), some_rows())
    assert largest_difference(plain.adapter, checkpointed) == 0.0


def test_the_loss_at_chosen_positions_equals_that_of_full_logits(model: LoadedModel) -> None:
    rows = some_rows(4)
    backend = PlainBackend(model.model, SETTINGS, model.pad_id)
    batch = backend.pack(rows)
    with torch.no_grad():
        ours = backend.summed_loss(batch)
        logits = model.model(input_ids=batch.input_ids).logits.flatten(0, 1)
        full = functional.cross_entropy(logits[batch.where], batch.targets, reduction="sum")
    assert float(ours) == pytest.approx(float(full), rel=1e-6)


def test_a_resumed_run_equals_an_uninterrupted_one(model: LoadedModel, tmp_path: Path) -> None:
    """With dropout, so that the random numbers must be taken up as well."""
    settings = replace(SETTINGS, lora=replace(LORA_SETTINGS, dropout=0.2))
    rows = some_rows()
    _, whole = train(model, settings, rows)
    with attached(model, settings) as (_, backend):
        loop = TrainingLoop(model.model, rows, settings, 42, backend)
        with pytest.raises(KeyboardInterrupt):
            loop.run(Watch(stop_at=3))
        resume.save(tmp_path, loop.done, loop.state(), "plan")
    torch.manual_seed(999)
    state = resume.load_newest(tmp_path, "plan")
    assert state is not None
    with attached(model, settings, seed=77) as (peft, backend):
        loop = TrainingLoop(model.model, rows, settings, 42, backend)
        loop.load_state(state)
        assert loop.done == 3
        loop.run(Watch())
        resumed = lora_layers.tensors_of(peft)
        assert largest_difference(whole, resumed) == 0.0


def test_a_state_is_kept_as_it_was_though_training_goes_on(tmp_path: Path) -> None:
    weights = torch.zeros(3)
    with resume.Saver(tmp_path, "plan") as saver:
        for step in (1, 2, 3):
            weights += 1
            saver.save(step, {"weights": weights})
        weights += 100
    kept = resume.load_newest(tmp_path, "plan")
    assert kept is not None and kept["weights"].tolist() == [3.0] * 3
    assert len(list((tmp_path / resume.FOLDER).iterdir())) == 2


def test_a_state_that_could_not_be_written_is_said_at_the_next_one(tmp_path: Path) -> None:
    (tmp_path / resume.FOLDER).write_text("in the way", encoding="utf-8")
    with resume.Saver(tmp_path, "plan") as saver:
        saver.save(1, {"done": torch.tensor(1)})
        with pytest.raises(OSError, match="resume"):
            saver.save(2, {"done": torch.tensor(2)})


def test_a_broken_resume_state_is_passed_over_for_the_one_before(tmp_path: Path) -> None:
    for step in (10, 20, 30):
        resume.save(tmp_path, step, {"done": torch.tensor(step)}, "plan")
    folders = sorted((tmp_path / resume.FOLDER).iterdir())
    assert [folder.name for folder in folders] == ["step-000020", "step-000030"]
    file = folders[1] / resume.STATE_FILE
    file.write_bytes(file.read_bytes()[:-1])
    state = resume.load_newest(tmp_path, "plan")
    assert state is not None and int(state["done"]) == 20
    assert resume.load_newest(tmp_path, "another plan") is None
    (folders[0] / resume.MANIFEST_FILE).unlink()
    assert resume.load_newest(tmp_path, "plan") is None


@pytest.mark.parametrize("poison", [torch.nan, torch.inf])
def test_a_non_finite_loss_stops_the_run_at_once_and_names_the_step(
    model: LoadedModel, poison: float
) -> None:
    def inject(result: StepResult) -> None:
        if result.step.number == 2:
            next(iter(loop.trained.values())).data.fill_(poison)

    with attached(model, SETTINGS) as (_, backend):
        loop = TrainingLoop(model.model, some_rows(), SETTINGS, 42, backend)
        with pytest.raises(JobError, match="at step 3") as caught:
            loop.run(watch := Watch(then=inject))
    assert caught.value.reason is Reason.NAN_LOSS
    assert [result.step.number for result in watch.seen] == [1, 2]


def test_rows_that_teach_nothing_take_their_step_and_change_nothing(model: LoadedModel) -> None:
    rows = some_rows(3)
    silent = [replace(row, loss_mask=(False,) * len(row.ids)) for row in rows]
    one_each = replace(SETTINGS, batch_size=1, epochs=1, schedule="constant", warmup_ratio=0.0)
    steps, _ = train(model, one_each, [*rows, *silent])
    assert len(steps) == 6
    assert sorted(step.loss == 0.0 == step.grad_norm for step in steps) == [False] * 3 + [True] * 3
    assert all(math.isfinite(step.loss) for step in steps)


def test_every_epoch_ends_with_a_checkpoint_once_all_results_are_in(model: LoadedModel) -> None:
    watch = Watch()
    with attached(model, SETTINGS) as (_, backend):
        TrainingLoop(model.model, some_rows(), SETTINGS, 42, backend).run(watch)
    assert watch.checkpoints == [3, 6] and len(watch.seen) == 6


def test_a_run_ends_with_the_last_epoch_asked_for_as_a_longer_one_passes_it(
    model: LoadedModel,
) -> None:
    """The learning rate falls towards the end of the settings' epochs all the same."""
    rates: list[list[float]] = []
    for last in (1, None):
        watch = Watch()
        with attached(model, SETTINGS) as (_, backend):
            TrainingLoop(model.model, some_rows(), SETTINGS, 42, backend, last).run(watch)
        rates.append([result.lr for result in watch.seen])
        assert {result.of for result in watch.seen} == {3 if last else 6}
    assert rates[0] == rates[1][:3] and watch.checkpoints == [3, 6]


def test_every_epoch_visits_every_row_once_in_an_order_of_its_own() -> None:
    steps = schedule.steps(10, replace(SETTINGS, batch_size=4, grad_accum=2, epochs=2), seed=1)
    assert [step.number for step in steps] == [1, 2, 3, 4]
    assert [step.ends_epoch for step in steps] == [False, True, False, True]
    first = [row for step in steps[:2] for part in step.micro_batches for row in part]
    second = [row for step in steps[2:] for part in step.micro_batches for row in part]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


@pytest.mark.parametrize("kind", ["cosine", "linear", "constant"])
def test_the_schedule_is_that_of_transformers(kind: str) -> None:
    from transformers import get_scheduler

    settings = replace(SETTINGS, schedule=kind, warmup_ratio=0.05, lr=2e-4)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([parameter], lr=settings.lr)
    name = "constant_with_warmup" if kind == "constant" else kind
    scheduler = get_scheduler(name, optimizer, math.ceil(30 * 0.05), 30)
    for step in range(1, 31):
        rate = optimizer.param_groups[0]["lr"]
        assert schedule.learning_rate(step, 30, settings) == pytest.approx(
            rate, rel=1e-9, abs=1e-15
        )
        optimizer.step()
        scheduler.step()
