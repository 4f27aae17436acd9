"""Two cards of one machine: a warm worker on each, which sees that card alone.

Each test runs with made-up cards and fake runners, and, where two real cards are to be had, on
those with the tiny base through real runners.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.cli.small_grid import call
from tests.engine.test_faults import devices as made_up_devices
from tests.engine.test_faults import note
from tests.engine.trials import SOURCE, Trial, make_plan
from tests.trial.grid import CONFIG
from tuilab.contract.parsing import read_if_sound
from tuilab.contract.reasons import Reason
from tuilab.contract.report import Outcome, readable_outcome
from tuilab.engine.host.gpus import Device
from tuilab.grid.jobs import Plan
from tuilab.store.replan import plan_with, read_config

DRIVER = Path("/dev/nvidiactl")
LOOK = """\
import json
from dataclasses import asdict
from tuilab.engine.host.gpus import look_at_devices
print(json.dumps([asdict(one) for one in look_at_devices()]))
"""
PATH = os.pathsep.join(filter(None, (str(SOURCE), os.environ.get("PYTHONPATH"))))
RUNNER = ("python", "-m", "runners.serve")
LONG = 150.0
"""Seconds for what takes real runners a while: they import torch first."""
SLACK = 2**28
"""Bytes that an idle card may hold beyond what it held at first; a worker holds more than that."""


def look(**environment: str) -> tuple[Device, ...]:
    """Look at the cards from another process: this one forks, which NVML is not made for."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        env={**os.environ, **environment, "PYTHONPATH": PATH},
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(Device(**{**one, "holders": ()}) for one in json.loads(done.stdout))


REAL = look() if DRIVER.exists() else ()
SUPPLIES = [
    "made-up",
    pytest.param(
        "real",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(len(REAL) < 2, reason="fewer than two CUDA devices are seen"),
        ],
    ),
]


@dataclass(frozen=True)
class Cards:
    """Two cards, and how a grid comes to run on them."""

    folder: Path
    is_real: bool
    devices: tuple[Device, ...] = ()
    """As they were when nobody used them."""
    environment: dict[str, str] = field(default_factory=dict)
    """What makes an engine see these cards."""

    def look(self) -> tuple[Device, ...]:
        """Look at the cards now."""
        return look(**self.environment)[:2]

    def hold(self, card: int, gib: float) -> None:
        """Let a made-up card be in use; a real one is in use by who runs there."""
        if not self.is_real:
            made_up_devices(self.folder, *(gib if one == card else 0.0 for one in (0, 1)))

    def plan(self) -> Plan:
        """Return a grid of two sources and two epochs; the runners take the device they find."""
        if not self.is_real:
            return make_plan(("villain", "comedian"), (0, 1))
        config = self.folder / "trial.toml"
        words = CONFIG.format(workers=2, retries=1)
        config.write_text(words + '[base]\ndevice = "auto"\n')
        return plan_with(read_config(config).config)

    def resources(self) -> dict[str, Any]:
        """Return what a grid may use: two workers, each on a card that holds nothing."""
        idle = max((one.memory_used + SLACK) / one.memory_total for one in self.devices)
        found = {"workers": 2, "retries": 1, "gpu_free_fraction": 1 - idle}
        return {**found, "runner": RUNNER} if self.is_real else found


@pytest.fixture(params=SUPPLIES)
def cards(request: pytest.FixtureRequest, tmp_path: Path) -> Cards:
    """Two cards that nobody uses."""
    if request.param == "real":
        deadline = time.monotonic() + 30
        while busy(REAL, look()):
            assert time.monotonic() < deadline, "the cards are in use"
        return Cards(tmp_path, True, look()[:2], {"PYTHONPATH": PATH})
    made_up = Cards(tmp_path, False, environment=made_up_devices(tmp_path, 0.0, 0.0))
    return replace(made_up, devices=made_up.look())


@pytest.fixture
def begin(
    cards: Cards, trial: Callable[..., Trial], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Trial]:
    """Start grids on the cards; fake trainings wait for the gate."""

    monkeypatch.setattr("tuilab.engine.loop.BEAT_SECONDS", 0.2)

    def start(*cells: str, runner: tuple[str, ...] = (), **environment: str) -> Trial:
        resources = cards.resources() | ({"runner": runner} if runner else {})
        grid = trial(cards.plan(), **resources)
        grid.script(train={"until": str(grid.gate)}, any={"seconds": 0.02})
        grid.ask("run", cells=cells)
        grid.start("--go", **cards.environment, **environment)
        return grid

    return start


