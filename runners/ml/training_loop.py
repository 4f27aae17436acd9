"""The training loop: rows in, trained adapter in place; the only place with an optimiser."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from runners.fast.readback import Readback
from runners.ml import schedule
from runners.ml.backends import Way
from runners.ml.schedule import Step
from runners.ml.stage_settings import TrainingPlan
from runners.ml.training_rows import Row
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError


@dataclass(frozen=True, slots=True)
class Taken:
    """What one optimiser step saw."""

    step: Step
    of: int
    """All steps of the run."""
    loss: float
    """Mean over the loss tokens of the step."""
    grad_norm: float
    """Before clipping."""
    lr: float
    tokens: int


class Follower(Protocol):
    """Who is told of a run."""

    def after_step(self, taken: Taken) -> None:
        """Hear of one step; more may have been taken since."""
        ...

    def wants_rest(self) -> bool:
        """Say whether ``at_rest`` is wanted after this step; every epoch rests at its end."""
        ...

    def at_rest(self, step: Step) -> None:
        """Look at weights and state, which are those after ``step``; may raise to leave."""
        ...


class Training:
    """A run that can be left after any step and taken up again from ``state``."""

    def __init__(
        self,
        model: Any,
        rows: Sequence[Row],
        plan: TrainingPlan,
        seed: int,
        way: Way,
    ) -> None:
        self.model = model
        """A causal LM with live LoRA layers; what requires a gradient is trained."""
        self.rows = rows
        self.plan = plan
        self.way = way
        self.device = next(model.parameters()).device
        self.named = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.optimizer = new_optimizer(list(self.named.values()), plan)
        self.steps = schedule.steps(len(rows), plan, seed)
        self.done = 0
        """Steps taken so far."""

    def run(self, follower: Follower) -> None:
        """Take all remaining steps; JobError (nan-loss) at the first non-finite loss or gradient.

        On a GPU the numbers of a step arrive up to two steps late, so that the device need not
        wait for them; before the run rests all have arrived and are finite.
        """
        late: Readback[tuple[Step, int]] = Readback()
        self.model.train()
        try:
            for step in self.steps[self.done :]:
                values, tokens = self.take(step)
                self.done = step.number
                arrived = late.push((step, tokens), values)
                rests = step.ends_epoch or follower.wants_rest()
                for facts, numbers in [*arrived, *(late.flush() if rests else ())]:
                    follower.after_step(self._taken(*facts, *numbers))
                if rests:
                    follower.at_rest(step)
        finally:
            self.model.eval()

    def take(self, step: Step) -> tuple[torch.Tensor, int]:
        """Take one optimiser step: sum over micro-batches, mean over all their loss tokens.

        Returns [loss, gradient norm before clipping] on the device, and the tokens seen.
        """
        rate = schedule.learning_rate(step.number, len(self.steps), self.plan)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        parts = [self.way.pack([self.rows[i] for i in part]) for part in step.micro_batches]
        count = sum(len(part.targets) for part in parts)
        total = torch.zeros((), device=self.device)
        for part in parts:
            loss = self.way.summed_loss(part) / count
            loss.backward()
            total += loss.detach()
        norm = torch.nn.utils.clip_grad_norm_(self.named.values(), self.plan.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return torch.stack([total, norm.float()]), sum(part.tokens for part in parts)

    def _taken(self, step: Step, tokens: int, loss: float, norm: float) -> Taken:
        for name, value in (("loss", loss), ("gradient norm", norm)):
            if not math.isfinite(value):
                raise JobError(Reason.NAN_LOSS, f"{name} is {value} at step {step.number}")
        rate = schedule.learning_rate(step.number, len(self.steps), self.plan)
        return Taken(step, len(self.steps), loss, norm, rate, tokens)

    def state(self) -> dict[str, torch.Tensor]:
        """Return everything that later steps depend on, beside plan, rows and seed."""
        found = {"rng.cpu": torch.get_rng_state(), "done": torch.tensor(self.done)}
        if self.device.type == "cuda":
            found["rng.cuda"] = torch.cuda.get_rng_state(self.device)
        for name, parameter in self.named.items():
            found[f"weight.{name}"] = parameter.detach()
            for key, value in self.optimizer.state.get(parameter, {}).items():
                found[f"{key}.{name}"] = value
        return found

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        """Go back to a state that ``state`` returned."""
        self.done = int(state["done"])
        for name, parameter in self.named.items():
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
    parameters: list[torch.nn.Parameter], plan: TrainingPlan
) -> torch.optim.Optimizer:
    """AdamW over the float32 adapter weights."""
    return torch.optim.AdamW(
        parameters,
        lr=plan.lr,
        betas=plan.betas,
        eps=1e-8,
        weight_decay=plan.weight_decay,
        fused=True,
    )
