"""What keeps the engine from writing is said where people look, and what stops it is not hidden."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.trials import DEADLINE, SOURCE, Trial
from tuilab.cli.follow import Watch
from tuilab.cli.status_text import as_text
from tuilab.contract.identity import me
from tuilab.engine import loop
from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.store.engine_file import (
    ANSWERS_WITHIN,
    judge,
    read_engine,
    read_heartbeat,
    read_trouble,
    tell_trouble,
    write_heartbeat,
)
from tuilab.store.layout import Layout
from tuilab.store.reader import Reader
from tuilab.store.status import status


@pytest.fixture
def few_files(tmp_path: Path) -> Iterator[Path]:
    """A volume of 400 files."""
    place = tmp_path / "few"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "nr_inodes=400", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("mounting a small tmpfs needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(folder: Path) -> list[Path]:
    """Make files until the volume takes no more."""
    made: list[Path] = []
    while os.statvfs(folder).f_favail:
        made.append(folder / f"file-{len(made)}")
        made[-1].touch()
    return made


def test_no_inodes_are_named_while_the_engine_runs_and_it_goes_on_once_there_are(
    few_files: Path,
) -> None:
    grid = Trial.make(few_files)
    try:
        grid.script(train={"until": str(few_files / "gate")})
        grid.ask("run")
        engine = grid.start("--go")
        grid.wait(lambda: grid.verdicts("train/villain@0#42") == ["running"], "the training")
        (few_files / "spare").touch()
        made = fill(few_files)
        grid.wait(lambda: "no inodes are left" in _note(grid), "the note")
        assert status(grid.layout.root)["engine"]["state"] == "running"
        assert any("no inodes are left" in line for line in as_text(status(grid.layout.root)))
        for path in made:
            path.unlink()
        (few_files / "gate").touch()
        assert engine.wait(DEADLINE) == 0
        assert grid.all_done() and _note(grid) == ""
        assert "Traceback" not in grid.log()
    finally:
        grid.end()


def test_an_engine_that_cannot_start_for_want_of_inodes_says_so_at_once(few_files: Path) -> None:
    grid = Trial.make(few_files)
    grid.layout.engine_log.touch()
    fill(few_files)
    done = subprocess.run(
        [sys.executable, "-m", "tuilab", "engine-start", str(grid.layout.root)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "no inodes are left" in done.stderr and "Traceback" not in done.stderr
    assert "no inodes are left" in _note(grid)


def _note(grid: Trial) -> str:
    return str(status(grid.layout.root)["engine"]["note"])


def test_an_engine_that_is_stopped_is_not_answering(trial: Callable[..., Trial]) -> None:
    grid = trial()
    grid.script(any={"until": str(grid.gate)})
    grid.ask("run")
    engine = grid.start("--go")
    beat = grid.wait(lambda: read_heartbeat(grid.layout), "a heartbeat")
    os.kill(engine.pid, signal.SIGSTOP)
    try:
        later = read_engine(grid.layout, time.time() + ANSWERS_WITHIN + 3)
        assert later.state is EngineState.UNKNOWN and not later.is_alive
        assert later.note.startswith("not answering since ")
        told = list(as_text(status(grid.layout.root, beat.heartbeat_at + 60)))
        assert any(line.startswith("engine: not answering since ") for line in told)
    finally:
        os.kill(engine.pid, signal.SIGCONT)


def test_trouble_is_written_in_place_and_is_a_sign_of_life(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    write_heartbeat(layout, me(), "t", EngineView(state=EngineState.RUNNING), 100.0)
    tell_trouble(layout, "", 100.0)
    before = layout.engine_trouble.stat()
    tell_trouble(layout, "the volume is read-only", 130.0)
    after = layout.engine_trouble.stat()
    assert (before.st_ino, before.st_size) == (after.st_ino, after.st_size)
    seen = read_engine(layout, 132.0)
    assert (seen.state, seen.note) == (EngineState.RUNNING, "the volume is read-only")
    silent = judge(read_heartbeat(layout), 132.0)
    assert (silent.state, silent.note) == (EngineState.UNKNOWN, "not answering since 32 s")


def test_the_trouble_of_an_engine_that_died_of_it_is_over_with_the_volumes(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    dead = replace(me(), start_ticks=1)
    write_heartbeat(layout, dead, "t", EngineView(state=EngineState.RUNNING), 100.0)
    tell_trouble(layout, "no space is left", 130.0)
    seen = read_engine(layout, 132.0)
    assert (seen.state, seen.note) == (EngineState.STOPPED, "")
    assert read_trouble(layout, None).note == "no space is left", "it had no time for a heartbeat"


def test_a_stale_mount_is_waited_out_by_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = loop.Engine.__new__(loop.Engine)
    engine.layout, engine._seen_at = Layout(tmp_path), time.monotonic()
    _make_stale(tmp_path, monkeypatch)
    assert not engine._is_homeless()
    engine._seen_at -= 2 * loop.GONE_SECONDS
    assert engine._is_homeless()


def test_an_engine_that_cannot_tell_its_trouble_says_so_once_in_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = loop.Engine.__new__(loop.Engine)
    engine.layout, engine._trouble, engine._unsaid = Layout(tmp_path), "", ""

    def away(*_: object) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(loop, "put_folders_away", away)
    for _ in range(3):
        engine._meet(OSError(errno.ESTALE, "Stale file handle"))
    said = capsys.readouterr().err
    assert said.count("cannot continue now") == said.count("nor can it say so") == 1


def test_who_prints_progress_says_once_that_a_mount_is_stale_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    watch = Watch(tmp_path, (), say=said.append)
    looks = iter([OSError(errno.ESTALE, "Stale file handle")] * 3 + [KeyboardInterrupt()])

    def poll(self: Reader, now: float) -> None:
        raise next(looks)

    monkeypatch.setattr(Reader, "__init__", lambda self, root: None)
    monkeypatch.setattr(Reader, "poll", poll)
    monkeypatch.setattr("tuilab.cli.follow.POLL_SECONDS", 0.0)
    watch.until_the_end()
    assert [line.partition(" ")[2] for line in said] == [
        "the mount is stale: mount the volume again"
    ]


def _make_stale(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = os.stat

    def stale(path: object, *given: object, **named: object) -> os.stat_result:
        if str(path).startswith(str(folder)):
            raise OSError(errno.ESTALE, "Stale file handle")
        return stat(path, *given, **named)

    monkeypatch.setattr(os, "stat", stale)
