"""The shim as the agent of another machine: it beats, obeys files, and ends itself when cut off."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.engine.test_shim import Held, wait
from tests.engine.trials import SOURCE
from tuilab.contract import identity
from tuilab.contract.worker import SUSPEND_FILE, mark, read_beat, read_exit, read_stop

SLEEPS = "open('up', 'w').close(); import time; time.sleep(600)"
OBEYS = (
    "import pathlib, signal, sys, time\n"
    "def end(*_): pathlib.Path('told').write_text(str(pathlib.Path('stop.json').exists()));"
    " sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, end)\n"
    "pathlib.Path('up').touch()\n"
    "time.sleep(600)\n"
)


def elsewhere(folder: Path, code: str, **command: Any) -> Held:
    held = Held(folder, code, is_elsewhere=True, beat_seconds=0.05, **command)
    held.wait_for("up")
    return held


def is_gone(who: identity.Identity) -> bool:
    return identity.is_alive(who) is False


def test_it_beats_in_place_and_ends_when_a_file_asks(tmp_path: Path) -> None:
    held = elsewhere(tmp_path / "w0", SLEEPS)
    wait(lambda: (beat := read_beat(held.folder)[0]) is not None and beat.count > 2)
    first, stamp = read_beat(held.folder)
    assert first is not None
    assert first.host == os.uname().nodename
    wait(lambda: read_beat(held.folder)[1] != stamp)
    (held.folder / "stop.json").write_text(json.dumps({"by": "ada", "jobs": ["a"], "at": 1.0}))
    held.exit()
    stop = read_stop(held.folder)
    assert stop is not None
    assert (stop.by, stop.is_preempted) == ("ada", False)


def test_it_suspends_and_continues_its_tree_by_file(tmp_path: Path) -> None:
    held = elsewhere(tmp_path / "w0", SLEEPS)
    runner = held.runner()
    mark(held.folder, SUSPEND_FILE, on=True)
    wait(lambda: (identity.read_stat(runner.pid) or ("",))[0] == "T")
    wait(lambda: (beat := read_beat(held.folder)[0]) is not None and beat.is_suspended)
    mark(held.folder, SUSPEND_FILE, on=False)
    wait(lambda: (identity.read_stat(runner.pid) or ("",))[0] == "S")
    held.process.terminate()
    held.exit()


def test_its_runner_dies_with_it(tmp_path: Path) -> None:
    held = elsewhere(tmp_path / "w0", SLEEPS)
    runner = held.runner()
    held.process.kill()
    held.process.wait()
    wait(lambda: is_gone(runner))


def test_a_signal_that_no_file_announced_is_written_down_before_the_runner_hears(
    tmp_path: Path,
) -> None:
    held = elsewhere(tmp_path / "w0", OBEYS)
    held.process.terminate()
    assert held.exit()["exit_code"] == 0
    assert (held.folder / "told").read_text() == "True"
    stop = read_stop(held.folder)
    assert stop is not None
    assert (stop.by, stop.jobs, stop.is_preempted) == ("its place", (), True)


def test_cut_off_from_its_folder_it_ends_its_tree_and_says_so_once_that_is_back(
    tmp_path: Path,
) -> None:
    held = elsewhere(tmp_path / "w0", SLEEPS, fence_seconds=0.5)
    runner = held.runner()
    (tmp_path / "w0").rename(tmp_path / "away")
    wait(lambda: is_gone(runner))
    (tmp_path / "away").rename(tmp_path / "w0")
    held.process.wait(20)
    end = read_exit(held.folder)
    assert end is not None
    assert "could not write" in end.why


def test_a_full_volume_fences_nobody(small_disk: Path) -> None:
    held = elsewhere(small_disk / "w0", SLEEPS, fence_seconds=2.0)
    runner = held.runner()
    with (small_disk / "ballast").open("wb") as file:
        try:
            while True:
                file.write(b"x" * 65536)
                file.flush()
        except OSError:
            pass
    (held.folder / "beat.json").unlink(missing_ok=True)  # made anew it needs what is not there
    deadline = time.monotonic() + 3.0  # beyond the fence: what must not happen has its time
    while time.monotonic() < deadline:
        assert identity.is_alive(runner), "the full volume ended it"
        time.sleep(0.05)
    (small_disk / "ballast").unlink()
    held.process.send_signal(signal.SIGTERM)
    held.exit()


def test_a_machine_without_the_gpu_that_is_needed_is_left_at_once(tmp_path: Path) -> None:
    held = Held(tmp_path / "w0", SLEEPS, is_elsewhere=True, needs_gpu=True)
    end = held.exit()
    assert end["exit_code"] == 4
    assert "no GPU is visible" in end["why"]
    assert not (held.folder / "up").exists()


@pytest.mark.trial
@pytest.mark.skipif(not shutil.which("strace"), reason="no strace to count calls with")
def test_an_idle_worker_asks_its_volume_twice_a_second(tmp_path: Path) -> None:
    folder, trace = tmp_path / "w0", tmp_path / "trace"
    (folder / "inbox").mkdir(parents=True)
    argv = [sys.executable, "-m", "runners.serve", str(folder)]
    command = {"argv": argv, "is_elsewhere": True, "beat_seconds": 2.0, "fence_seconds": 30.0}
    command["environment"] = {"TUILAB_LOOK_SECONDS": "1.0"}
    (folder / "command.json").write_text(json.dumps(command))
    shim = [sys.executable, "-m", "tuilab.engine.shim", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    watched = ["strace", "-f", "-e", "trace=%file", "-o", str(trace), *shim]
    with subprocess.Popen(watched, env=environment) as process:
        wait(lambda: beats(trace) > 8)
        (folder / "inbox" / "close").touch()
        process.wait(60)
    lines = [line for line in trace.read_text().splitlines() if str(folder) in line]
    at = [place for place, line in enumerate(lines) if "beat.json" in line]
    idle = lines[at[4] : at[8]]
    assert len(idle) <= 4 * 4 + 2, "four in two seconds: three listings, and the beat"


def beats(trace: Path) -> int:
    return trace.read_text().count("beat.json") if trace.exists() else 0
