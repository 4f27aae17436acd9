"""Makes small experiments for engine tests and waits for what they come to."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

# Once, here: engines are forked from this process. NVML itself is not begun by its import.
import pynvml  # noqa: F401

import tuilab.engine.loop
import tuilab.engine.startup  # noqa: F401
from tests.copies import own_copy
from tests.ending import end_workers, read_identity
from tests.forked import Forked
from tuilab.contract.identity import Identity
from tuilab.contract.parsing import read_if_sound
from tuilab.contract.worker import LEASE_FILE
from tuilab.engine.__main__ import main as engine_main
from tuilab.grid.jobs import Job, Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.request import Request
from tuilab.grid.stages import Stage
from tuilab.grid.states import LIVE, Verdict
from tuilab.store.experiment import create_experiment
from tuilab.store.journal import follow
from tuilab.store.layout import Layout
from tuilab.store.requests import leave

FAKE_RUNNER = Path(__file__).parents[1] / "fakes" / "fake_runner.py"
SOURCE = Path(__file__).parents[2]
DEADLINE = 60.0
"""Seconds after which a wait is a failure; an idle machine needs few."""


def make_plan(
    sources: Iterable[str] = ("villain",),
    epochs: Iterable[int] = (0,),
    resources: Mapping[str, Any] | None = None,
) -> Plan:
    """Return the plan of a grid without settings: what matters to the engine is its shape."""
    sources, epochs = tuple(sources), tuple(epochs)
    kept = tuple(epoch for epoch in epochs if epoch)
    jobs = [_job(Stage.DATA, source) for source in (*sources, "clerk")]
    for source in sources:
        data = (f"data/{source}", "data/clerk")
        converge = (f"converge/{source}#42",) if any(epochs) else ()
        if converge:
            run = _job(Stage.CONVERGE, source, None, 42, data[:1])
            jobs.append(replace(run, settings="run", checkpoints=kept))
        for epoch in epochs:
            above = converge if epoch else ()
            at = f"{source}@{epoch}#42"
            jobs += [
                _job(Stage.TRAIN, source, epoch, 42, (*above, *data)),
                _job(Stage.MERGE, source, epoch, 42, (f"train/{at}", *above)),
                _job(Stage.EVAL, source, epoch, 42, (f"merge/{at}", f"train/{at}", *above)),
                _job(Stage.COSINE, source, epoch, 42, (f"merge/{at}", f"train/{at}", *above)),
            ]
    return Plan(
        experiment="trial",
        sources=sources,
        labels={source: source for source in sources},
        target="assistant",
        epochs=epochs,
        seeds=(42,),
        jobs=tuple(jobs),
        settings={"plain": {}, "run": {"checkpoints": list(kept)}},
        config_hash="c0ffee",
        resources={"workers": 1, "reserve_gb": 0, "grace_seconds": 1, **(resources or {})},
        headline_cosine={"layer": 1, "pool": "panel", "model_state": "marked"},
    )


def _job(
    stage: Stage,
    source: str,
    epoch: int | None = None,
    seed: int | None = None,
    parents: tuple[str, ...] = (),
) -> Job:
    return Job(stage, source, epoch, seed, parents, "plain", f"print-{stage.value}-{source}")


@dataclass(slots=True)
class _Read:
    """A journal as it was read last."""

    stamp: tuple[int, int, int] | None = None
    lines: list[dict[str, Any]] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)


@dataclass(slots=True)
class Trial:
    """One experiment directory with the engine processes that a test starts on it."""

    layout: Layout
    script_path: Path
    engines: list[Forked] = field(default_factory=list)
    _read: _Read = field(default_factory=_Read)

    @classmethod
    def make(cls, folder: Path, plan: Plan | None = None, **resources: Any) -> Trial:
        """Create an experiment whose workers run the fake runner."""
        script = folder / "script.json"
        plan = plan or make_plan()
        runner = (sys.executable, str(FAKE_RUNNER), str(script))
        plan = _with(plan, {"runner": runner, "engine_idle_seconds": 0.1, **resources})
        return cls(create_experiment(folder / "trial", "", plan), script)

    def copied(self, folder: Path) -> Trial:
        """Copy an experiment that has ended, as one of its own with a script of its own."""
        script = folder / "script.json"
        plan = own_copy(self.layout.root, folder / "trial") / "plan.json"
        plan.write_text(plan.read_text().replace(str(self.script_path), str(script)))
        return Trial(Layout(plan.parent), script)

    def script(self, **behaviours: Any) -> None:
        """Say what jobs do: keys are stages, job ids (through ``**``), ``any`` or ``worker``."""
        named = {("*" if name == "any" else name): what for name, what in behaviours.items()}
        draft = self.script_path.with_suffix(".draft")
        draft.write_text(json.dumps(named))
        draft.replace(self.script_path)

    @property
    def gate(self) -> Path:
        """File for the ``until`` of a behaviour: the job ends once it is there."""
        return self.script_path.with_name("gate")

    def ask(self, verb: str = "run", **parts: Any) -> str:
        """Leave a request."""
        return leave(self.layout, Request(verb=verb, by="tester", **parts))

    def start(self, *flags: str, crash_at: str = "", **extra: str) -> Forked:
        """Start an engine process as a child of the test."""
        environment = {"PYTHONPATH": str(SOURCE), **extra}
        if crash_at:
            environment["TUILAB_CRASH_AT"] = crash_at
        made = Forked(
            engine_main, self.layout.engine_log, environment, [str(self.layout.root), *flags]
        )
        self.engines.append(made)
        return made

    def run(self, *flags: str, **parts: Any) -> int:
        """Start an engine and wait until it leaves by itself; returns its exit code."""
        return self.start(*flags, **parts).wait(DEADLINE)

    def lines(self, kind: str = "") -> list[dict[str, Any]]:
        """Return the journal's lines."""
        return [line for line in self._journal().lines if not kind or line["kind"] == kind]

    def ledger(self) -> Ledger:
        """Return what the journal says now."""
        return self._journal().ledger

    def _journal(self) -> _Read:
        """Read the journal unless it is as it was: most looks of a test that waits see that."""
        try:
            found = self.layout.journal.stat()
            stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
        except OSError:
            stamp = None
        if stamp is None or stamp != self._read.stamp:
            lines = follow(self.layout).read()
            ledger = Ledger()
            ledger.fold(lines)
            self._read = _Read(stamp, lines, ledger)
        return self._read

    def verdicts(self, job: str) -> list[str]:
        """Return the verdicts of a job's attempts."""
        return [attempt.verdict.value for attempt in self.ledger().of(job).attempts]

    def all_done(self) -> bool:
        """Whether the newest attempt of every job is done."""
        from tuilab.store.plan_file import load_plan

        ledger = self.ledger()
        lasts = [ledger.of(job.id).last for job in load_plan(self.layout.root).jobs]
        return all(last is not None and last.verdict is Verdict.DONE for last in lasts)

    def live(self) -> dict[str, int]:
        """Return the live attempts that the journal knows."""
        return {
            job: known.attempts[-1].number
            for job, known in self.ledger().evidence.items()
            if known.attempts and known.attempts[-1].verdict in LIVE
        }

    def worker_of(self, job: str) -> Path:
        """Wait until a job runs and return the directory of its worker."""
        self.wait(lambda: self.verdicts(job)[-1:] == ["running"], f"{job} running")
        return self.layout.worker_dir(self.ledger().of(job).attempts[-1].worker)

    def held_by(self, worker: Path, who: str = "runner") -> Identity:
        """Wait until a worker's lease names its shim or runner: it may speak before that."""

        def found() -> Identity | None:
            return read_identity((read_if_sound(worker / LEASE_FILE, dict) or {}).get(who))

        return self.wait(found, f"the {who} in the lease")

    def worker_dirs(self) -> list[Path]:
        """Return the worker directories, oldest first."""
        return sorted(self.layout.workers.iterdir(), key=lambda path: path.stat().st_ctime)

    def log(self) -> str:
        """Return what the engines printed."""
        return self.layout.engine_log.read_text() if self.layout.engine_log.exists() else ""

    def wait(self, until: Callable[[], Any], what: str, seconds: float = DEADLINE) -> Any:
        """Poll until something holds; fails with the journal's end when it never does."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := until():
                return found
            time.sleep(0.01)
        tail = "\n".join(json.dumps(line)[:300] for line in self.lines()[-12:])
        raise AssertionError(f"{what} did not come about\n{tail}\n{self.log()[-2000:]}")

    def end(self) -> None:
        """End whatever is left of the test: engines first, then the trees of its workers."""
        for engine in self.engines:
            engine.kill()
            engine.wait()
        end_workers(self.layout)


def _with(plan: Plan, resources: Mapping[str, Any]) -> Plan:
    return replace(plan, resources={**plan.resources, **resources})
