"""Assignments are served in order; what cannot be read is nobody."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from tuilab.contract import atomic
from tuilab.contract.identity import me
from tuilab.contract.worker import Assignment, assign, assignments, read_lease, wait_for_sign


def test_assignments_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        assign(tmp_path, number, tmp_path / f"attempt-{number}")
    assert [found.number for found in assignments(tmp_path)] == [1, 2, 10]
    assert assignments(tmp_path, after=2) == [Assignment(tmp_path / "attempt-10", 10)]


def test_an_empty_or_missing_inbox_holds_nothing(tmp_path: Path) -> None:
    assert assignments(tmp_path) == []


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"attempt_dir": 3}'])
def test_a_broken_assignment_is_skipped(tmp_path: Path, content: str) -> None:
    assign(tmp_path, 1, tmp_path / "a")
    (tmp_path / "inbox" / "000002.json").write_text(content)
    assign(tmp_path, 3, tmp_path / "c")
    assert [found.number for found in assignments(tmp_path)] == [1, 3]


def test_close_marks_and_drafts_are_not_assignments(tmp_path: Path) -> None:
    assign(tmp_path, 1, tmp_path / "a")
    for name in ("close", "closed", "notes.json", ".000002.json.x.draft", "12x.json"):
        (tmp_path / "inbox" / name).write_text("{}")
    assert [found.number for found in assignments(tmp_path)] == [1]


def test_the_lease_names_the_shim_and_a_damaged_one_nobody(tmp_path: Path) -> None:
    assert read_lease(tmp_path, "") is None
    atomic.write_json(tmp_path / "lease.json", {"shim": me().as_json()})
    found = read_lease(tmp_path, "")
    assert found is not None and found.shim == me()
    for damaged in ('{"shim": 3}', "", "{}", "[]", "\0" * 40):
        (tmp_path / "lease.json").write_text(damaged)
        with pytest.raises(ValueError):
            read_lease(tmp_path, "")


def test_a_runner_that_was_silent_for_long_goes_on_when_its_shim_gives_signs(
    tmp_path: Path,
) -> None:
    """It waits for a shim that was frozen with it, which may be about to end it; not for ever."""
    env = {"TUILAB_FENCE_SECONDS": "0.1", "TUILAB_WORKER": str(tmp_path)}
    beat = tmp_path / "beat.json"
    beat.write_text(json.dumps({"count": 1, "at": 1.0}))
    os.utime(beat, (1.0, 1.0))
    for silent, variables, least in ((0.1, env, 0.0), (9.0, {}, 0.0), (9.0, env, 0.2)):
        began = time.monotonic()
        wait_for_sign(silent, variables)
        assert time.monotonic() - began >= least
    threading.Timer(0.1, lambda: os.utime(beat)).start()
    wait_for_sign(2000.0, {**env, "TUILAB_FENCE_SECONDS": "1000"})
    assert beat.stat().st_mtime > 1.0
