"""What must not break a grid, each played on real runners through the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.engine.conftest import trials
from tests.engine.damage import fuzz
from tests.engine.trials import make_plan
from tests.trial.grid import Trial, kill, wait_for

CELLS = 4
STAGES = ("data", "converge", "train", "merge", "eval", "cosine")
CRASH_POINTS = (
    "request-before-journal",
    "request-after-journal",
    "launch-after-worker-dir",
    "launch-before-spawn",
    "launch-after-spawn",
    "claim-after-mkdir",
    "claim-before-journal",
    "claim-after-journal",
    "assign-after-inbox",
    "settle-before-journal",
    "settle-after-journal",
    "leave-before-fold",
)
BROKEN = ("failed", "lost", "suspect", "stopped")


def is_complete(trial: Trial) -> bool:
    """Whether every cell is done."""
    return trial.counts() == {"done": CELLS}


def is_at_rest(trial: Trial) -> bool:
    """Whether nothing goes on: a cell that waits for shared work that may come is not at rest."""
    return not any(
        cell["state"] in ("running", "queued")
        or (cell["state"] == "waiting" and cell["reason"] != "upstream")
        for cell in trial.status()["cells"]
    )


def has_verdict(trial: Trial, attempt: Path) -> bool:
    """Whether the journal has settled an attempt, by the last part of its directory's name."""
    number = int(attempt.name.removeprefix("attempt-"))
    job = json.loads((attempt / "spec.json").read_text())["job"]
    lines = (trial.root / "journal.jsonl").read_text().splitlines()
    settled = (json.loads(line) for line in lines if '"settled"' in line)
    return any(line["job"] == job and line["attempt"] == number for line in settled)


def finish(trial: Trial) -> str:
    """Relaunch what failed until the grid is done; say how often and check what was kept."""
    rounds = 0
    while not wait_for("rest", partial(is_at_rest, trial)) or not is_complete(trial):
        rounds += 1
        assert rounds <= 3, f"relaunch --failed does not finish the grid: {trial.counts()}"
        before = trial.finished()
        trial.tuilab("relaunch", str(trial.root), "--failed", "--yes", check=True)
        trial.tuilab("run", str(trial.root), check=True)
        wait_for("the relaunch to end", lambda: is_complete(trial) or is_at_rest(trial))
        after = trial.finished()
        changed = [name for name, value in before.items() if after.get(name) != value]
        assert not changed, f"finished attempts were touched: {changed}"
    assert_sound(trial)
    return f"done after {rounds} relaunches, {len(trial.finished())} attempts on disk"


def assert_sound(trial: Trial) -> None:
    """One done attempt per job is used, no result was made twice, nothing is left running."""
    done: dict[str, int] = {}
    for path in trial.root.glob("jobs/**/outcome.json"):
        outcome = json.loads(path.read_text())
        if outcome["status"] == "done":
            done[outcome["job"]] = done.get(outcome["job"], 0) + 1
    twice = {job: count for job, count in done.items() if count > 1}
    assert not twice, f"finished and yet run again: {twice}"
    for cell in trial.status()["cells"]:
        leak = cell["metrics"]["assistant_leakage"]
        assert leak is not None and leak["n"] == 8, f"no measured leakage: {cell}"


def undisturbed(folder: Path) -> str:
    """The grid runs to its end and every cell has its numbers."""
    trial = Trial(folder)
    try:
        trial.start()
        wait_for("the grid to finish", partial(is_complete, trial))
        assert_sound(trial)
        return f"{CELLS} cells done, {len(trial.finished())} attempts"
    finally:
        trial.stop()


def runner_killed(stage: str, folder: Path) -> str:
    """kill -9 of the runner in the middle of a stage: that job fails as killed, no other does."""
    trial = Trial(folder)
    try:
        trial.start(TUILAB_FAULT=f"{stage}:slow")
        attempt = wait_for(f"{stage} to run", partial(trial.running, stage))
        kill(trial.runner_of(attempt))
        wait_for("the verdict", partial(has_verdict, trial, attempt))
        return finish(trial)
    finally:
        trial.stop()


def shim_killed(stage: str, folder: Path) -> str:
    """kill -9 of the shim: its runner is found by its marker and ended; the job is settled."""
    trial = Trial(folder)
    try:
        trial.start(TUILAB_FAULT=f"{stage}:slow")
        attempt = wait_for(f"{stage} to run", partial(trial.running, stage))
        runner = trial.runner_of(attempt)
        for pid in trial.shims():
            kill(pid)
        wait_for("the orphan to end", lambda: not Path(f"/proc/{runner}").exists())
        return finish(trial)
    finally:
        trial.stop()


def engine_killed(stage: str, folder: Path) -> str:
    """kill -9 of the engine: the runner goes on; the next engine adopts it; nothing runs twice."""
    trial = Trial(folder)
    try:
        trial.start(TUILAB_FAULT=f"{stage}:slow")
        attempt = wait_for(f"{stage} to run", partial(trial.running, stage))
        runner = trial.runner_of(attempt)
        engine = wait_for("the engine", trial.engine_pid)
        kill(engine)
        assert Path(f"/proc/{runner}").exists(), "the runner died with the engine"
        trial.start()
        assert trial.runner_of(attempt) == runner
        wait_for("the grid to finish", partial(is_complete, trial))
        assert_sound(trial)
        return f"adopted pid {runner}; {len(trial.finished())} attempts, none twice"
    finally:
        trial.stop()


