"""The training loop: rows in, trained adapter in place; the only place with an optimiser."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from runners.fast.readback import Readback
from runners.ml import schedule
from runners.ml.backends import Backend
from runners.ml.schedule import Step
from runners.ml.stage_settings import TrainingSettings
from runners.ml.training_rows import Row
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one optimiser step measured."""

    step: Step
    of: int
    """Steps that are run."""
    loss: float
    """Mean over the loss tokens of the step."""
    grad_norm: float
    """Before clipping."""
    lr: float
    tokens: int


class Callbacks(Protocol):
    """What the loop calls."""

    def after_step(self, result: StepResult) -> None:
        """Take the result of one step; the loop may be some steps further."""
        ...

    def wants_checkpoint(self) -> bool:
        """Return whether ``checkpoint`` is to be called after this step, as after every epoch."""
        ...

    def checkpoint(self, step: Step) -> None:
        """Read weights and state as they are after ``step``; may raise to leave the loop."""
        ...


class TrainingLoop:
    """A run that can stop after any step and continue from ``state``."""

    def __init__(
        self,
        model: Any,
        rows: Sequence[Row],
        settings: TrainingSettings,
        seed: int,
        backend: Backend,
        last_epoch: int | None = None,
    ) -> None:
        self.model = model
        """A causal LM with LoRA layers; what requires a gradient is trained."""
        self.rows = rows
        self.settings = settings
        self.backend = backend
        self.device = next(model.parameters()).device
        self.trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.optimizer = new_optimizer(list(self.trained.values()), settings)
        self.steps = schedule.steps(len(rows), settings, seed)
        ends = (step.number for step in self.steps if step.ends_epoch and step.epoch == last_epoch)
        self.last = next(ends, len(self.steps))
        """Steps that are run: all, or those up to the end of ``last_epoch``. The learning rate
        falls as if all were."""
        self.done = 0
        """Steps completed."""

    def run(self, callbacks: Callbacks) -> None:
        """Run all remaining steps; JobError (nan-loss) at the first non-finite loss or gradient.

        On a GPU the numbers of a step arrive up to two steps late, so that the device need not
        wait for them; before a checkpoint all have arrived and are finite.
        """
        late: Readback[tuple[Step, int]] = Readback()
        self.model.train()
        try:
            for step in self.steps[self.done : self.last]:
                values, tokens = self.step(step)
                self.done = step.number
                arrived = late.push((step, tokens), values)
                stops_here = step.ends_epoch or callbacks.wants_checkpoint()
                for facts, numbers in [*arrived, *(late.flush() if stops_here else ())]:
                    callbacks.after_step(self._result(*facts, *numbers))
                if stops_here:
                    callbacks.checkpoint(step)
        finally:
            self.model.eval()

    def step(self, step: Step) -> tuple[torch.Tensor, int]:
        """Run one optimiser step: sum over micro-batches, mean over all their loss tokens.

        Returns [loss, gradient norm before clipping] on the device, and the number of tokens.
        """
        rate = schedule.learning_rate(step.number, len(self.steps), self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batches = [self.backend.pack([self.rows[i] for i in part]) for part in step.micro_batches]
        # Rows without a loss token teach nothing; alone in a step, they leave the weights alone.
        batches = [batch for batch in batches if len(batch.targets)]
        count = sum(len(batch.targets) for batch in batches)
        total = torch.zeros((), device=self.device)
        for batch in batches:
            loss = self.backend.summed_loss(batch) / count
            loss.backward()
            total += loss.detach()
        norm = torch.nn.utils.clip_grad_norm_(self.trained.values(), self.settings.max_grad_norm)
        norm = norm.to(self.device)  # on the CPU where there was no gradient
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return torch.stack([total, norm.float()]), sum(batch.tokens for batch in batches)

    def _result(self, step: Step, tokens: int, loss: float, norm: float) -> StepResult:
        for name, value in (("loss", loss), ("gradient norm", norm)):
            if not math.isfinite(value):
                raise JobError(Reason.NAN_LOSS, f"{name} is {value} at step {step.number}")
        rate = schedule.learning_rate(step.number, len(self.steps), self.settings)
        return StepResult(step, self.last, loss, norm, rate, tokens)

    def state(self) -> dict[str, torch.Tensor]:
        """Return everything that later steps depend on, apart from settings, rows and seed."""
        found = {"rng.cpu": torch.get_rng_state(), "done": torch.tensor(self.done)}
        if self.device.type == "cuda":
            found["rng.cuda"] = torch.cuda.get_rng_state(self.device)
        for name, parameter in self.trained.items():
            found[f"weight.{name}"] = parameter.detach()
            for key, value in self.optimizer.state.get(parameter, {}).items():
                found[f"{key}.{name}"] = value
        return found

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        """Go back to a state that ``state`` returned."""
        self.done = int(state["done"])
        for name, parameter in self.trained.items():
            parameter.data.copy_(state[f"weight.{name}"])
            self.optimizer.state[parameter] = {
                key: state[f"{key}.{name}"].to(parameter.device)
                for key in ("step", "exp_avg", "exp_avg_sq")
                if f"{key}.{name}" in state
            }
        torch.set_rng_state(state["rng.cpu"].cpu())
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state["rng.cuda"].cpu(), self.device)


def new_optimizer(
    parameters: list[torch.nn.Parameter], settings: TrainingSettings
) -> torch.optim.Optimizer:
    """Return AdamW over the float32 adapter weights."""
    return torch.optim.AdamW(
        parameters,
        lr=settings.lr,
        betas=settings.betas,
        eps=1e-8,
        weight_decay=settings.weight_decay,
        fused=True,
    )
