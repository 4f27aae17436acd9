"""Reasons why an action is impossible now; no reason means that it is possible."""

from __future__ import annotations

import pytest

from tuilab.grid.stages import Stage
from tuilab.grid.states import JobStatus, State
from tuilab.grid.why_not import (
    why_not_pause,
    why_not_relaunch_failed,
    why_not_resume,
)


def jobs(*states: State) -> list[JobStatus]:
    return [JobStatus(f"eval/villain@{n}#42", Stage.EVAL, s) for n, s in enumerate(states)]


def test_reading_only_forbids_every_action() -> None:
    some = jobs(State.FAILED)
    for found in (
        why_not_relaunch_failed(some, read_only=True),
        why_not_pause("running", "", read_only=True),
        why_not_resume("paused", "soft", read_only=True),
    ):
        assert "read-only" in found


def test_nothing_broken_means_nothing_to_relaunch() -> None:
    assert why_not_relaunch_failed(jobs(State.DONE, State.STOPPED))
    assert not why_not_relaunch_failed(jobs(State.DONE, State.SUSPECT))


@pytest.mark.parametrize(
    ("engine", "pause", "mode", "why"),
    [
        ("stopped", "", "soft", "no engine"),
        ("paused", "soft", "soft", "already paused"),
        ("paused", "soft", "hard", ""),
        ("running", "", "soft", ""),
    ],
)
def test_pause(engine: str, pause: str, mode: str, why: str) -> None:
    found = why_not_pause(engine, pause, mode)
    assert why in found
    assert bool(found) == bool(why)


def test_resume_needs_something_to_resume() -> None:
    assert why_not_resume("running", "") == "nothing is paused"
    assert why_not_resume("paused", "soft") == ""
    assert why_not_resume("waiting", "") == ""
