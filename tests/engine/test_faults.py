"""Faults of machines and runners, met with real processes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_foreign import HEX, KINDS, SECRET
from tests.engine.trials import DEADLINE, Trial, make_plan
from tuilab.contract import identity
from tuilab.contract.parsing import read, read_if_sound
from tuilab.contract.report import read_outcome
from tuilab.contract.spec import read_spec
from tuilab.store.folded import read_folded
from tuilab.store.plan_file import load_plan
from tuilab.store.verify import verify_attempt

DATA = "data/villain"
TRAIN = "train/villain@0#42"


def note(grid: Trial) -> str:
    """Return what the engine says keeps it."""
    return str((read_if_sound(grid.layout.engine, dict) or {}).get("view", {}).get("note", ""))


def test_a_full_disk_takes_no_job_is_named_and_leaves_old_results_whole(small_disk: Path) -> None:
    grid = Trial.make(small_disk)
    try:
        grid.script(train=[{"do": "fill"}, {}])
        grid.ask("run")
        ballast = small_disk / "ballast"
        with ballast.open("wb") as file:
            left = os.statvfs(small_disk)
            file.write(b"x" * (left.f_bavail * left.f_frsize - 600_000))
        engine = grid.start("--go")
        grid.wait(lambda: "takes no more data" in note(grid), "the note")
        assert grid.lines("claimed") == []
        ballast.unlink()
        grid.wait(lambda: grid.verdicts(TRAIN) == ["failed"], "the failure")
        assert grid.ledger().of(TRAIN).attempts[0].reason == "disk-full"
        grid.wait(lambda: grid.ledger().pause == "soft", "the pause")
        grid.wait(lambda: "disk was full" in note(grid), "the note")
        assert intact(grid, "data/villain")
        grid.ask("resume")
        grid.ask("relaunch", options={"failed": True})
        assert engine.wait(DEADLINE) == 0
        assert grid.all_done()
    finally:
        grid.end()


def test_a_disk_that_is_too_full_for_any_record_is_named_once_there_is_room(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuilab.engine.loop.BEAT_SECONDS", 0.2)
    grid = Trial.make(small_disk)
    try:
        grid.script(train=[{"do": "fill", "keep": True}, {}])
        grid.ask("run")
        engine = grid.start("--go")
        big = grid.layout.attempt_dir(TRAIN, 1) / "adapter" / "adapter_model.safetensors"
        grid.wait(lambda: big.exists() and os.statvfs(small_disk).f_bavail == 0, "a full disk")
        [worker] = grid.worker_dirs()
        runner = grid.held_by(worker)
        grid.wait(lambda: identity.is_alive(runner) is False, "the death of the runner")
        grid.wait(lambda: silent_seconds(grid) > 1.0, "a heartbeat that cannot be written")
        assert engine.poll() is None
        big.unlink()
        grid.wait(lambda: grid.verdicts(TRAIN) == ["failed"], "the settlement")
        assert grid.ledger().of(TRAIN).attempts[0].reason == "disk-full"
        grid.wait(lambda: grid.ledger().pause == "soft", "the pause")
    finally:
        grid.end()


def silent_seconds(grid: Trial) -> float:
    """Age of the engine's last heartbeat."""
    return time.time() - grid.layout.engine.stat().st_mtime


def intact(grid: Trial, job: str) -> bool:
    plan = load_plan(grid.layout.root)
    outcome = read_outcome(folder := grid.layout.attempt_dir(job, 1))
    assert outcome is not None
    return verify_attempt(folder, plan.by_id[job], outcome).verdict.value == "done"


def test_nothing_is_launched_below_the_reserve(trial) -> None:
    grid = trial(reserve_gb=1e6)
    grid.ask("run")
    grid.start("--go")
    grid.wait(lambda: "below the reserve" in note(grid), "the note")
    assert grid.lines("claimed") == []


