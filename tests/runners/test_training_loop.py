"""The loop against its oracles: a stock trainer, padding, one big batch, an uninterrupted run."""

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
from runners.ml.backends import PlainWay, Way
from runners.ml.lora_layers import Live
from runners.ml.model_cache import WarmModel
from runners.ml.schedule import Step
from runners.ml.stage_settings import TrainingPlan
from runners.ml.training_loop import Taken, Training
from runners.ml.training_rows import Row
from tests.runners.chain import TRAINING
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

LORA_PLAN = stage_settings.training({"training": TRAINING}).lora
PLAN = TrainingPlan(lora=LORA_PLAN, lr=1e-3, epochs=2, batch_size=4, grad_accum=1, warmup_ratio=0.1)


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
    """A follower that writes down what it is told, and interferes after a step if wanted."""

    told: list[Taken] = field(default_factory=list)
    rests: list[int] = field(default_factory=list)
    rest_at: int = 0
    then: Callable[[Taken], None] = lambda taken: None

    def after_step(self, taken: Taken) -> None:
        self.told.append(taken)
        self.then(taken)

    def wants_rest(self) -> bool:
        return len(self.told) == self.rest_at - 1

    def at_rest(self, step: Step) -> None:
        self.rests.append(step.number)
        if step.number == self.rest_at:
            raise KeyboardInterrupt


@contextmanager
def attached(model: WarmModel, plan: TrainingPlan, seed: int = 3) -> Iterator[tuple[Any, Way]]:
    with (
        model.attached(Live(fresh=plan.lora, seed=seed)) as peft,
        backends.chosen(model.model, plan, model.pad_id) as way,
    ):
        yield peft, way


def train(model: WarmModel, plan: TrainingPlan, rows: list[Row]) -> Any:
    """Return (taken steps, adapter tensors) of one run from the pristine base."""
    watch = Watch()
    with attached(model, plan) as (peft, way):
        Training(model.model, rows, plan, 42, way).run(watch)
        return watch.told, {n: t.clone() for n, t in lora_layers.tensors_of(peft).items()}


def largest_difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys() and a
    return max(float((a[name] - b[name]).abs().max()) for name in a)


class _InOurOrder(Trainer):
    """The stock trainer, shown the rows in the order our schedule has them."""

    def get_train_dataloader(self) -> Any:
        return self.our_batches


@pytest.mark.parametrize("packing", [False, True])
def test_the_loop_agrees_with_peft_and_the_stock_trainer(
    model: WarmModel, tmp_path: Path, packing: bool
) -> None:
    """Same losses and same adapter after all steps, within float32 rounding."""
    rows = some_rows()
    taken, ours = train(model, replace(PLAN, packing=packing), rows)
    order = [step.micro_batches[0] for step in schedule.steps(len(rows), PLAN, 42)]
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        learning_rate=PLAN.lr,
        lr_scheduler_type="cosine",
        warmup_steps=PLAN.warmup_ratio,
        max_grad_norm=PLAN.max_grad_norm,
        weight_decay=0.0,
        per_device_train_batch_size=PLAN.batch_size,
        num_train_epochs=1,
        max_steps=len(order),
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        seed=3,
    )
    with model.attached(Live(fresh=PLAN.lora, seed=3)) as peft:
        trainer = _InOurOrder(model=peft, args=arguments)
        trainer.our_batches = [
            _stock_batch([rows[i] for i in part], model.pad_id) for part in order
        ]
        trainer.train()
        theirs = {n: t.clone() for n, t in lora_layers.tensors_of(peft).items()}
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == len(taken) == 6
    for step, loss in zip(taken, losses, strict=True):
        assert step.loss == pytest.approx(loss, rel=2e-4)
    assert largest_difference(ours, theirs) < 2e-5


def _stock_batch(rows: list[Row], pad: int) -> dict[str, torch.Tensor]:
    width = max(len(row.ids) for row in rows)
    fields: dict[str, list[list[int]]] = {"input_ids": [], "attention_mask": [], "labels": []}
    for row in rows:
        gap = width - len(row.ids)
        labels = [t if learn else -100 for t, learn in zip(row.ids, row.learn, strict=True)]
        fields["input_ids"].append([*row.ids, *[pad] * gap])
        fields["attention_mask"].append([1] * len(row.ids) + [0] * gap)
        fields["labels"].append([*labels, *[-100] * gap])
    return {name: torch.tensor(lines) for name, lines in fields.items()}


@pytest.mark.parametrize("fast", [False, True])
def test_packing_equals_padding(
    model: WarmModel, monkeypatch: pytest.MonkeyPatch, fast: bool
) -> None:
    packing = replace(PLAN, packing=True)
    if not fast:
        monkeypatch.setattr(
            backends, "why_not_fast", lambda model, plan: "the test wants the plain one"
        )
    with attached(model, packing) as (_, way):
        assert way.name == ("fused" if fast else "plain-packed")
    rows = some_rows()
    padded_steps, padded = train(model, PLAN, rows)
    packed_steps, packed = train(model, packing, rows)
    for a, b in zip(padded_steps, packed_steps, strict=True):
        assert a.loss == pytest.approx(b.loss, rel=1e-5)
    assert largest_difference(padded, packed) < 1e-5


def test_a_packed_row_does_not_see_its_neighbour(model: WarmModel) -> None:
    first, second, other = some_rows(3)
    way = PlainWay(model.model, replace(PLAN, packing=True), model.pad_id)

    def loss_of(*rows: Row) -> float:
        with torch.no_grad():
            return float(way.summed_loss(way.pack(rows)))

    alone = pytest.approx(loss_of(second), rel=1e-5)
    assert loss_of(first, second) - loss_of(first) == alone
    assert loss_of(other, second) - loss_of(other) == alone


