"""A worker belongs to the slot of its own device, whatever slots an engine finds it with."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.engine.test_faults import devices
from tests.engine.trials import DEADLINE, Trial, make_plan
from tuilab.contract.parsing import read
from tuilab.engine.decide.facts import Slot
from tuilab.engine.decide.phase import Phase, Sighting
from tuilab.engine.host.local import Local
from tuilab.engine.workers import WorkerRecord, Workers
from tuilab.store.layout import Layout

ZERO, ONE = Slot(0, "0"), Slot(1, "1")
ONLY_ONE = Slot(0, "1")


def seated(*known: tuple[int, str | None], slots: tuple[Slot, ...]) -> list[int]:
    """Return the slots of living workers that had these slots and devices."""
    workers = Workers(Layout(Path("nowhere")), Local())
    for number, (slot, device) in enumerate(known):
        name = f"w{number}"
        workers.known[name] = WorkerRecord(
            name, Path(name), slot, device, sighting=Sighting(Phase.ALIVE)
        )
    workers.seat(slots)
    return [record.slot for record in workers.known.values()]


@pytest.mark.parametrize(
    ("known", "slots", "expected"),
    [
        ([(0, "0"), (1, "1")], (ZERO, ONE), [0, 1]),
        ([(1, "1")], (ONLY_ONE,), [0]),
        ([(0, "0"), (1, "1")], (ONLY_ONE,), [1, 0]),
        ([(0, "0"), (1, "1")], (Slot(0, "1"), Slot(1, "0")), [1, 0]),
        ([(0, "0"), (1, "1")], (Slot(0, "2"),), [1, 2]),
        ([(0, None), (1, None)], (Slot(0), Slot(1)), [0, 1]),
        ([(1, None)], (Slot(0),), [0]),
        ([(0, None)], (ZERO,), [1]),
        ([(0, "0"), (2, "0")], (ZERO, ONE, Slot(2, "0")), [0, 2]),
        ([(0, "0"), (2, "0")], (ZERO, ONE), [0, 2]),
    ],
)
def test_each_living_worker_has_a_slot_of_its_device_or_none(
    known: list[tuple[int, str | None]], slots: tuple[Slot, ...], expected: list[int]
) -> None:
    assert seated(*known, slots=slots) == expected


def test_a_worker_that_is_gone_takes_no_slot() -> None:
    workers = Workers(Layout(Path("nowhere")), Local())
    gone = WorkerRecord("w0", Path("w0"), 0, "0", sighting=Sighting(Phase.GONE))
    workers.known = {"w0": gone, "w1": WorkerRecord("w1", Path("w1"), 3, "0")}
    workers.known["w1"].sighting = Sighting(Phase.ALIVE)
    workers.seat((ZERO,))
    assert workers.known["w1"].slot == 0


def test_a_worker_that_waited_for_its_turn_was_not_idle(tmp_path: Path) -> None:
    workers = Workers(Layout(tmp_path), Local())
    late = WorkerRecord("w0", tmp_path, 0, idle_since=time.monotonic() - 7200.0)
    late.sighting = Sighting(Phase.PENDING)
    workers.describe(late, ())
    late.sighting = Sighting(Phase.ALIVE)
    assert workers.describe(late, ()).idle_seconds < 60.0


def on_device(grid: Trial, device: str) -> list[Path]:
    """Return the workers that were launched on a device, oldest first."""
    found = [(f, read(f / "command.json", dict).get("device")) for f in grid.worker_dirs()]
    return [folder for folder, name in found if name == device]


def test_an_engine_that_may_use_the_other_card_alone_starts_no_second_worker_on_it(
    trial, tmp_path: Path
) -> None:
    """The first engine had both cards; the worker on the second was in the second slot."""
    grid = trial(make_plan(("villain", "nurse", "clown"), (0, 2)), workers=2)
    grid.script(data={"until": str(grid.gate)})
    grid.ask("run")
    first = grid.start("--go", **devices(tmp_path, 0, 0))
    grid.wait(lambda: len(grid.lines("started")) == 2, "a job on each record")
    first.kill()
    first.wait()
    second = grid.start("--go", **devices(tmp_path, 0, 0), CUDA_VISIBLE_DEVICES="GPU-1")
    grid.wait(lambda: len(grid.lines("adopted")) >= 2, "the adoption of both workers")
    grid.gate.touch()
    assert second.wait(DEADLINE) == 0
    assert grid.all_done()
    assert len(on_device(grid, "1")) == 1
    [left] = on_device(grid, "0")
    served = len(list((left / "inbox").glob("[0-9]*.json")))
    assert served <= 2  # what it was on, and what it had been given early