def test_each_fault_of_a_runner_costs_its_own_job_and_is_named(trial, tmp_path: Path) -> None:
    plan = make_plan(("asker", "liar", "crasher", "leaver", "suicide", "nurse"))
    grid = trial(plan, retries=9, assign_ahead=False)
    daemon = tmp_path / "daemon.pid"
    crash = {"do": "exit", "code": 1, "say": "RuntimeError: shapes do not match"}
    grid.script(
        **{
            "train/asker@0#42": {"do": "ask"},
            "train/liar@0#42": {"do": "shape"},
            "train/crasher@0#42": crash,
            "train/suicide@0#42": {"do": "kill"},
            "cosine/leaver@0#42": {"do": "daemonise", "pid_file": str(daemon)},
        }
    )
    grid.ask("run")
    assert grid.run("--go") == 0
    attempts = {who: grid.ledger().of(f"train/{who}@0#42").attempts for who in grid_sources(grid)}
    asker, liar, crasher = (attempts[who][-1] for who in ("asker", "liar", "crasher"))
    assert asker.verdict.value == "failed" and "EOFError" in asker.detail
    assert (crasher.reason, crasher.detail) == ("code", "RuntimeError: shapes do not match")
    assert liar.verdict.value == "suspect", "the engine reads what the runner says that it made"
    assert [one.verdict.value for one in attempts["suicide"]] == ["failed"] * 3
    assert "3 attempts in a row" in grid.ledger().of("train/suicide@0#42").held
    for who in ("asker", "liar", "crasher", "suicide"):
        assert grid.verdicts(f"merge/{who}@0#42") == []
    for who in ("leaver", "nurse"):
        assert grid.verdicts(f"cosine/{who}@0#42") == ["done"]
    assert identity.identify(int(daemon.read_text())) is None
    ends = [read(worker / "exit.json", dict) for worker in grid.worker_dirs()]
    assert sum(len(end["strays"]) for end in ends) == 1


def grid_sources(grid: Trial) -> tuple[str, ...]:
    return load_plan(grid.layout.root).sources


def test_workers_that_cannot_start_pause_the_grid_instead_of_failing_every_job(trial) -> None:
    grid = trial(make_plan(("villain", "nurse", "clown")))
    grid.script(worker={"do": "exit", "code": 1, "say": "ImportError: libcuda.so.1"})
    grid.ask("run")
    grid.start("--go")
    grid.wait(lambda: grid.ledger().pause == "soft", "the pause")
    assert "log.txt ends with: ImportError: libcuda.so.1; fix" in grid.lines("paused")[0]["why"]
    failed = [j for j, known in grid.ledger().evidence.items() if known.attempts]
    assert len(failed) <= 4
    first = grid.ledger().of("data/villain").attempts[0]
    assert (first.verdict.value, "libcuda" in first.detail) == ("failed", True)


def hanging(trial, **resources: Any) -> Trial:
    """Return a grid that is asked for one job, which hangs: a slow machine stalls no other."""
    grid = trial(**resources)
    grid.script(data={"do": "hang"})
    grid.ask("run", jobs=(DATA,))
    return grid


def test_a_hang_is_named_with_its_last_line_and_ended_only_by_the_setting(trial) -> None:
    grid = hanging(trial, stall_minutes=0.005)
    grid.start("--go")
    said = grid.wait(
        lambda: [one["text"] for one in grid.lines("note") if one["text"].startswith(DATA)],
        "the word about the stall",
    )
    assert "begins, pid" in said[0]
    grid.wait(lambda: f"stalled: {DATA}" in note(grid), "the note")
    assert grid.verdicts(DATA) == ["running"]


def test_a_hang_is_ended_as_stalled_when_the_settings_say_so(trial) -> None:
    grid = hanging(trial, stall_minutes=0.01, stop_stalled=True)
    assert grid.run("--go") == 0
    [last] = grid.ledger().of(DATA).attempts
    assert (last.verdict.value, last.reason) == ("failed", "stalled")


def test_an_upstream_result_that_lost_a_file_holds_its_children_with_the_remedy(again) -> None:
    (again.layout.attempt_dir(TRAIN, 1) / "adapter" / "adapter_model.safetensors").unlink()
    again.ask("relaunch", cells=("villain@0#42",), from_stage="merge")
    assert again.run("--go") == 0
    assert f"relaunch {TRAIN}" in again.ledger().of("merge/villain@0#42").held
    assert again.verdicts("merge/villain@0#42") == ["done"], "no second attempt"


