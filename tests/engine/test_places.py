"""What holds wherever workers run: on this machine, and on others that share its volume alone."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.ending import lease_of
from tests.engine.trials import DEADLINE, SOURCE, Trial, make_plan
from tests.forked import Forked
from tests.places.namespace import why_not
from tuilab.contract.report import EVENTS_FILE
from tuilab.engine.__main__ import main as engine_main
from tuilab.store.engine_file import read_heartbeat
from tuilab.store.layout import Layout
from tuilab.store.plan_file import load_plan, save_plan

ELSEWHERE = "tests.places.namespace:machines"
needs_namespaces = pytest.mark.skipif(bool(why_not()), reason=f"no namespaces: {why_not()}")
Maker = Callable[..., Trial]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No network volume is spared here, and the scheduler knows at once of what it took."""
    monkeypatch.setattr("tuilab.engine.loop.LATE_SECONDS", 0.1)
    monkeypatch.setattr("tuilab.engine.host.remote.RUNNER_LOOK_SECONDS", 0.1)
    for where in ("decide.phase", "host.remote"):
        monkeypatch.setattr(f"tuilab.engine.{where}.SETTLED_SECONDS", 2.0)


def at(trial: Maker, place: str) -> Trial:
    """Make a small grid whose workers run at a place; its scheduler's folder is beside it."""
    plan = make_plan(("villain", "nurse"))
    grid = trial(plan, workers=2, executor=place, retries=3)
    set_places(grid, {place: {"folder": str(scheduler(grid)), "fence_seconds": 3.0}})
    scheduler(grid).mkdir()
    grid.ask("run")
    return grid


def set_places(grid: Trial, places: dict[str, dict[str, object]]) -> None:
    plan = load_plan(grid.layout.root)
    save_plan(grid.layout, replace(plan, resources={**plan.resources, "places": places}))


def scheduler(grid: Trial) -> Path:
    return grid.layout.root.parent / "scheduler"


def submitted(grid: Trial) -> list[Path]:
    return sorted((scheduler(grid) / "jobs").iterdir())


def calls(grid: Trial, what: str) -> int:
    return (scheduler(grid) / "calls").read_text().splitlines().count(what)


def assert_never_two_at_once(grid: Trial) -> None:
    """No two attempts of a job have events in the same second; every job is done once."""
    seconds: dict[tuple[Path, int], set[str]] = defaultdict(set)
    for path in grid.layout.jobs.rglob(EVENTS_FILE):
        for line in path.read_text().splitlines():
            moment = int(json.loads(line).get("at") or 0)
            seconds[path.parent.parent, moment].add(path.parent.name)
    twice = {key: names for key, names in seconds.items() if len(names) > 1}
    assert not {key: names for key, names in twice.items() if overlap(key[0], names)}, twice
    done = [line["job"] for line in grid.lines("settled") if line["verdict"] == "done"]
    assert len(done) == len(set(done)), "a job was done twice"


def overlap(job: Path, names: set[str]) -> bool:
    """Whether one attempt began before another of them wrote its last."""
    spans = []
    for name in names:
        lines = (job / name / EVENTS_FILE).read_text().splitlines()
        times = [json.loads(line)["at"] for line in lines]
        spans.append((min(times), max(times)))
    spans.sort()
    return any(later[0] < earlier[1] for earlier, later in pairwise(spans))


def finish(grid: Trial) -> None:
    grid.wait(grid.all_done, "the end of the grid", 60.0)
    assert_never_two_at_once(grid)


def results(layout: Layout) -> dict[str, Any]:
    """Return fingerprint, hash and numbers of every job's result."""
    found = {}
    for path in layout.jobs.rglob("outcome.json"):
        told = json.loads(path.read_text())
        spec = json.loads(path.with_name("spec.json").read_text())
        found[told["job"]] = spec["fingerprint"], told["output_hash"], told["metrics"]
    return found


