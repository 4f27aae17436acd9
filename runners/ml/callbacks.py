"""Follows a training run for the outside: events, log lines, resume states, stop requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from runners import faults, stop_signal
from runners.job import Attempt, say
from runners.ml import resume
from runners.ml.schedule import Step
from runners.ml.training_loop import Taken, Training

_SAY_EVERY = 2.0
"""Seconds between log lines."""


class Following:
    """The ``Follower`` of a stage: decides what of a run is written down."""

    def __init__(
        self, attempt: Attempt, training: Training, at_rest: Callable[[Step], None] | None = None
    ) -> None:
        self._attempt = attempt
        self._training = training
        self._then = at_rest
        self._start = self._said = self._kept = time.monotonic()
        self._tokens = 0
        self._first: float | None = None
        self._last: Taken | None = None
        self.resumed_from = attempt.directory
        self.resumed_at = 0
        """Step the run was taken up after; 0 means from the beginning."""

    def resume(self) -> bool:
        """Take the run up where ``launch.resume_from`` (an earlier attempt) left it, if it can."""
        earlier = self._attempt.spec.launch.get("resume_from")
        if not earlier:
            return False
        self.resumed_from = (self._attempt.directory / str(earlier)).resolve()
        state = resume.newest_whole(self.resumed_from, self._attempt.spec.fingerprint)
        if state is None:
            self._note("no whole resume state of this plan: training starts from the beginning")
            return False
        self._training.load_state(state)
        self.resumed_at = self._training.done
        self._note(f"resumed after step {self.resumed_at} of {len(self._training.steps)}")
        return True

    def after_step(self, taken: Taken) -> None:
        """Report one step."""
        self._last = taken
        self._first = taken.loss if self._first is None else self._first
        self._tokens += taken.tokens
        self._report(taken)
        if faults.is_set(self._attempt.spec, "nan") and taken.step.number == min(3, taken.of - 1):
            next(iter(self._training.named.values())).data.fill_(torch.nan)

    def wants_rest(self) -> bool:
        """True when a resume state is due or the process was asked to stop."""
        asked = self._attempt.spec.launch.get("save_seconds")
        every = self._training.plan.save_seconds if asked is None else float(asked)
        is_due = every > 0 and time.monotonic() - self._kept > every
        return is_due or stop_signal.was_asked()

    def at_rest(self, step: Step) -> None:
        """Keep what is to be kept; raise JobError (killed) when asked to stop."""
        if self._then is not None:
            self._then(step)
        if step.number < len(self._training.steps) and self.wants_rest():
            self._keep()
            stop_signal.check()

    def finish(self) -> None:
        """Remove the resume states of a finished run."""
        resume.drop(self._attempt.directory)

    def metrics(self) -> dict[str, Any]:
        """Return what the run came to."""
        last = self._last
        if last is None:
            return {"steps": self._training.done}
        return {
            "final_loss": last.loss,
            "first_loss": self._first,
            "final_grad_norm": last.grad_norm,
            "steps": last.step.number,
            "resumed_at": self.resumed_at,
            "tokens": self._tokens,
        }

    def _report(self, taken: Taken) -> None:
        number, now = taken.step.number, time.monotonic()
        rate = (number - self.resumed_at) / max(1e-9, now - self._start)
        reporter = self._attempt.reporter
        reporter.metric(
            number, loss=taken.loss, grad_norm=taken.grad_norm, lr=taken.lr, epoch=taken.step.epoch
        )
        reporter.progress(number, taken.of, part="train", rate=round(rate, 3))
        if number == taken.of or now - self._said > _SAY_EVERY:
            self._said = now
            say(
                f"step {number}/{taken.of} epoch {taken.step.epoch} loss {taken.loss:.4f} "
                f"grad {taken.grad_norm:.3f} {rate:.2f} steps/s"
            )

    def _keep(self) -> None:
        training, spec = self._training, self._attempt.spec
        with self._attempt.timings.part("keep"):
            resume.keep(self._attempt.directory, training.done, training.state(), spec.fingerprint)
        self._kept = time.monotonic()
        self._note(f"resume state kept after step {training.done}")

    def _note(self, text: str) -> None:
        self._attempt.reporter.note(text)
        say(text)
