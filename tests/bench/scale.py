"""Runs the real engine over a thousand simulated workers in virtual time, and counts the cost.

``python -m tests.bench scale`` prints the figures of docs/SCALE.md. Workers write the files that
real ones write; they and the volume take no processor time of the engine's. A virtual second is as
long as it is told to be, and longer when the engine computes longer, or waits for its volume.
"""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from tests.bench.measures import Figure
from tests.bench.size import FEW, MANY, made
from tests.engine.test_faults import devices as made_up_devices
from tests.engine.trials import Trial, make_plan
from tests.fakes import fake_runner
from tests.tui.terminal import ROOT
from tuilab.contract import atomic, worker
from tuilab.contract.identity import Identity
from tuilab.contract.report import Reporter
from tuilab.contract.spec import SPEC_FILE, Spec, read_spec
from tuilab.engine.decide.facts import Slot
from tuilab.engine.decide.phase import Opinion, Word
from tuilab.engine.decide.policy import Policy
from tuilab.engine.host.place import Known
from tuilab.store.plan_file import load_plan, save_plan

SECONDS = {"data": 60.0, "converge": 120.0, "train": 60.0, "merge": 8.0, "eval": 45.0}
"""What a job takes in the mean; another stage as long as a merge."""
QUEUE_SECONDS = 20.0
"""The most that a worker waits in the queue before it comes up."""
BEAT_SECONDS = 2.0
METADATA = ("os.listdir", "os.scandir", "os.mkdir", "os.rename", "os.remove", "os.link", "open")
"""Audited events that are a question to the server of a network volume."""


@dataclass(slots=True)
class Volume:
    """Counts the calls below a folder that a network volume's server would have to answer."""

    root: str
    counts: Counter[str] = field(default_factory=Counter)
    is_counting: bool = False

    def begin(self) -> None:
        """Listen to what the interpreter opens, lists and renames, and to every stat."""
        stat = os.stat

        def counted(path: Any, *given: Any, **named: Any) -> os.stat_result:
            self.note("stat", path)
            return stat(path, *given, **named)

        os.stat = counted  # what pathlib asks too
        sys.addaudithook(lambda event, given: event in METADATA and self.note(event, given[0]))

    def note(self, what: str, path: object) -> None:
        """Count one call, unless it is a machine's own or lies elsewhere."""
        if self.is_counting and isinstance(path, str | os.PathLike):
            self.counts[what] += str(path).startswith(self.root)


@dataclass(slots=True)
class Machine:
    """A worker elsewhere, from its submission to its end."""

    folder: Path
    up_at: float
    beat_at: float = 0.0
    served: int = 0
    until: float = 0.0
    began: float = 0.0
    reporter: Reporter | None = None
    is_gone: bool = False


