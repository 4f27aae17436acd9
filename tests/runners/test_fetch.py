"""A base where machines have caches of their own: one fetch a machine, before anything loads it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runners import job
from tests.forked import Forked
from tests.hub.stand_in import FIRST, MODEL, SECOND, Hub, serving
from tuilab.contract.report import EVENTS_FILE, OUTCOME_FILE
from tuilab.contract.spec import SPEC_FILE, Spec, read_spec, write_spec

BASE = Path(__file__).parents[2] / "runners" / "tinybase" / "shipped"


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub whose branch has moved on since the experiment fetched."""
    with serving(BASE, main=SECOND) as served:
        yield served


def begin(hub: Hub, folder: Path, machine: Path, **more: str) -> Forked:
    """Begin a job that loads a base on a machine whose cache is its own."""
    folder.mkdir()
    settings = {"base": {"model": MODEL, "revision": None, "trust_remote_code": False}}
    launch = {"base_commit": FIRST}
    write_spec(folder, Spec("data/nurse", "data", 1, "t", "f", settings, launch=launch))
    environment = {**hub.environment(machine), "HF_HUB_OFFLINE": "1", **more}
    return Forked(load_anew, folder / "said.txt", environment, [str(folder)])


def load_anew() -> int:
    """Run a stage that does nothing, where the hub's library was not imported yet."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "huggingface_hub"]:
        del sys.modules[name]
    sys.modules["runners.data"] = type(sys)("stage")
    vars(sys.modules["runners.data"])["run"] = lambda attempt: job.StageResult(())
    folder = Path(sys.argv[1])
    spec = read_spec(folder / SPEC_FILE)
    outcome = job.run_attempt(folder, spec, job.cache_for("score", job.new_cache))
    return int(outcome.status != "done")


def told(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = (folder / EVENTS_FILE).read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["kind"] == kind]


def downloads(hub: Hub) -> int:
    return sum(asked.startswith("GET") and "model.safetensors" in asked for asked in hub.requests)


def test_each_machine_fetches_the_planned_commit_once_and_several_workers_of_it_wait(
    hub: Hub, tmp_path: Path
) -> None:
    engines_doing = {"TUILAB_HUB_OFFLINE": "1"}
    hub.rate = 1e7
    beside = [begin(hub, tmp_path / name, tmp_path / "one", **engines_doing) for name in "ab"]
    assert [one.wait(60) for one in beside] == [0, 0]
    assert downloads(hub) == 1
    assert begin(hub, tmp_path / "c", tmp_path / "two", **engines_doing).wait(60) == 0
    assert downloads(hub) == 2
    for machine in ("one", "two"):
        snapshots = tmp_path / machine / "hub" / "models--Some--Tiny-Instruct" / "snapshots"
        assert [path.name for path in snapshots.iterdir()] == [FIRST]
    for name in "abc":
        bytes_of = [one for one in told(tmp_path / name, "progress") if one["part"] == "bytes"]
        assert bytes_of and bytes_of[-1]["step"] <= bytes_of[-1]["of"]
        assert told(tmp_path / name, "progress")[-1]["part"] == "load"

    asked = len(hub.requests)
    assert begin(hub, tmp_path / "d", tmp_path / "one").wait(60) == 0
    assert len(hub.requests) == asked and not told(tmp_path / "d", "progress")


def test_a_machine_that_may_not_ask_a_hub_refuses_with_its_name(hub: Hub, tmp_path: Path) -> None:
    assert begin(hub, tmp_path / "a", tmp_path / "one").wait(60) == 1
    outcome = json.loads((tmp_path / "a" / OUTCOME_FILE).read_text())
    assert outcome["reason"] == "config"
    assert outcome["detail"].startswith("on ") and "HF_HUB_OFFLINE forbids" in outcome["detail"]
    assert not hub.requests
