"""A process is who it was, and nobody else who got its pid."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from tuilab.contract.identity import Identity, identify, is_alive, me
from tuilab.contract.parsing import typed


def test_this_process_knows_itself_and_lives() -> None:
    assert me().pid == os.getpid()
    assert me() == me()
    assert is_alive(me()) is True


def test_a_reused_pid_is_somebody_else() -> None:
    assert is_alive(replace(me(), start_ticks=me().start_ticks - 1)) is False


def test_after_a_restart_of_the_machine_nobody_of_before_lives() -> None:
    assert is_alive(replace(me(), boot_id="another boot")) is False


def test_whether_somebody_lives_on_another_host_is_unknown() -> None:
    assert is_alive(replace(me(), host="elsewhere", boot_id="other")) is None


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    who = None
    deadline = time.monotonic() + 60
    while (found := identify(child.pid)) is not None:
        who = found
        assert time.monotonic() < deadline
    assert os.path.exists(f"/proc/{child.pid}")  # noqa: PTH110  # not reaped yet
    assert who is None or is_alive(who) is False
    child.wait()
    assert identify(child.pid) is None


def test_an_identity_survives_json() -> None:
    assert typed(json.loads(json.dumps(me().as_json())), Identity) == me()


@pytest.mark.parametrize("raw", [None, {}, [], "pid 3", {"pid": 3}, {**me().as_json(), "pid": "x"}])
def test_what_is_no_identity_is_refused(raw: object) -> None:
    with pytest.raises(ValueError):
        typed(raw, Identity)
