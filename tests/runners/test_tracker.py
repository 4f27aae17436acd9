"""Copies in the tracker: complete after a kill, of our events only, and harmless to a job."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from runners.ml.model_cache import ModelCache
from runners.tracker import sidecar, wandb_run
from tests.runners import wandb_file
from tests.runners.chain import ROOT, Chain
from tests.runners.conftest import run_here
from tuilab.contract.report import EVENTS_FILE
from tuilab.contract.spec import SPEC_FILE, Spec, read_spec, write_spec
from tuilab.contract.tracking import (
    CopyState,
    Order,
    order_for,
    read_order,
    read_state,
    run_id,
    write_state,
)

DEADLINE = 300.0
TRACKED = {"kind": "wandb", "project": "trial", "group": "tiny", "mode": "offline"}
DATA = "data/villain"


@pytest.fixture(autouse=True)
def as_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key and no settings of the person who runs the tests."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def wandb() -> None:
    if find_spec("wandb") is None:
        pytest.skip("wandb is an optional extra: pip install 'tuilab[wandb]'")


@pytest.fixture
def tidy() -> Iterator[None]:
    """End the copying program of this process, whatever happens."""
    yield
    sidecar.leave(seconds=0.0)


def a_spec(launch: Mapping[str, Any], **changes: Any) -> Spec:
    settings = {"questions": ["?"] * 40, "training": {"lr": 1e-3}, "panel": [{"key": "nurse"}]}
    plain = Spec("train/villain@2#42", "train", 1, "0123456789abcdef", "f" * 64, settings)
    return replace(plain, launch=launch, **changes)


def wait_for(what: Callable[[], Any], why: str) -> Any:
    end = time.monotonic() + DEADLINE
    while not (found := what()):
        assert time.monotonic() < end, why
        time.sleep(0.02)
    return found


def losses(events: list[dict[str, Any]]) -> list[tuple[int, float]]:
    return [(line["step"], line["loss"]) for line in events if line["kind"] == "metric"]


def events_of(directory: Path) -> list[dict[str, Any]]:
    lines = (directory / EVENTS_FILE).read_text().splitlines()
    return [json.loads(line) for line in lines]


def copied_losses(folder: Path) -> list[tuple[int, float]]:
    rows = wandb_file.read(folder)["history"]
    return [(row["train/step"], row["train/loss"]) for row in rows if "train/step" in row]


def refill(*orders: Order, **environment: str) -> list[CopyState]:
    """Run the copying program as the command line does."""
    run = subprocess.run(
        [sys.executable, "-m", "runners.tracker.copy_events"],
        input="".join(order.as_json() + "\n" for order in orders),
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    states = [CopyState(**json.loads(line)) for line in run.stdout.splitlines()]
    assert run.returncode == (0 if all(state.is_complete for state in states) else 1), run.stderr
    return states


@pytest.mark.trial
@pytest.mark.usefixtures("wandb")
def test_the_tail_that_a_kill_takes_from_the_tracker_is_there_again_after_a_refill(
    tmp_path: Path,
) -> None:
    attempt, folder = tmp_path / "attempt-1", tmp_path / "tracker"
    attempt.mkdir()
    spec = a_spec({"tracker": {**TRACKED, "folder": "../tracker"}})
    write_spec(attempt, spec)
    run = run_id("tiny", spec)
    runner = subprocess.Popen(
        [sys.executable, "-m", "tests.runners.tracked_attempt", str(attempt)],
        cwd=ROOT,
        start_new_session=True,
    )
    try:
        wait_for(lambda: read_state(folder, run), "the copy has not begun")
        size = (attempt / EVENTS_FILE).stat().st_size
        wait_for(lambda: (attempt / EVENTS_FILE).stat().st_size > size + 9000, "no more events")
        seen = losses(events_of(attempt))
    finally:
        os.killpg(runner.pid, signal.SIGKILL)
        runner.wait()
    ours = losses(events_of(attempt))
    assert ours[: len(seen)] == seen  # our file holds what was said, to the end
    state = read_state(folder, run)
    assert state is not None and not state.is_complete
    partial = Path(state.place)
    assert copied_losses(partial) == ours[: len(copied_losses(partial))]

    order = order_for(spec, attempt, {})
    assert order is not None
    [state] = refill(order)
    assert state.is_complete and state.run == f"trial/{run}"
    whole = Path(state.place)
    assert copied_losses(whole) == ours
    assert not partial.exists() or partial == whole
    recorded = wandb_file.read(whole)
    assert (recorded["group"], recorded["job_type"], recorded["name"]) == (
        "tiny",
        "train",
        "villain@2#42",
    )
    assert (recorded["id"], recorded["exit"], recorded["summary"]["status"]) == (run, 1, "lost")
    assert recorded["history"][-1]["_timestamp"] == pytest.approx(events_of(attempt)[-1]["at"])
    assert sorted(path.name for path in attempt.iterdir()) == [EVENTS_FILE, SPEC_FILE]


@pytest.mark.trial
@pytest.mark.usefixtures("wandb", "tidy")
def test_a_tracked_attempt_has_the_same_result_and_says_where_its_copy_is(
    cell: Chain, tmp_path: Path, cache: ModelCache
) -> None:
    chain = Chain(tmp_path, cell.base)
    launch = {**TRACKED, "folder": os.path.relpath(tmp_path / "tracker", attempt_dir(chain))}
    outcome = run_here(chain, DATA, cache, tracker=launch)
    directory = chain.attempts[DATA]
    run = run_id("tiny", read_spec(directory / SPEC_FILE))
    assert outcome.environment["tracker_run"].startswith(f"trial/{run} (offline")
    state = wait_for(
        lambda: (one := read_state(tmp_path / "tracker", run)) and one.is_complete and one,
        "the copy is not complete",
    )
    sidecar.leave(seconds=DEADLINE)
    recorded = wandb_file.read(Path(state.place))
    assert (recorded["job_type"], recorded["name"], recorded["exit"]) == ("data", "villain", 0)
    assert recorded["history"][-1]["progress/sample"] == 100
    assert recorded["summary"]["output_hash"] == outcome.output_hash
    untracked = run_here(cell, DATA, cache)
    assert untracked.output_hash == outcome.output_hash
    assert "tracker_run" not in untracked.environment


@pytest.mark.usefixtures("tidy")
def test_without_the_library_the_attempt_is_done_and_says_once_what_is_missing(
    cell: Chain, tmp_path: Path, cache: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    chain = Chain(tmp_path, cell.base)
    outcome = run_here(chain, DATA, cache, tracker={**TRACKED, "folder": "../../../../tracker"})
    assert outcome.status == "done"
    assert "tracker_run" not in outcome.environment
    notes = [line["text"] for line in events_of(chain.attempts[DATA]) if line["kind"] == "note"]
    assert len(notes) == 1 and "pip install 'tuilab[wandb]'" in notes[0]
    assert not (tmp_path / "tracker").exists()


@pytest.mark.usefixtures("tidy")
def test_a_broken_order_costs_a_note_and_not_the_attempt(
    cell: Chain, tmp_path: Path, cache: ModelCache
) -> None:
    chain = Chain(tmp_path, cell.base)
    outcome = run_here(chain, DATA, cache, tracker={"kind": "wandb"})
    assert outcome.status == "done"
    notes = [line["text"] for line in events_of(chain.attempts[DATA]) if line["kind"] == "note"]
    assert len(notes) == 1 and "KeyError" in notes[0]


@pytest.mark.usefixtures("wandb")
def test_without_a_key_the_copies_say_so_and_a_whole_copy_elsewhere_stays_known(
    tmp_path: Path,
) -> None:
    orders = []
    for number in (1, 2):
        attempt = tmp_path / f"attempt-{number}"
        attempt.mkdir()
        write_spec(attempt, a_spec({}, attempt=number))
        (attempt / EVENTS_FILE).write_text('{"seq": 1, "at": 1.0, "t": 0.0, "kind": "started"}\n')
        orders.append(Order(attempt, tmp_path / "tracker", "trial", "tiny", "offline"))
    spec = read_spec(orders[0].attempt_dir / SPEC_FILE)
    run = run_id("tiny", spec)
    whole = CopyState(f"trial/{run}", "offline", place="elsewhere", copied=1, is_complete=True)
    write_state(tmp_path / "tracker", run, whole)
    first, second = refill(*(replace(order, mode="online") for order in orders))
    assert "WANDB_API_KEY" in first.problem and first.problem == second.problem
    assert read_state(tmp_path / "tracker", run) == whole


def test_the_runners_can_be_imported_where_there_is_no_tracker() -> None:
    code = (
        "import sys; sys.modules['wandb'] = None\n"
        "import runners.job, runners.tracker.sidecar, runners.tracker.copy_events\n"
        "print(sorted(name for name in sys.modules if name in ('torch', 'wandb')))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "['wandb']"  # the None above


@pytest.mark.parametrize(
    ("config", "variable", "mode"),
    [
        ("online", None, "online"),
        ("offline", None, "offline"),
        ("online", "offline", "offline"),
        ("online", "dryrun", "offline"),
        ("offline", "online", "online"),
        ("online", "disabled", None),
    ],
)
def test_the_environment_decides_the_mode_before_the_config(
    config: str, variable: str | None, mode: str | None
) -> None:
    spec = a_spec({"tracker": {**TRACKED, "mode": config, "folder": "../../tracker"}})
    own = {"WANDB_MODE": variable} if variable else {}
    order = order_for(spec, Path("/x/jobs/attempt-1"), own)
    assert (order.mode if order else None) == mode
    if order is not None:
        assert order.folder == Path("/x/tracker")
        assert read_order(order.as_json()) == order


def test_the_tracker_gets_its_own_key_and_no_other() -> None:
    own = {"WANDB_API_KEY": "a", "HF_TOKEN": "b", "OUR_JUDGE_API_KEY": "c", "AWS_SECRET": "d"}
    found = sidecar.environment({**own, "LANG": "C"})
    assert found.keys() - {"PYTHONPATH"} == {"WANDB_API_KEY", "LANG", "CUDA_VISIBLE_DEVICES"}


def test_no_tracker_means_no_order() -> None:
    assert order_for(a_spec({}), Path("/x"), {}) is None
    assert order_for(a_spec({"tracker": {"kind": "none"}}), Path("/x"), {}) is None


def test_ids_are_short_plain_and_tell_attempts_apart() -> None:
    strange = a_spec({}, job="train/" + "Ünïcode ../%2F:#?" * 30, token="a/b" * 20)
    found = run_id("an experiment / with: 'everything' " * 9, strange)
    assert len(found) <= 128
    assert all(char.isascii() and (char.isalnum() or char in "_-") for char in found)
    assert run_id("x", a_spec({})) == run_id("x", a_spec({}))
    assert run_id("x", a_spec({})) != run_id("x", a_spec({}, attempt=2))
    assert run_id("x", a_spec({})) != run_id("x", a_spec({}, token="another"))


def test_a_missing_number_stays_missing_and_words_stay_here() -> None:
    metric = {"seq": 7, "at": 1.0, "t": 2.0, "kind": "metric", "step": 3, "loss": None, "lr": 0.5}
    assert wandb_run.values_of(metric) == {"train/step": 3, "train/lr": 0.5}
    assert wandb_run.values_of({**metric, "lr": None}) == {}
    assert wandb_run.values_of({**metric, "kind": "note", "text": "a b"}) == {}
    progress = {"kind": "progress", "step": 1, "of": 4, "part": "sample", "rate": None}
    assert wandb_run.values_of(progress) == {"progress/sample": 25.0}
    assert wandb_run.values_of({**progress, "of": 0}) == {}


def test_secrets_and_long_lists_do_not_leave_with_the_settings() -> None:
    spec = a_spec({"git_commit": "abc", "argv": ["secret"]}, source="vil\x1b[31mlain")
    settings = {**spec.settings, "note": "HF_TOKEN=hf_abcdefghijkl"}
    config = wandb_run.config_of(replace(spec, settings=settings))
    assert config["settings"]["questions"] == "40 items"
    assert config["settings"]["panel"] == "1 items"
    assert "hf_abcdefghijkl" not in json.dumps(config)
    assert "argv" not in config and config["git_commit"] == "abc"
    assert config["source"] == "villain"


def attempt_dir(chain: Chain) -> Path:
    """Where the chain is going to put the first attempt."""
    return chain.root / "jobs" / DATA / "attempt-1"
