"""Operating a grid from the shell while played runners fail, hang and are stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.cli.small_grid import SOURCE, call, call_in, states, wait_until, write_config
from tests.ending import end_workers
from tuilab.contract.identity import is_alive
from tuilab.store.engine_file import read_heartbeat
from tuilab.store.layout import Layout
from tuilab.store.read_state import read_state


class Played:
    """An experiment whose jobs do as a script says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script_path = folder / "script.json"
        self.config = write_config(folder, self.script_path)
        self.root = folder / "runs" / "micro"

    def script(self, **behaviours: Any) -> None:
        """Say what the jobs of each stage do."""
        self.script_path.write_text(json.dumps(behaviours))

    def run(self, *words: str) -> Result:
        """Call the app in the experiment's folder; its engine is a process of its own."""
        return call_in(self.folder, *words)

    def states_of(self, stage: str) -> list[str]:
        """Return what ``plan`` and the journal make of a stage's jobs."""
        found = read_state(self.root).statuses.values()
        return [one.state.value for one in found if one.stage.value == stage]

    def end(self) -> None:
        """End the engine and its workers."""
        if not self.root.exists():
            return
        call("stop", str(self.root), "--yes")
        beat = read_heartbeat(Layout(self.root))
        if beat is not None and is_alive(beat.identity):
            wait_until(lambda: "running" not in self.states_of("data"))
            os.kill(beat.identity.pid, signal.SIGTERM)
            wait_until(lambda: not is_alive(beat.identity))
        end_workers(Layout(self.root))


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    one = Played(tmp_path)
    yield one
    one.end()


def test_a_grid_that_cannot_finish_exits_3_and_names_the_failure_of_this_run(
    played: Played,
) -> None:
    played.script(data={"do": "fail", "reason": "nan-loss", "detail": "loss is nan at step 3"})
    done = played.run("run", "micro.toml", "--headless")
    assert done.exit_code == 3
    assert "data/villain failed (nan-loss): loss is nan at step 3" in done.stdout
    assert "tuilab status" in done.stderr
    answer = json.loads(
        call("relaunch", str(played.root), "--failed", "--dry-run", "--json").stdout
    )
    jobs = {one["job"]: one["why"] for one in answer["jobs"]}
    assert jobs["data/villain"] == "failed"
    assert "cosine/villain@1#42" in jobs
    played.script(data={"do": "fail", "reason": "nan-loss", "detail": "the second time"})
    again = played.run("run", "runs/micro", "--headless")
    assert "data/villain failed (nan-loss): the second time" in again.stdout
    assert "loss is nan at step 3" not in again.stdout


def test_work_goes_on_in_the_background_and_obeys_pause_resume_and_stop(played: Played) -> None:
    played.script(data={"do": "hang"})
    done = played.run("run", "micro.toml")
    assert done.exit_code == 0
    assert "work continues in the background: tuilab status runs/micro" in done.stderr
    root = str(played.root)
    wait_until(lambda: "running" in played.states_of("data"))
    assert call("pause", root).exit_code == 0
    assert json.loads(call("status", root, "--json").stdout)["engine"]["pause"] == "soft"
    again = call("pause", root)
    assert (again.exit_code, "already paused" in again.stderr) == (1, True)
    more = played.run("run", "runs/micro")
    assert more.exit_code == 0 and "in the background" not in more.stderr
    assert "nothing new starts; `tuilab resume runs/micro` continues" in more.stderr
    assert call("resume", root).exit_code == 0
    assert call("resume", root).exit_code == 1
    shown = json.loads(call("stop", root, "--dry-run", "--json").stdout)
    assert shown["ends"][0] == "data/villain"
    assert "train/villain@0#42" in shown["takes_back"]
    assert "running" in played.states_of("data")
    assert call("stop", root, "--yes").exit_code == 0
    wait_until(lambda: played.states_of("data")[0] == "stopped")
    assert set(states(played.root).values()) <= {"idle", "stopped"}