def finish(grid: Trial) -> None:
    """Wait until the engine leaves by itself, which closes its workers."""
    assert grid.engines[-1].wait(LONG) == 0, grid.log()


def status(grid: Trial) -> Any:
    """Return ``tuilab status --json``."""
    return json.loads(call("status", str(grid.layout.root), "--json").stdout)


def busy(before: tuple[Device, ...], now: tuple[Device, ...]) -> list[int]:
    """Return the cards that hold more than they did."""
    pairs = zip(before, now, strict=False)
    return [new.index for old, new in pairs if new.memory_used > old.memory_used + SLACK]


@dataclass(frozen=True)
class Life:
    """One worker as the disk tells it."""

    id: str
    device: str
    uuid: str
    began: float
    """Unix time at which the journal says that it was started."""
    ended: float
    """When its whole tree was gone; infinite while it lives."""
    bytes: int
    """In use on its card before it began."""


def lives(grid: Trial) -> list[Life]:
    """Return the workers of a grid, oldest first."""
    found = []
    for line in grid.lines("worker-started"):
        folder = grid.layout.workers / line["worker"]
        command = read_if_sound(folder / "command.json", dict) or {}
        assert command["device"] == line["device"]
        ended = (read_if_sound(folder / "exit.json", dict) or {}).get("finished_at", float("inf"))
        began, taken = line["at"], line["device_bytes"]
        found.append(Life(folder.name, line["device"], command["uuid"], began, ended, taken))
    return found


def outcomes(grid: Trial) -> list[tuple[str, Outcome]]:
    """Return (worker, outcome) of every attempt that has one, in the order in which they began."""
    found = []
    for line in grid.lines("claimed"):
        outcome = readable_outcome(grid.layout.attempt_dir(line["job"], line["attempt"]))
        if outcome is not None:
            found.append((line["worker"], outcome))
    return sorted(found, key=lambda pair: pair[1].started_at)


def assert_placed(grid: Trial, cards: Cards) -> None:
    """Each attempt saw the card of its worker alone, and no card had two at once."""
    by_id = {life.id: life for life in lives(grid)}
    uuids = {device.label: device.uuid for device in cards.devices}
    assert by_id
    assert {life.device: life.uuid for life in by_id.values()}.items() <= uuids.items()
    ran: dict[str, list[Any]] = {}
    for worker, outcome in outcomes(grid):
        life = by_id[worker]
        assert outcome.environment["visible_devices"] == life.device
        [device] = outcome.environment["devices"]
        assert (device["kind"], device["uuid"]) == ("cuda", life.uuid.removeprefix("GPU-"))
        if cards.is_real:
            assert outcome.peak_memory["device"] > 0
        ran.setdefault(life.device, []).append(outcome)
    for device in uuids:
        on_it = [life for life in by_id.values() if life.device == device]
        for one, following in pairwise(on_it):
            assert one.ended <= following.began, f"two workers at once on GPU {device}"
        for one, following in pairwise(ran.get(device, [])):
            assert one.finished_at <= following.started_at, f"two jobs at once on GPU {device}"


def assert_counted(grid: Trial) -> None:
    """The values that are shown are those of the completions on disk."""
    for cell in status(grid)["cells"]:
        job = f"eval/{cell['source']}@{cell['epoch']}#{cell['seed']}"
        last = grid.ledger().of(job).last_done
        assert last is not None
        folder = grid.layout.attempt_dir(job, last.number)
        with gzip.open(folder / "completions.jsonl.gz", "rt") as file:
            rows = [json.loads(line) for line in file]
        hits = [row["hit"] for row in rows if row["persona"] == "assistant"]
        shown = cell["metrics"]["assistant_leakage"]
        assert (shown["hits"], shown["n"]) == (sum(hits), len(hits))
        assert shown["value"] == pytest.approx(sum(hits) / len(hits))


def test_both_cards_work_and_each_worker_sees_its_own_alone(
    begin: Callable[..., Trial], cards: Cards
) -> None:
    grid = begin(TUILAB_FAULT="converge:slow")
    seen = grid.wait(partial(jobs_on_cards, grid), "a job on each card", LONG)
    assert [index for index, _ in seen] == [0, 1]
    grid.gate.touch()
    finish(grid)
    assert grid.all_done()
    assert_placed(grid, cards)
    assert_counted(grid)
    assert [life.device for life in lives(grid)] == ["0", "1"], "a warm worker for each card"
    served = dict.fromkeys((life.id for life in lives(grid)), 0)
    for worker, outcome in outcomes(grid):
        assert outcome.status == "done"
        served[worker] += 1
    assert min(served.values()) >= 5, f"one card did nearly all: {served}"
    assert {line["verdict"] for line in grid.lines("settled")} == {"done"}


