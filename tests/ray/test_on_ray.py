"""The grid on a real Ray: ``make test-ray`` starts one and says at which address."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import trial  # noqa: F401  # a fixture
from tests.engine.test_places import finish, kill, results
from tests.engine.trials import Trial, make_plan

HEAD = os.environ.get("TUILAB_TEST_RAY", "")
pytestmark = pytest.mark.skipif(not HEAD, reason="no Ray here: make test-ray starts one")
Maker = Callable[..., Trial]
LONG = 120.0
"""Seconds for what Ray takes a while for: it starts a supervisor for each job."""


@pytest.fixture(autouse=True, scope="module")
def a_head_that_answers() -> None:
    deadline = time.monotonic() + LONG
    while True:
        try:
            assert jobs() is not None
            return
        except OSError:
            assert time.monotonic() < deadline, "the head does not come up"
            time.sleep(0.5)


def jobs() -> str:
    """Return what Ray tells of its jobs."""
    with urllib.request.urlopen(f"{HEAD}/api/jobs/", timeout=5.0) as answer:
        return str(answer.read().decode())


def on_ray(make: Maker) -> Trial:
    """Make a small grid for Ray and ask for all of it."""
    options: dict[str, Any] = {"address": HEAD, "look_seconds": 1.0, "fence_seconds": 6.0}
    options |= {"gpus": 0.0, "cpus": 1.0}
    plan = make_plan(("villain", "nurse"))
    grid = make(plan, workers=2, executor="ray", places={"ray": options}, retries=3)
    grid.ask("run")
    return grid


def test_the_grid_is_done_with_the_results_of_this_machine_and_no_secret_goes_along(
    trial: Maker,  # noqa: F811
) -> None:
    here = trial(make_plan(("villain", "nurse")))
    here.ask("run")
    near = here.start("--go")
    grid = on_ray(trial)
    canary = "hf_" + "c4n4ry" * 6
    far = grid.start("--go", HF_TOKEN=canary, WANDB_API_KEY=canary)
    assert near.wait(LONG) == 0
    assert far.wait(LONG) == 0
    finish(grid)
    assert results(grid.layout) == results(here.layout)
    told = jobs()
    assert all(folder.name in told for folder in grid.worker_dirs())
    assert canary not in told


@pytest.mark.parametrize("whom", ["shim", "runner"])
def test_a_killed_process_costs_one_attempt(trial: Maker, whom: str) -> None:  # noqa: F811
    grid = on_ray(trial)
    grid.script(**{"data/nurse": [{"do": "hang"}, {}]})
    engine = grid.start("--go")
    grid.wait(lambda: grid.verdicts("data/nurse") == ["running"], "the start", LONG)
    kill(grid, "data/nurse", whom)
    assert engine.wait(LONG) == 0
    finish(grid)


def test_a_stop_ends_what_hangs_and_the_rest_goes_on(trial: Maker) -> None:  # noqa: F811
    grid = on_ray(trial)
    grid.script(**{"data/nurse": {"do": "hang"}})
    engine = grid.start("--go")
    grid.wait(lambda: grid.verdicts("data/nurse") == ["running"], "the start", LONG)
    grid.ask("stop", jobs=("data/nurse",))
    assert engine.wait(LONG) == 0
    assert grid.verdicts("data/nurse") == ["stopped"]
    assert grid.verdicts("eval/villain@0#42") == ["done"]


def test_doctor_sends_a_worker_there(tmp_path: Path) -> None:
    site = tmp_path / "tuilab" / "config.toml"
    site.parent.mkdir()
    site.write_text(f'[places.ray]\naddress = "{HEAD}"\ngpus = 0.0\n')
    asked = [sys.executable, "-m", "tuilab", "doctor", "--on", "ray", "--wait", "90"]
    known = {"PYTHONPATH": str(Path.cwd()), "XDG_CONFIG_HOME": str(tmp_path)}
    environment = {**os.environ, **known}
    done = subprocess.run(asked, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert "Ray started a worker on" in done.stdout, done.stdout + done.stderr
    assert "is not open to the network" in done.stdout