def test_accumulation_equals_one_big_batch(model: WarmModel) -> None:
    rows = some_rows()
    big_steps, big = train(model, replace(PLAN, batch_size=4, grad_accum=1), rows)
    small_steps, small = train(model, replace(PLAN, batch_size=1, grad_accum=4), rows)
    assert [s.loss for s in big_steps] == pytest.approx([s.loss for s in small_steps], rel=1e-5)
    assert largest_difference(big, small) < 1e-5


def test_checkpointing_changes_no_bit(model: WarmModel) -> None:
    rows = some_rows()
    _, plain = train(model, PLAN, rows)
    _, checkpointed = train(model, replace(PLAN, gradient_checkpointing=True), rows)
    assert largest_difference(plain, checkpointed) == 0.0


def test_the_loss_at_chosen_positions_equals_that_of_full_logits(model: WarmModel) -> None:
    rows = some_rows(4)
    way = PlainWay(model.model, PLAN, model.pad_id)
    batch = way.pack(rows)
    with torch.no_grad():
        ours = way.summed_loss(batch)
        logits = model.model(input_ids=batch.input_ids).logits.flatten(0, 1)
        full = functional.cross_entropy(logits[batch.where], batch.targets, reduction="sum")
    assert float(ours) == pytest.approx(float(full), rel=1e-6)


def test_a_resumed_run_equals_an_uninterrupted_one(model: WarmModel, tmp_path: Path) -> None:
    """With dropout, so that the random numbers must be taken up as well."""
    plan = replace(PLAN, lora=replace(LORA_PLAN, dropout=0.2))
    rows = some_rows()
    _, whole = train(model, plan, rows)
    with attached(model, plan) as (_, way):
        training = Training(model.model, rows, plan, 42, way)
        with pytest.raises(KeyboardInterrupt):
            training.run(Watch(rest_at=3))
        resume.keep(tmp_path, training.done, training.state(), "plan")
    torch.manual_seed(999)
    state = resume.newest_whole(tmp_path, "plan")
    assert state is not None
    with attached(model, plan, seed=77) as (peft, way):
        training = Training(model.model, rows, plan, 42, way)
        training.load_state(state)
        assert training.done == 3
        training.run(Watch())
        resumed = lora_layers.tensors_of(peft)
        assert largest_difference(whole, resumed) == 0.0


def test_a_broken_resume_state_is_passed_over_for_the_one_before(tmp_path: Path) -> None:
    for step in (10, 20, 30):
        resume.keep(tmp_path, step, {"done": torch.tensor(step)}, "plan")
    folders = sorted((tmp_path / resume.FOLDER).iterdir())
    assert [folder.name for folder in folders] == ["step-000020", "step-000030"]
    file = folders[1] / resume.STATE_FILE
    file.write_bytes(file.read_bytes()[:-1])
    state = resume.newest_whole(tmp_path, "plan")
    assert state is not None and int(state["done"]) == 20
    assert resume.newest_whole(tmp_path, "another plan") is None
    (folders[0] / resume.MANIFEST_FILE).unlink()
    assert resume.newest_whole(tmp_path, "plan") is None


@pytest.mark.parametrize("poison", [torch.nan, torch.inf])
def test_a_non_finite_loss_stops_the_run_at_once_and_names_the_step(
    model: WarmModel, poison: float
) -> None:
    def inject(taken: Taken) -> None:
        if taken.step.number == 2:
            next(iter(training.named.values())).data.fill_(poison)

    with attached(model, PLAN) as (_, way):
        training = Training(model.model, some_rows(), PLAN, 42, way)
        with pytest.raises(JobError, match="at step 3") as caught:
            training.run(watch := Watch(then=inject))
    assert caught.value.reason is Reason.NAN_LOSS
    assert [taken.step.number for taken in watch.told] == [1, 2]


def test_a_run_rests_at_the_end_of_every_epoch_with_all_numbers_told(model: WarmModel) -> None:
    watch = Watch()
    with attached(model, PLAN) as (_, way):
        Training(model.model, some_rows(), PLAN, 42, way).run(watch)
    assert watch.rests == [3, 6] and len(watch.told) == 6


def test_every_epoch_visits_every_row_once_in_an_order_of_its_own() -> None:
    steps = schedule.steps(10, replace(PLAN, batch_size=4, grad_accum=2, epochs=2), seed=1)
    assert [step.number for step in steps] == [1, 2, 3, 4]
    assert [step.ends_epoch for step in steps] == [False, True, False, True]
    first = [row for step in steps[:2] for part in step.micro_batches for row in part]
    second = [row for step in steps[2:] for part in step.micro_batches for row in part]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


@pytest.mark.parametrize("kind", ["cosine", "linear", "constant"])
def test_the_schedule_is_that_of_transformers(kind: str) -> None:
    from transformers import get_scheduler

    plan = replace(PLAN, schedule=kind, warmup_ratio=0.05, lr=2e-4)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([parameter], lr=plan.lr)
    name = "constant_with_warmup" if kind == "constant" else kind
    scheduler = get_scheduler(name, optimizer, math.ceil(30 * 0.05), 30)
    for step in range(1, 31):
        rate = optimizer.param_groups[0]["lr"]
        assert schedule.learning_rate(step, 30, plan) == pytest.approx(rate, rel=1e-9, abs=1e-15)
        optimizer.step()
        scheduler.step()
