"""Estimates what is left from the stage times that were measured; no clock is read here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from statistics import median
from typing import Any

from tuilab.grid.stages import Stage
from tuilab.grid.states import JobStatus, State


class StageClock:
    """Seconds of done attempts by stage, and how many jobs of each stage are still to come."""

    def __init__(self) -> None:
        self._seconds: dict[Stage, dict[str, float]] = {stage: {} for stage in Stage}
        self._ahead: Counter[Stage] = Counter()
        self._running: dict[str, JobStatus] = {}
        self._medians: dict[Stage, float] = {}

    def note(self, before: JobStatus | None, now: JobStatus) -> None:
        """Take in the new status of a job."""
        job = now.job
        if before is not None and _is_ahead(before):
            self._ahead[before.stage] -= 1
        if _is_ahead(now):
            self._ahead[now.stage] += 1
        if now.state is State.RUNNING:
            self._running[job] = now
        else:
            self._running.pop(job, None)
        seconds = now.result.attempt.seconds if now.result is not None else 0.0
        if seconds > 0:
            times = self._seconds[now.stage]
            if times.get(job) != seconds:
                times[job] = seconds
                self._medians.pop(now.stage, None)

    @property
    def has_work(self) -> bool:
        """Whether anything is still to come."""
        return bool(self._running) or any(self._ahead.values())

    def note_ahead(self, status: JobStatus, count: int) -> None:
        """Take in so many jobs that have the same state."""
        if _is_ahead(status):
            self._ahead[status.stage] += count

    def note_done(self, stage: Stage, seconds: Mapping[str, float]) -> None:
        """Take in jobs of a stage that are done, with what each took: nothing of them is ahead."""
        self._seconds[stage].update(seconds)
        self._medians.pop(stage, None)

    def typical(self, stage: Stage) -> float | None:
        """Median seconds of a stage's done attempts; None before the first."""
        times = self._seconds[stage]
        if times and stage not in self._medians:
            self._medians[stage] = median(times.values())
        return self._medians.get(stage)

    def left(self, workers: int, guesses: Mapping[str, Any]) -> float | None:
        """Seconds until queued and running work is done, shared evenly among the workers.

        ``guesses`` are seconds by stage from the plan, used until one has been measured. None when
        a stage that is still to come has neither, or when nothing is to come.
        """
        fetching = next(
            (s for s in self._running.values() if s.stage is Stage.FETCH and s.transfer), None
        )
        total = 0.0
        needed = {stage: float(count) for stage, count in self._ahead.items() if count}
        for status in self._running.values():
            if status is fetching:
                continue
            share = 1.0 - (status.percent or 0.0) / 100.0
            if status.transfer is not None:  # of its machine's own copy of the base
                total, share = total + (status.transfer.seconds_left or 0.0), 1.0
            needed[status.stage] = needed.get(status.stage, 0.0) + share
        for stage, count in needed.items():
            seconds = self.typical(stage)
            if seconds is None:
                guess = guesses.get(stage.value)
                if not isinstance(guess, int | float):
                    return None
                seconds = float(guess)
            total += count * seconds
        if fetching is not None:  # all the rest waits for it, however many workers there are
            seconds = fetching.transfer.seconds_left if fetching.transfer else None
            return None if seconds is None else round(total / max(1, workers) + seconds, 1)
        return round(total / max(1, workers), 1) if needed else None


def _is_ahead(status: JobStatus) -> bool:
    """Queued, or waiting for something that is itself on its way."""
    if status.state is State.WAITING:
        return status.reason != "upstream"
    return status.state is State.QUEUED