def devices(folder: Path, *used_gib: float) -> dict[str, str]:
    """Return the environment that shows the engine made-up devices of 80 GiB."""
    gib = 1024**3
    found = [
        {
            "index": index,
            "uuid": f"GPU-{index}",
            "name": "H",
            "memory_total": 80 * gib,
            "memory_used": int(used * gib),
            "percent": 0.0,
            "holders": ["pid 7 python serve.py"] if used else [],
        }
        for index, used in enumerate(used_gib)
    ]
    path = folder / "devices.json"
    draft = folder / "devices.draft"
    draft.write_text(json.dumps(found))
    draft.replace(path)
    return {"TUILAB_FAKE_DEVICES": str(path)}


def test_a_device_that_someone_holds_is_waited_for_and_the_holder_named(
    trial, tmp_path: Path
) -> None:
    grid = trial()
    grid.ask("run", jobs=(DATA,))
    engine = grid.start("--go", **devices(tmp_path, 61.0))
    said = grid.wait(lambda: n if "gpu-held" in (n := note(grid)) else None, "the note")
    assert "pid 7 python serve.py" in said
    assert grid.lines("claimed") == []
    devices(tmp_path, 0.5)
    assert engine.wait(DEADLINE) == 0
    assert grid.verdicts(DATA) == ["done"]


def test_a_plan_for_cuda_launches_nothing_where_there_is_no_device(trial) -> None:
    from dataclasses import replace

    plan = replace(make_plan(), settings={"plain": {"base": {"device": "cuda"}}})
    grid = trial(plan)
    grid.ask("run")
    grid.start("--go", TUILAB_FAKE_DEVICES="/no/such/file")
    grid.wait(lambda: "no GPU is visible" in note(grid), "the note")
    assert grid.lines("claimed") == []


def test_secrets_reach_the_runner_and_no_file(trial) -> None:
    """Thirty kinds, in the environment, commands, what runners print and how they end."""
    grid = trial(retries=0)
    secret = "hf_abcdefgh12345678"
    said = "\n".join(KINDS.values())
    grid.script(
        any={"say": said},
        train={"do": "environment", "say": said},
        eval={"do": "fail", "detail": KINDS["a URL"], "say": said},
        cosine={"do": "exit", "say": said},
    )
    grid.ask("run", options={"command": ["tuilab", *KINDS.values()]})
    extra: dict[str, Any] = {"HF_TOKEN": secret, "AWS_SECRET_ACCESS_KEY": "nobody-asked"}
    assert grid.run("--go", **extra) == 0
    log = grid.layout.attempt_dir(TRAIN, 1) / "log.txt"
    assert "HF_TOKEN is set" in log.read_text()
    assert "AWS_SECRET_ACCESS_KEY is not set" in log.read_text()
    assert log.stat().st_mode & 0o777 == log.parent.stat().st_mode & 0o666
    files = {path: path.read_bytes() for path in grid.layout.root.rglob("*") if path.is_file()}
    for canary in (secret, SECRET, HEX, "IOSFODNN7"):
        assert [path for path, text in files.items() if canary.encode() in text] == []


def test_a_spec_tells_what_code_launched_it_and_where_the_copy_is(finished) -> None:
    launch = read_spec(finished.layout.attempt_dir(DATA, 1) / "spec.json").launch
    assert {"git_commit", "dirty_diff", "argv", "host", "code"} <= set(launch)
    assert "tracker" not in launch
    copy = finished.layout.code / launch["code"]
    assert (copy / "tuilab" / "contract" / "spec.py").exists()
    assert len(list(finished.layout.code.iterdir())) == 1


def test_an_engine_that_leaves_folds_the_whole_journal(finished) -> None:
    folded = read_folded(finished.layout, load_plan(finished.layout.root))
    assert folded is not None
    assert folded.mark.offset == finished.layout.journal.stat().st_size
    assert folded.ledger == finished.ledger()