class World:
    """The clock, the machines and the scheduler; the engine's ``Place`` and its ``time``."""

    name = "a simulated place"
    fence_seconds = 30.0

    def __init__(self, root: Path, jobs: int, latency: float) -> None:
        self.volume = Volume(str(root))
        self.jobs, self.latency = jobs, latency
        self.machines: dict[str, Machine] = {}
        self.done = 0
        self.looks = 0
        self.sleeps: list[float] = []
        """Virtual seconds between the ends of two sleeps: one round of the engine each."""
        self._dice = random.Random(1)
        self._slept = 0.0
        self._own = 0.0
        """Processor seconds of the machines."""
        self._began = time.process_time()
        self._woke = 0.0

    @property
    def cpu(self) -> float:
        """Processor seconds of the engine alone."""
        return time.process_time() - self._began - self._own

    @property
    def now(self) -> float:
        """Virtual seconds: slept, computed, and waited for the volume."""
        return self._slept + self.cpu + self.latency * self.volume.counts.total()

    def begin(self) -> None:
        """Take the place of the clock, for the rest of this process."""
        epoch = time.time()
        time.time = lambda: epoch + self.now
        time.monotonic = lambda: self.now
        time.sleep = self.sleep
        self.volume.begin()
        self.volume.is_counting = True

    def sleep(self, seconds: float) -> None:
        """Let the machines work for so long."""
        self._slept += seconds
        mine = time.thread_time()
        self.volume.is_counting = False
        for machine in self.machines.values():
            if not machine.is_gone:
                self._work(machine)
        if self.done >= self.jobs:
            os.kill(os.getpid(), signal.SIGTERM)
        self.volume.is_counting = True
        self._own += time.thread_time() - mine
        self.sleeps.append(self.now - self._woke)
        self._woke = self.now

    def _work(self, machine: Machine) -> None:
        now, folder = self.now, machine.folder
        if now < machine.up_at:
            return
        if now - machine.beat_at >= BEAT_SECONDS:
            if not machine.beat_at:
                who = Identity(folder.name, "of-" + folder.name, 1 << 23, 1).as_json()
                atomic.write_json(folder / worker.LEASE_FILE, {"shim": who, "runner": who})
            machine.beat_at = now
            text = json.dumps({"count": int(now), "host": folder.name, "at": now})
            (folder / worker.BEAT_FILE).write_text(text.ljust(worker.BEAT_BYTES))
        if machine.reporter is not None and now >= machine.until:
            self._finish(machine, machine.reporter)
        if machine.reporter is None:
            self._take(machine)
        elif machine.until - machine.began > 10.0:
            of = machine.until - machine.began
            machine.reporter.progress(int(now - machine.began), int(of), part="work")

    def _take(self, machine: Machine) -> None:
        found, is_closed = worker.look_into_inbox(machine.folder, after=machine.served)
        if given := next(iter(found), None):
            machine.served = given.number
            spec = read_spec(given.attempt_dir / SPEC_FILE)
            seconds = SECONDS.get(spec.stage, SECONDS["merge"]) * self._dice.uniform(0.7, 1.3)
            machine.reporter = Reporter(given.attempt_dir, spec)
            machine.began, machine.until = self.now, self.now + seconds
        elif is_closed:
            machine.is_gone = True
            content = {"exit_code": 0, "finished_at": self.now}
            atomic.write_json(machine.folder / worker.EXIT_FILE, content)

    def _finish(self, machine: Machine, reporter: Reporter) -> None:
        spec: Spec = reporter.spec
        fake_runner.publish(spec, reporter.attempt_dir, reporter)
        reporter.__exit__(None, None, None)
        machine.reporter = None
        self.done += 1

    def slots(self, policy: Policy, used: Set[int]) -> tuple[Slot, ...]:
        return tuple(Slot(index, is_late=True) for index in range(policy.workers))

    def submit(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.machines[folder.name] = Machine(
            folder, self.now + self._dice.uniform(1.0, QUEUE_SECONDS)
        )

    def opinions(self, workers: Sequence[Known]) -> Mapping[str, Opinion]:
        self.looks += 1
        return {one.folder.name: self._opinion(one.folder.name) for one in workers}

    def _opinion(self, name: str) -> Opinion:
        machine, now = self.machines[name], self.now
        if machine.is_gone:
            return Opinion(Word.ENDED, asked_at=now)
        word = Word.RUNNING if now >= machine.up_at else Word.WAITING
        return Opinion(word, host=name, asked_at=now)

    def cancel(self, folder: Path, force: bool = False) -> None:
        self.machines[folder.name].is_gone = True


WORLD: list[World] = []


def place(experiment: str, options: Mapping[str, Any]) -> World:
    """Return the place, for ``resources.executor``."""
    return WORLD[0]


def run(folder: str, workers: str, jobs: str, latency: str) -> None:
    """Run the engine until so many jobs are done, and print the counts as JSON."""
    from tuilab.engine.loop import Engine
    from tuilab.engine.startup import open_experiment
    from tuilab.store.journal import Journal
    from tuilab.store.layout import Layout

    root = Path(folder)
    plan = load_plan(root)
    plan.resources.update(workers=int(workers), executor="tests.bench.scale:place", reserve_gb=0)
    save_plan(Layout(root), plan)
    Journal(Layout(root)).append("wanted", jobs=dict.fromkeys(plan.by_id, 1))
    del plan
    gc.collect()
    world = World(root, int(jobs), float(latency))
    WORLD.append(world)
    world.begin()
    engine = Engine(open_experiment(root, go=True, takeover=False))
    opened = world.cpu
    counts = Counter(world.volume.counts)
    began = world.now
    engine.run()
    passed, spent = world.now - began, world.cpu - opened
    asked = world.volume.counts - counts
    world.volume.is_counting = False
    files = sum(len(names) for _, _, names in os.walk(root))
    steady = sorted(world.sleeps[-max(3, len(world.sleeps) // 3) :])
    told = {
        "done": world.done, "seconds": passed, "cpu": spent, "looks": world.looks,
        "calls": asked, "calls_a_second": asked.total() / passed, "files": files,
        "round": steady[len(steady) // 2], "longest": max(world.sleeps), "opened": opened,
    }  # fmt: skip
    print(json.dumps(told))


def figures(cwd: Path) -> Iterator[Figure]:
    """Measure a tenth of the size and the whole, then real processes on one host."""
    for cells, workers, jobs in ((FEW, 100, 250), (MANY, 1000, 200)):
        folder = cwd / f"scale-{workers}"
        made(folder, cells)
        told = _measured(folder, workers, jobs)
        at = f"{workers:,} workers on {cells:,} cells"
        yield Figure(f"between two looks at outcomes, {at}", told["round"], "s")
        yield Figure(f"the longest, {at}", told["longest"], "s")
        yield Figure(f"calls to the volume a second, {at}", told["calls_a_second"], "/s")
        yield Figure(f"processor of the engine, {at}", told["cpu"] / told["seconds"] * 100, "%")
        yield Figure(f"engine up, {at}", told["opened"], "s")
    yield from one_host(cwd)


def one_host(cwd: Path, cards: int = 8, seconds: float = 5.0) -> Iterator[Figure]:
    """Measure real processes on made-up cards of this host: what lies between two jobs."""
    devices = made_up_devices(cwd, *[0.0] * cards)
    plan = make_plan([f"source_{number}" for number in range(cards)])
    grid = Trial.make(cwd / "host", plan, workers=cards, devices="auto")
    grid.script(any={"seconds": seconds})
    grid.ask("run")
    engine = grid.start("--go", **devices)
    process, spent = psutil.Process(engine.pid), 0.0
    while engine.poll() is None:
        with suppress(psutil.Error):
            times = process.cpu_times()
            spent = times.user + times.system
        time.sleep(0.2)
    ends = {line["job"]: line for line in grid.lines("settled")}
    workers: dict[str, list[tuple[float, float]]] = {}
    for line in grid.lines("claimed"):
        end = ends[line["job"]]
        workers.setdefault(line["worker"], []).append((end["started_at"], end["finished_at"]))
    gaps = [
        later[0] - earlier[1]
        for spans in workers.values()
        for earlier, later in pairwise(sorted(spans))
    ]
    at = f"{cards} cards of one host"
    yield Figure(f"between two jobs of a card, median, {at}", statistics.median(gaps) * 1000, "ms")
    yield Figure(f"processor of the engine a job, {at}", spent / len(ends) * 1000, "ms")
    grid.end()


def _measured(folder: Path, workers: int, jobs: int, latency: float = 0.0) -> dict[str, Any]:
    asked = map(str, (folder, workers, jobs, latency))
    found = subprocess.run(
        [sys.executable, "-m", "tests.bench.scale", *asked],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    told: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return told


if __name__ == "__main__":
    from tests.bench import scale  # once: the engine imports its place by this name

    scale.run(*sys.argv[1:5])