@needs_namespaces
def test_a_grid_has_the_same_results_everywhere_and_a_lost_answer_makes_no_second_worker(
    trial: Maker, finished: Trial
) -> None:
    """One submission is taken, and its answer lost."""
    grid = at(trial, ELSEWHERE)
    (scheduler(grid) / "forget-answer").touch()
    assert grid.start("--go").wait(60.0) == 0
    finish(grid)
    assert results(grid.layout) == results(finished.layout), "of workers on this machine"
    leases = [lease_of(folder) for folder in grid.worker_dirs()]
    assert {one.shim.host for one in leases if one and one.shim} == {"node-w0", "node-w1"}
    assert calls(grid, "submit") == len(grid.worker_dirs()) == 2, "a second worker for the lost one"


@needs_namespaces
def test_a_worker_that_waits_for_ever_keeps_nothing_and_is_cancelled(trial: Maker) -> None:
    grid = at(trial, ELSEWHERE)
    (scheduler(grid) / "hold").write_text("1")
    assert grid.start("--go").wait(60.0) == 0
    finish(grid)
    assert calls(grid, "submit") == 2
    cancelled = [json.loads(p.read_text()) for p in (scheduler(grid) / "jobs").iterdir()]
    assert sum(bool(job.get("cancelled")) for job in cancelled) == 1
    assert not grid.lines("paused")


@needs_namespaces
def test_workers_elsewhere_obey_a_pause_and_no_word_against_them_is_believed(trial: Maker) -> None:
    grid = at(trial, ELSEWHERE)
    grid.script(any={"until": str(grid.gate)})
    engine = grid.start("--go")
    grid.wait(lambda: len(grid.live()) == 2, "two at work", 60.0)
    (scheduler(grid) / "lies").touch()
    looks = calls(grid, "look")
    grid.wait(lambda: calls(grid, "look") > looks + 5, "the lies to be heard", 60.0)
    (scheduler(grid) / "lies").unlink()
    grid.ask("pause", options={"mode": "hard"})
    grid.wait(lambda: all((f / "suspend").exists() for f in grid.worker_dirs()), "the wish", 60.0)
    grid.gate.touch()
    grid.ask("resume")
    assert engine.wait(DEADLINE + 60.0) == 0
    finish(grid)
    assert all(grid.verdicts(job) == ["done"] for job in ("data/villain", "data/nurse"))


def said(grid: Trial) -> str:
    beat = read_heartbeat(grid.layout)
    return f"{beat.view.note} {beat.view.queued}" if beat is not None else ""


@needs_namespaces
def test_a_scheduler_that_takes_no_worker_pauses_the_grid_with_its_reason(trial: Maker) -> None:
    grid = at(trial, ELSEWHERE)
    (scheduler(grid) / "refuse").touch()
    grid.start("--go")
    why = grid.wait(lambda: grid.lines("paused"), "the pause", 60.0)[0]["why"]
    assert "invalid partition" in why
    assert not grid.lines("claimed")


@needs_namespaces
def test_a_killed_shim_costs_one_attempt_a_stop_ends_the_next_and_the_rest_goes_on(
    trial: Maker,
) -> None:
    grid = at(trial, ELSEWHERE)
    grid.script(**{"data/nurse": {"do": "hang"}})
    engine = grid.start("--go")
    grid.wait(lambda: grid.verdicts("data/nurse") == ["running"], "the start", 60.0)
    kill(grid, "data/nurse", "shim")
    grid.wait(lambda: grid.verdicts("data/nurse")[1:] == ["running"], "the next attempt", 60.0)
    grid.ask("stop", jobs=("data/nurse",))
    grid.wait(lambda: grid.verdicts("data/nurse")[1:] == ["stopped"], "the stop", 60.0)
    assert engine.wait(60.0) == 0
    assert grid.verdicts("data/nurse")[0] in ("lost", "failed")
    assert grid.verdicts("eval/villain@0#42") == ["done"]
    assert_never_two_at_once(grid)


def kill(grid: Trial, job: str, whom: str) -> None:
    """Kill the shim or the runner of a job's worker, found from outside its machine."""
    worker = grid.ledger().of(job).attempts[-1].worker
    folder = grid.layout.worker_dir(worker)
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        is_shim = "tuilab.engine.shim" in words
        is_unshare = words[0] == "unshare"
        if str(folder) in words and not is_unshare and is_shim == (whom == "shim"):
            os.kill(int(entry.name), signal.SIGKILL)


