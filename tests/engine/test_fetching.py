"""A base that has to be fetched: once, before all else, resumed, and waited for."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engine.test_places import ELSEWHERE, needs_namespaces, scheduler, set_places
from tests.engine.trials import SOURCE, Trial, make_plan
from tests.grid.planned import changed
from tests.hub.stand_in import FIRST, MODEL, SECOND, Hub, serving
from tuilab.cli.status_text import as_text
from tuilab.contract.report import EVENTS_FILE
from tuilab.grid.jobs import Job, Plan, fetch_id
from tuilab.grid.planning import make_plan as make_real_plan
from tuilab.grid.stages import Stage
from tuilab.grid.states import State
from tuilab.store.layout import Layout
from tuilab.store.plan_file import load_plan
from tuilab.store.read_state import read_state
from tuilab.store.status import status

BASE = Path(__file__).parents[2] / "runners" / "tinybase" / "shipped"
FETCH = fetch_id(MODEL)
Make = Callable[..., Trial]


def plan_on_hub(revision: str | None = None) -> Plan:
    """Return a small grid whose jobs wait for their base."""
    plan = make_plan()
    source = MODEL.replace("/", "--")
    fetch = Job(Stage.FETCH, source, None, None, (), "fetch", f"print-fetch-{revision}")
    jobs = tuple(replace(job, parents=(*job.parents, FETCH)) for job in plan.jobs)
    settings = {**plan.settings, "fetch": {"model": MODEL, "revision": revision, "code": False}}
    return replace(plan, jobs=(fetch, *jobs), settings=settings)


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub that serves the tiny base."""
    with serving(BASE) as served:
        yield served


@pytest.fixture
def made(trial: Make, hub: Hub) -> Callable[..., Trial]:
    """Return a maker of trials that really fetch; their other jobs are played."""

    def make(**resources: Any) -> Trial:
        one = trial(plan_on_hub(), hub_wait_seconds=0.2, **resources)
        one.script(fetch={"do": "real"})
        return one

    return make


def home(trial: Trial) -> Path:
    """The hub's home of a trial."""
    return trial.script_path.with_name("hub-home")


def start(trial: Trial, hub: Hub, *flags: str) -> Any:
    """Start an engine whose workers ask the stand-in."""
    return trial.start(*flags, **hub.environment(home(trial)))


def bytes_told(trial: Trial, attempt: int = 1) -> list[dict[str, Any]]:
    """Return the progress of an attempt to fetch, as its events tell it."""
    path = trial.layout.attempt_dir(FETCH, attempt) / EVENTS_FILE
    lines = path.read_text().splitlines() if path.exists() else []
    events = [json.loads(line) for line in lines if line.endswith("}")]
    return [event for event in events if event["kind"] == "progress"]


@pytest.mark.trial
def test_the_base_comes_before_all_else_and_again_at_its_commit_when_the_cache_is_gone(
    made: Make, hub: Hub
) -> None:
    trial = made()
    trial.ask()
    assert start(trial, hub).wait(60) == 0
    assert trial.all_done()
    starts = [line["job"] for line in trial.lines("claimed")]
    assert starts[0] == FETCH and len(starts) == 7
    for job in starts[1:]:
        spec = json.loads((trial.layout.attempt_dir(job, 1) / "spec.json").read_text())
        assert spec["launch"]["base_commit"] == FIRST
        assert FETCH not in [one["job"] for one in spec["inputs"]]
    done = next(line for line in trial.lines("settled") if line["job"] == FETCH)
    size = sum(path.stat().st_size for path in BASE.glob("*") if path.name != "manifest.json")
    assert done["metrics"]["bytes"] == done["metrics"]["fetched_bytes"] == size
    assert bytes_told(trial)[-1]["step"] == size

    shutil.rmtree(home(trial))
    hub.main = SECOND
    trial.ask("relaunch", cells=("villain@0#42",), from_stage="cosine")
    assert start(trial, hub).wait(60) == 0
    assert trial.all_done()
    assert trial.verdicts(FETCH) == ["done", "done"]
    assert commit_of(trial.layout, 2) == FIRST
    plan = load_plan(trial.layout.root)
    assert plan.commits == {FETCH: FIRST}
    shown = read_state(trial.layout.root, plan).statuses
    assert shown[FETCH].state is State.STALE and f"is now at {SECOND}" in shown[FETCH].detail
    assert all(one.state is State.DONE for job, one in shown.items() if job != FETCH)
    told = status(trial.layout.root)
    assert [one["job"] for one in told["bases_stale"]] == [FETCH]
    assert f"stale: {FETCH}: {shown[FETCH].detail}" in list(as_text(told))


def test_a_killed_engine_leaves_the_fetch_alone_and_after_a_killed_worker_it_goes_on(
    made: Make, hub: Hub
) -> None:
    trial = made(retries=2)
    hub.rate = 1.5e6
    trial.ask(jobs=(FETCH,))
    engine = start(trial, hub)
    trial.wait(lambda: bytes_told(trial), "the first bytes")
    engine.kill()
    engine.wait()
    start(trial, hub, "--go")
    trial.wait(lambda: trial.lines("adopted"), "the adoption")
    trial.wait(lambda: [one for one in bytes_told(trial) if one["step"] > 1.5e6], "some of it")
    assert [one for one in hub.ranges if one] == []
    first = json.loads(
        (trial.layout.attempt_dir(FETCH, 1) / EVENTS_FILE).read_text().splitlines()[0]
    )
    os.kill(first["pid"], signal.SIGKILL)
    hub.rate = 0.0
    trial.wait(lambda: trial.verdicts(FETCH)[1:] == ["done"], "the second attempt")
    assert [one for one in hub.ranges if one], hub.ranges
    assert bytes_told(trial, 2)[0]["step"] > 1e6
    assert bytes_told(trial, 2)[-1]["step"] == bytes_told(trial, 2)[-1]["of"]


