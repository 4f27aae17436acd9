"""The callbacks of a training job: events, log lines, resume states, stop requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from runners import faults, stop_signal
from runners.job import Attempt, log
from runners.ml import resume
from runners.ml.schedule import Step
from runners.ml.training_loop import StepResult, TrainingLoop

_LOG_EVERY = 2.0
"""Seconds between log lines."""


class JobCallbacks:
    """The ``Callbacks`` of a stage: decides what of a run is recorded."""

    def __init__(
        self,
        attempt: Attempt,
        loop: TrainingLoop,
        saver: resume.Saver,
        on_checkpoint: Callable[[Step], None] | None = None,
    ) -> None:
        self._attempt = attempt
        self._loop = loop
        self._saver = saver
        self._on_checkpoint = on_checkpoint
        self._start = self._logged = self._saved = time.monotonic()
        self._tokens = 0
        self._first_loss: float | None = None
        self._last: StepResult | None = None
        self.resumed_from = attempt.directory
        self.resumed_at = 0
        """The last step of the earlier attempt; 0 means from the beginning."""

    def resume(self) -> bool:
        """Continue from the state that ``launch.resume_from`` (an earlier attempt) left, if any."""
        earlier = self._attempt.spec.launch.get("resume_from")
        if not earlier:
            return False
        self.resumed_from = (self._attempt.directory / str(earlier)).resolve()
        state = resume.load_newest(self.resumed_from, self._attempt.spec.fingerprint)
        if state is None:
            self._note("no usable resume state: training starts from the beginning")
            return False
        self._loop.load_state(state)
        self.resumed_at = self._loop.done
        self._note(f"resumed after step {self.resumed_at} of {self._loop.last}")
        return True

    def after_step(self, result: StepResult) -> None:
        """Report one step."""
        self._last = result
        self._first_loss = result.loss if self._first_loss is None else self._first_loss
        self._tokens += result.tokens
        self._report(result)
        is_third = result.step.number == min(3, result.of - 1)
        if is_third and faults.is_set(self._attempt.spec, "nan"):
            next(iter(self._loop.trained.values())).data.fill_(torch.nan)

    def wants_checkpoint(self) -> bool:
        """True when a resume state is due or the process was asked to stop."""
        asked = self._attempt.spec.launch.get("save_seconds")
        every = self._loop.settings.save_seconds if asked is None else float(asked)
        is_due = every > 0 and time.monotonic() - self._saved > every
        return is_due or stop_signal.was_received()

    def checkpoint(self, step: Step) -> None:
        """Save what is due; raise JobError (killed) when asked to stop."""
        if self._on_checkpoint is not None:
            self._on_checkpoint(step)
        if step.number < self._loop.last and self.wants_checkpoint():
            self._save()
            if stop_signal.was_received():
                self._saver.wait()
            stop_signal.check()

    def metrics(self) -> dict[str, Any]:
        """Return the metrics of the run."""
        last = self._last
        if last is None:
            return {"steps": self._loop.done}
        return {
            "final_loss": last.loss,
            "first_loss": self._first_loss,
            "final_grad_norm": last.grad_norm,
            "steps": last.step.number,
            "resumed_at": self.resumed_at,
            "tokens": self._tokens,
        }

    def _report(self, result: StepResult) -> None:
        step, now = result.step, time.monotonic()
        rate = (step.number - self.resumed_at) / max(1e-9, now - self._start)
        reporter = self._attempt.reporter
        reporter.metric(
            step.number,
            loss=result.loss,
            grad_norm=result.grad_norm,
            lr=result.lr,
            epoch=step.epoch,
        )
        reporter.progress(step.number, result.of, part="train", rate=round(rate, 3))
        if step.number == result.of or now - self._logged > _LOG_EVERY:
            self._logged = now
            log(
                f"step {step.number}/{result.of} epoch {step.epoch} loss {result.loss:.4f} "
                f"grad {result.grad_norm:.3f} {rate:.2f} steps/s"
            )

    def _save(self) -> None:
        with self._attempt.timings.part("keep"):
            self._saver.save(self._loop.done, self._loop.state())
        self._saved = time.monotonic()
        self._note(f"keeping a resume state of step {self._loop.done}")

    def _note(self, text: str) -> None:
        self._attempt.reporter.note(text)
        log(text)