@needs_namespaces
def test_a_worker_that_its_place_takes_away_is_preempted_and_its_job_goes_on(trial: Maker) -> None:
    grid = at(trial, ELSEWHERE)
    job = "train/villain@0#42"
    grid.script(**{job: [{"do": "hang", "save": True}, {}]})
    engine = grid.start("--go")
    grid.wait(lambda: grid.verdicts(job) == ["running"], "the start", 60.0)
    saved = grid.layout.attempt_dir(job, 1)
    grid.wait(lambda: list(saved.glob("resume/*/manifest.json")), "a save")
    terminate(grid, job)
    assert engine.wait(60.0) == 0
    finish(grid)
    first = next(line for line in grid.lines("settled") if line["job"] == job)
    assert (first["verdict"], first["reason"]) == ("lost", "preempted")
    spec = json.loads((grid.layout.attempt_dir(job, 2) / "spec.json").read_text())
    assert spec["launch"]["resume_from"] == "../attempt-1"


def terminate(grid: Trial, job: str) -> None:
    folder = grid.layout.worker_dir(grid.ledger().of(job).attempts[-1].worker)
    for entry in Path("/proc").glob("[0-9]*"):
        words = (entry / "cmdline").read_bytes().decode().split("\0") if entry.exists() else [""]
        if words[0] != "unshare" and "tuilab.engine.shim" in words and str(folder) in words:
            os.kill(int(entry.name), signal.SIGTERM)


@needs_namespaces
def test_a_scheduler_that_is_away_is_named_and_a_new_engine_finds_what_runs_and_what_waits(
    trial: Maker,
) -> None:
    grid = at(trial, ELSEWHERE)
    grid.script(any={"until": str(grid.gate)})
    (scheduler(grid) / "away").touch()
    engine = grid.start("--go")
    grid.wait(lambda: "does not answer" in said(grid), "the sentence", 60.0)
    assert not grid.lines("claimed")

    (scheduler(grid) / "hold").write_text("1")
    (scheduler(grid) / "away").unlink()
    grid.wait(lambda: len(grid.live()) == 2, "one at work, which has its next job too", 60.0)
    grid.wait(lambda: len(submitted(grid)) == 2, "one that waits", 60.0)
    taken = submitted(grid)
    assert len({grid.ledger().of(job).attempts[-1].worker for job in grid.live()}) == 1
    engine.kill()
    engine.wait()
    grid.gate.touch()
    (scheduler(grid) / "hold").unlink()
    assert grid.start("--go").wait(60.0) == 0
    finish(grid)
    assert submitted(grid) == taken
    assert not grid.lines("paused")


@needs_namespaces
@pytest.mark.trial
@pytest.mark.skipif(not shutil.which("bindfs"), reason="no bindfs to see a volume through")
def test_what_a_network_volume_remembers_for_an_hour_delays_nothing(trial: Maker) -> None:
    """The engine sees the folder through a cache: what was not there when it asked stays away."""
    grid = at(trial, ELSEWHERE)
    root = str(grid.layout.root)
    options = {"folder": str(scheduler(grid)), "fence_seconds": 30.0, "cached": root}
    set_places(grid, {ELSEWHERE: options})
    environment = {"PYTHONPATH": str(SOURCE)}
    engine = Forked(behind_a_cache, grid.layout.engine_log, environment, [root, "--go"])
    grid.engines.append(engine)
    assert engine.wait(120.0) == 0
    finish(grid)


def behind_a_cache() -> int:
    root, new_mounts = sys.argv[1], 0x20000
    assert ctypes.CDLL(None, use_errno=True).unshare(new_mounts) == 0
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    hour = ",".join(f"{what}_timeout=3600" for what in ("attr", "entry", "negative"))
    subprocess.run(["bindfs", "-o", hour, root, root], check=True)
    os.chdir("/")
    return engine_main()