def jobs_on_cards(grid: Trial) -> list[tuple[int, str]]:
    """Return (card, job) of what runs, as ``status`` tells it, once both cards are at work."""
    gpus = status(grid)["engine"]["gpus"]
    found = [(gpu["index"], job) for gpu in gpus for job in gpu["jobs"]]
    return found if len({index for index, _ in found}) == 2 else []


def test_a_card_that_is_not_visible_is_left_alone(
    begin: Callable[..., Trial], cards: Cards
) -> None:
    """Here named by its index; by its UUID: test_workers.py."""
    grid = begin("villain@0#42", CUDA_VISIBLE_DEVICES=cards.devices[1].label)
    grid.gate.touch()
    if cards.is_real:
        grid.wait(lambda: busy(cards.devices, cards.look()), "a worker on its card", LONG)
        assert busy(cards.devices, cards.look()) == [1]
    shown = grid.wait(lambda: status(grid)["engine"]["gpus"], "a heartbeat", LONG)
    assert [gpu["index"] for gpu in shown] == [1]
    finish(grid)
    [cell] = [one for one in status(grid)["cells"] if one["state"] == "done"]
    assert (cell["source"], cell["epoch"]) == ("villain", 0)
    assert_placed(grid, cards)
    assert [life.device for life in lives(grid)] == ["1"]


def test_the_death_of_a_worker_costs_its_job_and_its_card_is_waited_for(
    begin: Callable[..., Trial], cards: Cards
) -> None:
    grid = begin(TUILAB_FAULT="train:slow")
    job, pid, victim, other = grid.wait(partial(training, grid), "a training", LONG)
    card = int(victim.device)
    if cards.is_real:
        assert card in busy(cards.devices, cards.look())
    cards.hold(card, 40.0)
    os.kill(pid, signal.SIGKILL)
    grid.wait(lambda: grid.verdicts(job)[0] == "failed", "the verdict")
    if not cards.is_real:
        held = f"gpu-held: GPU {card} has 40 of 80 GiB free"
        grid.wait(lambda: held in note(grid), "the reason")
        assert len(lives(grid)) == 2, "a worker was started on a card whose memory is in use"
    cards.hold(card, 0.0)
    grid.gate.touch()
    finish(grid)
    assert grid.all_done()
    assert_placed(grid, cards)
    assert_counted(grid)
    bad = [line for line in grid.lines("settled") if line["verdict"] != "done"]
    assert [(line["job"], line["reason"]) for line in bad] == [(job, Reason.KILLED)]
    on_others = [life.id for life in lives(grid) if life.device == other.device]
    assert on_others == [other.id], "the worker on the other card did not go on"
    dead, later = [life for life in lives(grid) if life.device == victim.device]
    assert dead.ended <= later.began
    assert later.bytes <= dead.bytes + SLACK, "the card was not empty when the next one began"


def training(grid: Trial) -> tuple[str, int, Life, Life] | None:
    """Return (job, pid, its worker, the other worker) of a training, once both cards have one."""
    workers = lives(grid)
    for job, number in grid.live().items():
        events = grid.layout.attempt_dir(job, number) / "events.jsonl"
        if len(workers) < 2 or not job.startswith("train/") or not events.exists():
            continue
        claimed = grid.ledger().of(job).attempts[-1].worker
        victim, other = sorted(workers, key=lambda life: life.id != claimed)
        pid = json.loads(events.read_text().splitlines()[0])["pid"]
        return job, pid, victim, other
    return None


@pytest.mark.parametrize("cards", SUPPLIES[1:], indirect=True)
def test_a_worker_that_finds_another_card_than_promised_runs_nothing(
    begin: Callable[..., Trial], cards: Cards
) -> None:
    """Something between launcher and runner makes the other card visible."""
    first, second = cards.devices
    moved = ("env", f"CUDA_VISIBLE_DEVICES={first.label}", sys.executable, *RUNNER[1:])
    grid = begin("villain@0#42", runner=moved, CUDA_VISIBLE_DEVICES=second.label)
    finish(grid)
    refused = [outcome for _, outcome in outcomes(grid)]
    assert refused
    for outcome in refused:
        assert (outcome.status, outcome.reason) == ("failed", Reason.CONFIG)
        assert f"gave this worker device {second.uuid}, but torch sees " in outcome.detail
        assert not outcome.artefacts
        assert outcome.environment["visible_devices"] == first.label
    assert {job["stage"] for job in status(grid)["jobs_failed"]} == {"data"}
    assert {line["verdict"] for line in grid.lines("settled")} == {"failed"}
