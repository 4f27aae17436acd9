"""The wall clock jumps by days under engine, shim and runner, as after a suspended pod."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.trials import DEADLINE, SOURCE, Trial
from tuilab.contract.parsing import read_if_sound

TRAIN = "train/villain@0#42"
DAY = 86_400.0
CLOCK = """
import os, time
_true, _file = time.time, os.environ["TUILAB_TEST_CLOCK"]
def _shifted():
    with open(_file) as file:
        return _true() + float(file.read())
time.time = _shifted
"""
"""Loaded by every worker of the trial as sitecustomize: time.time() plus what a file says."""


def shifted(by: Path) -> Callable[[], float]:
    true = time.time
    return lambda: true() + float(by.read_text())


def beat(grid: Trial) -> float:
    """Return the time that the engine wrote last, by its own clock."""
    return float((read_if_sound(grid.layout.engine, dict) or {}).get("heartbeat_at", 0.0))


def test_a_clock_that_jumps_by_days_ends_stalls_and_loses_nothing(
    trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid: Trial = trial(stall_minutes=5.0)
    shift = tmp_path / "shift"
    shift.write_text("0")
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    monkeypatch.setenv("TUILAB_TEST_CLOCK", str(shift))
    monkeypatch.setattr("tuilab.engine.loop.BEAT_SECONDS", 0.1)
    monkeypatch.setattr(time, "time", shifted(shift))  # in the engine, which is forked from here
    grid.script(train={"until": str(grid.gate)})
    grid.ask("run")
    engine = grid.start("--go", PYTHONPATH=f"{tmp_path}{os.pathsep}{SOURCE}")
    monkeypatch.undo()
    grid.wait(lambda: grid.verdicts(TRAIN) == ["running"], "the training")
    start = grid.wait(lambda: beat(grid), "a heartbeat")
    for days in (3.0, -4.0):
        shift.with_suffix(".draft").write_text(str(days * DAY))
        shift.with_suffix(".draft").replace(shift)
        grid.wait(lambda days=days: (beat(grid) - start) * days > DAY, "a beat after the jump")
        assert grid.verdicts(TRAIN) == ["running"]
    grid.gate.touch()
    assert engine.wait(DEADLINE) == 0
    assert grid.all_done()
    assert grid.lines("note") == []
    numbers = [line["seq"] for line in grid.lines()]
    assert numbers == sorted(set(numbers))
    for known in grid.ledger().evidence.values():
        [attempt] = known.attempts
        assert 0.0 <= attempt.seconds < DAY / 2