@pytest.mark.trial
@pytest.mark.parametrize("fail", ["503", pytest.param("429", marks=pytest.mark.trial)])
def test_a_hub_that_is_away_pauses_the_grid_once_and_it_goes_on_by_itself(
    made: Make, hub: Hub, fail: str
) -> None:
    trial = made()
    hub.fail, hub.retry_after = fail, 1
    trial.ask()
    engine = start(trial, hub)
    trial.wait(lambda: trial.lines("paused"), "the pause")
    asked = len(hub.requests)
    trial.wait(lambda: len(hub.requests) > asked + 2, "some more trials")
    hub.fail = ""
    assert engine.wait(60) == 0
    assert trial.all_done()
    assert len(trial.lines("paused")) == 1
    assert trial.lines("paused")[0]["by"] == "the model hub"
    assert fail in trial.lines("paused")[0]["why"]
    assert trial.verdicts(FETCH) == ["failed", "done"]
    assert all(len(trial.verdicts(job)) == 1 for job in trial.ledger().evidence if job != FETCH)


ASK_AGAIN = """
import sys
from pathlib import Path
from tuilab.grid.request import Request
from tuilab.store.layout import Layout
from tuilab.store.requests import leave
leave(Layout(Path(sys.argv[1])), Request("relaunch", by="a shell", options={"failed": True}))
sys.stdin.read()
"""


def test_a_gated_base_fails_once_and_goes_on_when_whoever_asks_again_has_a_token(
    made: Make, hub: Hub
) -> None:
    trial = made(engine_idle_seconds=60)
    hub.token = "hf_secret"
    trial.ask()
    start(trial, hub)
    failed = trial.wait(lambda: trial.lines("settled"), "the refusal")
    assert [(one["job"], one["reason"]) for one in failed] == [(FETCH, "auth")]
    assert "is gated and no token is set" in failed[0]["detail"]
    shell = subprocess.Popen(
        [sys.executable, "-c", ASK_AGAIN, str(trial.layout.root)],
        env={**os.environ, "PYTHONPATH": str(SOURCE), "HF_TOKEN": "hf_secret"},
        stdin=subprocess.PIPE,
    )
    trial.wait(trial.all_done, "the grid")
    shell.communicate()
    assert trial.verdicts(FETCH) == ["failed", "done"]
    assert [one["text"] for one in trial.lines("note")] == [
        "new workers get the HF_TOKEN of a shell"
    ]
    for path in trial.layout.root.rglob("*"):
        assert not path.is_file() or b"hf_secret" not in path.read_bytes(), path


@needs_namespaces
@pytest.mark.trial  # each machine imports the hub's library
def test_where_machines_have_caches_of_their_own_each_fetches_once(trial: Make, hub: Hub) -> None:
    """The engine's machine has none at all, and fetches nothing again for that."""
    plan = plan_on_hub()
    base = {"model": MODEL, "revision": None, "trust_remote_code": False}
    settings = {**plan.settings, "plain": {"base": base}}
    grid = trial(replace(plan, settings=settings), workers=2, executor=ELSEWHERE)
    options = {"folder": str(scheduler(grid)), "own": str(home(grid)), "fence_seconds": 3.0}
    set_places(grid, {ELSEWHERE: options})
    scheduler(grid).mkdir()
    home(grid).mkdir()
    grid.script(fetch={"do": "real"}, any={"base": True})
    grid.ask()
    assert start(grid, hub, "--go").wait(60) == 0
    assert grid.all_done()
    assert grid.verdicts(FETCH) == ["done"]
    caches = [one for one in scheduler(grid).glob("node-*") if any(one.iterdir())]
    assert len(caches) == 2 == sum("GET" in one and "model.safe" in one for one in hub.requests)
    assert not any(home(grid).iterdir())


def commit_of(layout: Layout, attempt: int) -> str:
    """The commit that an attempt fetched."""
    raw = json.loads((layout.attempt_dir(FETCH, attempt) / "snapshot.json").read_text())
    return str(raw["commit"])


def test_a_plan_learns_the_size_of_its_base_when_that_is_fetched(trial: Make, hub: Hub) -> None:
    config = changed('model = "tiny"', f'model = "{MODEL}"')
    one = trial(make_real_plan(config, is_on_hub=True), hub_wait_seconds=0.2)
    assert load_plan(one.layout.root).estimates == {}, "nothing tells before"
    one.script(fetch={"do": "real"})
    one.ask(jobs=(FETCH,))
    assert start(one, hub).wait(60) == 0
    plan = load_plan(one.layout.root)
    assert plan.rates is not None and plan.rates.name.startswith("computed for 1.2M")
    assert 0 < plan.estimates["train"] < 60