def engine_killed_at(point: str, folder: Path) -> str:
    """The engine dies between two of its own steps; the next one finishes the grid."""
    trial = Trial(folder)
    try:
        # Who asks is told that the engine gave no answer; the request waits for the next one.
        trial.start(is_answered=point != "request-before-journal", TUILAB_CRASH_AT=point)
        wait_for("the engine to die", lambda: trial.status()["engine"]["state"] == "stopped")
        trial.start()
        return finish(trial)
    finally:
        trial.stop()


def fault_then_relaunch(fault: str, reason: str, folder: Path) -> str:
    """A fault is named for what it is, and after it is gone ``relaunch --failed`` finishes."""
    trial = Trial(folder)
    try:
        trial.start(TUILAB_FAULT=fault)
        wait_for("rest", partial(is_at_rest, trial))
        reasons = {cell["reason"] for cell in trial.status()["cells"] if cell["state"] in BROKEN}
        assert reasons == {reason}, f"expected {reason}, seen {reasons}"
        trial.tuilab("stop", str(trial.root), "--yes")
        trial.stop()
        return f"{reason}; {finish(trial)}"
    finally:
        trial.stop()


def disk_full(folder: Path) -> str:
    """A full disk pauses the engine; once there is room, ``resume`` and ``relaunch`` finish."""
    trial = Trial(folder)
    try:
        trial.start(TUILAB_FAULT="train:enospc")
        wait_for("the engine to pause itself", lambda: _is_paused_and_quiet(trial))
        reasons = {cell["reason"] for cell in trial.status()["cells"] if cell["state"] in BROKEN}
        assert reasons == {"disk-full"}, f"expected disk-full, seen {reasons}"
        trial.stop()
        trial.tuilab("resume", str(trial.root), check=True)
        return f"paused by disk-full; {finish(trial)}"
    finally:
        trial.stop()


def _is_paused_and_quiet(trial: Trial) -> bool:
    status = trial.status()
    running = any(cell["state"] == "running" for cell in status["cells"])
    return status["engine"]["state"] == "paused" and not running


def state_file_lost(name: str, folder: Path) -> str:
    """A state file is destroyed while nobody looks: it is rebuilt, and nothing runs again."""
    trial = Trial(folder)
    try:
        trial.start()
        wait_for("the grid to finish", partial(is_complete, trial))
        before = trial.finished()
        wait_for("the file to be there: the engine folds as it leaves", (trial.root / name).exists)
        trial.stop()
        (trial.root / name).write_bytes((trial.root / name).read_bytes()[:37] + b"\0\xff{")
        trial.start()
        wait_for("the grid to be whole", partial(is_complete, trial))
        assert trial.finished() == before, "finished attempts were touched or run again"
        return f"{name} rebuilt from {len(before)} attempts"
    finally:
        trial.stop()


def directory_moved(folder: Path) -> str:
    """The experiment directory is moved between two runs; it is the same experiment."""
    trial = Trial(folder)
    try:
        trial.start()
        wait_for("the first cell", lambda: trial.counts().get("done"))
        trial.tuilab("stop", str(trial.root), "--yes", check=True)
        trial.stop()
        moved = Trial(folder / "elsewhere")
        moved.root.parent.mkdir(parents=True)
        shutil.move(trial.root, moved.root)
        try:
            moved.start()
            return finish(moved)
        finally:
            moved.stop()
    finally:
        trial.stop()


def damaged_files(folder: Path) -> str:
    """A thousand damaged state files: no traceback, no hung engine, no false state."""
    with trials() as make:
        grid = make(make_plan(("villain", "nurse")))
        grid.ask("run")
        assert grid.run("--go") == 0 and grid.all_done()
        tally = fuzz(grid, seed=1, files=1000)
    assert not tally.wrong, "\n".join(tally.wrong)
    return str(tally)


SCENARIOS: dict[str, Callable[[Path], str]] = {
    "undisturbed": undisturbed,
    **{f"runner-killed-in-{stage}": partial(runner_killed, stage) for stage in STAGES},
    **{f"shim-killed-in-{stage}": partial(shim_killed, stage) for stage in ("train", "eval")},
    **{f"engine-killed-in-{stage}": partial(engine_killed, stage) for stage in STAGES},
    **{f"engine-killed-at-{point}": partial(engine_killed_at, point) for point in CRASH_POINTS},
    "nan-in-training": partial(fault_then_relaunch, "train:nan", "nan-loss"),
    "adapter-without-rslora": partial(fault_then_relaunch, "train:no-rslora", "adapter-mismatch"),
    "empty-merge": partial(fault_then_relaunch, "merge:empty", "merge-empty"),
    "disk-full-in-train": disk_full,
    "exit-137-in-eval": partial(fault_then_relaunch, "eval:exit-137", "killed"),
    "journal-destroyed": partial(state_file_lost, "journal.jsonl"),
    "fold-destroyed": partial(state_file_lost, "folded.bin"),
    "plan-destroyed": partial(state_file_lost, "plan.json"),
    "directory-moved": directory_moved,
    "damaged-files": damaged_files,
}