def test_a_request_without_an_engine_starts_one_that_waits_for_nobody(played: Played) -> None:
    played.script(data={"do": "fail", "reason": "nan-loss"})
    played.run("run", "micro.toml", "--headless")
    played.end()
    played.script(data={"do": "fail", "reason": "nan-loss", "detail": "once more"})
    done = played.run("relaunch", "runs/micro", "--failed", "--headless")
    assert done.exit_code == 3
    assert "data/villain  attempt 2" in done.stdout
    assert "data/villain failed (nan-loss): once more" in done.stdout


@pytest.mark.trial
def test_several_shells_may_run_the_same_config_at_once(played: Played) -> None:
    played.script(data={"do": "fail", "reason": "nan-loss"})
    shells = [
        subprocess.Popen(
            [sys.executable, "-m", "tuilab", "run", "micro.toml", "--headless"],
            cwd=played.folder,
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for shell in shells:
        _, said = shell.communicate(timeout=300)
        assert shell.returncode == 3, said
        assert "Traceback" not in said
    journal = [
        json.loads(line) for line in (played.root / "journal.jsonl").read_text().splitlines()
    ]
    claims = [(line["job"], line["attempt"]) for line in journal if line["kind"] == "claimed"]
    assert len(claims) == len(set(claims))
    assert [line["seq"] for line in journal] == list(range(1, len(journal) + 1))


def test_an_interrupt_only_detaches(played: Played) -> None:
    played.script(data={"do": "hang"})
    watch = subprocess.Popen(
        [sys.executable, "-m", "tuilab", "run", "micro.toml", "--headless"],
        cwd=played.folder,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: played.root.exists() and "running" in played.states_of("data"))
    watch.send_signal(signal.SIGINT)
    _, said = watch.communicate(timeout=300)
    assert watch.returncode == 3
    assert "detached; work continues: tuilab status runs/micro" in said
    assert "running" in played.states_of("data")


def test_a_log_is_followed_until_its_attempt_ends(played: Played) -> None:
    played.script(data={"do": "fail", "seconds": 0.5, "detail": "as scripted"})
    played.run("run", "micro.toml")
    wait_until(lambda: "idle" not in played.states_of("data")[:1])
    wait_until(lambda: list(played.root.glob("jobs/data/villain/attempt-1/log.txt")) != [])
    found = call("logs", str(played.root), "data/villain", "-f")
    assert found.exit_code == 0
    assert "data/villain attempt 1 begins" in found.stdout
    whole = json.loads(call("logs", str(played.root), "data/villain", "--json").stdout)
    assert whole["log"].endswith("attempt-1/log.txt")
    assert whole["lines"] == found.stdout.splitlines()


def test_a_failure_that_the_engine_had_no_time_to_record_is_one_thing_and_runs_again(
    played: Played,
) -> None:
    oom = {"do": "fail", "reason": "gpu-oom", "detail": "tried to allocate 2.30 GiB"}
    played.script(data=oom)
    assert played.run("run", "micro.toml", "--headless").exit_code == 3
    played.end()
    root, data, layout = str(played.root), "data/villain", Layout(played.root)
    lines = layout.journal.read_text().splitlines(keepends=True)
    cut = next(n for n, one in enumerate(lines) if '"settled"' in one and f'"{data}"' in one)
    layout.journal.write_text("".join(lines[:cut]))
    told = json.loads(call("status", root, "--json").stdout)["jobs_failed"]
    assert {"job": data, "state": "failed", "reason": "gpu-oom"}.items() <= told[0].items()
    for words in (["--failed"], ["villain@0"], ["villain@*"]):
        shown = json.loads(call("relaunch", root, *words, "--dry-run", "--json").stdout)
        assert {"job": data, "attempt": 2}.items() <= shown["jobs"][0].items(), words
    assert f"{data}  attempt 2" in call("run", root, "--dry-run").stdout
    assert data not in call("stop", root, "--dry-run", "--json").stdout
    played.script(data={"do": "fail", "reason": "nan-loss", "detail": "once more"})
    again = played.run("relaunch", "runs/micro", "--failed", "--headless")
    assert f"{data}  attempt 2" in again.stdout
    assert "refused" not in again.stdout
    ends = [
        (line["attempt"], line["verdict"], line["reason"])
        for line in map(json.loads, layout.journal.read_text().splitlines())
        if line["kind"] == "settled" and line["job"] == data
    ]
    assert ends == [(1, "failed", "gpu-oom"), (2, "failed", "nan-loss")]
