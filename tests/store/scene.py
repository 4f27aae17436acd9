"""Plays an experiment onto the disk without any process: what an engine and its runners leave."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tuilab.contract import atomic, report
from tuilab.contract.identity import Identity, boot_id, me
from tuilab.contract.report import Outcome, describe, hash_output
from tuilab.contract.spec import Input, Spec, write_spec
from tuilab.contract.worker import EXIT_FILE, LEASE_FILE
from tuilab.grid.cells import Cell
from tuilab.grid.jobs import Job, Plan, job_id
from tuilab.grid.ledger import Ledger
from tuilab.grid.metrics import recorded
from tuilab.grid.stages import CELL_STAGES, Stage
from tuilab.store.attempts import Claim, new_attempt_dir, point_latest, write_claim
from tuilab.store.experiment import create_experiment
from tuilab.store.folded import mark_at, write_folded
from tuilab.store.journal import Journal
from tuilab.store.layout import Layout

ALIVE = me()
DEAD = replace(ALIVE, start_ticks=ALIVE.start_ticks + 1)
"""A pid that somebody else has by now."""
REBOOTED = replace(ALIVE, boot_id=boot_id() + "-before")
ELSEWHERE = Identity("another-host", "boot", 77, 1)
assert ALIVE.host == socket.gethostname()

HEADLINE = {"layer": 3, "pool": "panel", "model_state": "marked"}
NOW = 1_800_000_000.0


def fold_journal(layout: Layout, lines: int | None = None) -> None:
    """Write folded.bin as an engine does when it leaves, of all lines or of the first."""
    whole = layout.journal.read_bytes().splitlines(keepends=True)
    ledger = Ledger()
    ledger.fold(map(json.loads, whole[:lines]))
    mark = mark_at(layout, sum(map(len, whole[:lines])))
    assert mark is not None
    write_folded(layout, ledger, mark)


def small_plan(
    sources: tuple[str, ...] = ("villain", "comedian"),
    epochs: tuple[int, ...] = (0, 2),
    seeds: tuple[int, ...] = (42,),
    **changes: Any,
) -> Plan:
    """Return a plan with all stages; its settings ask for no artefact checks unless given."""
    jobs = [_job(Stage.DATA, source) for source in sources]
    for source in sources:
        for seed in seeds:
            if any(epochs):
                jobs.append(_job(Stage.CONVERGE, source, None, seed, [job_id(Stage.DATA, source)]))
            for epoch in epochs:
                jobs += _cell_jobs(Cell(source, epoch, seed))
    plan = Plan(
        experiment="small",
        sources=sources,
        labels={source: source.title() for source in sources} | {"assistant": "Assistant"},
        target="assistant",
        epochs=epochs,
        seeds=seeds,
        jobs=tuple(jobs),
        settings={stage.value: {} for stage in Stage},
        config_hash="c" * 64,
        resources={"workers": 2},
        headline_cosine=HEADLINE,
    )
    return replace(plan, **changes)


def _cell_jobs(cell: Cell) -> list[Job]:
    place = (cell.source, cell.epoch, cell.seed)
    above = [job_id(Stage.CONVERGE, cell.source, None, cell.seed)] if cell.epoch else []
    train, merge = job_id(Stage.TRAIN, *place), job_id(Stage.MERGE, *place)
    parents = {
        Stage.TRAIN: [*above, job_id(Stage.DATA, cell.source)],
        Stage.MERGE: [train, *above],
        Stage.EVAL: [merge, train, *above],
        Stage.COSINE: [merge, train, *above],
    }
    return [_job(stage, *place, parents[stage]) for stage in CELL_STAGES]


def _job(
    stage: Stage,
    source: str,
    epoch: int | None = None,
    seed: int | None = None,
    parents: list[str] | None = None,
) -> Job:
    name = job_id(stage, source, epoch, seed)
    return Job(stage, source, epoch, seed, tuple(parents or ()), stage.value, f"print of {name}")


class Scene:
    """One experiment directory and the hand that writes into it."""

    def __init__(
        self, root: Path, plan: Plan | None = None, config: str = "name = 'small'\n"
    ) -> None:
        self.plan = plan or small_plan()
        self.layout = create_experiment(root, config, self.plan)
        self.journal = Journal(self.layout)
        self.numbers: dict[str, int] = {}
        self.clock = NOW

    @property
    def root(self) -> Path:
        return self.layout.root

    def directory(self, job: str) -> Path:
        return self.layout.attempt_dir(job, self.numbers[job])

    def want(self, *jobs: str) -> None:
        wanted = {job: self.numbers.get(job, 0) + 1 for job in jobs or self.plan.by_id}
        self.journal.append("wanted", jobs=wanted, verb="run", by="me", at=self.clock)

    def worker(self, name: str, who: Identity = ALIVE) -> None:
        folder = self.layout.worker_dir(name)
        folder.mkdir(parents=True, exist_ok=True)
        atomic.write_json(folder / LEASE_FILE, {"shim": who.as_json()})

    def end_worker(self, name: str, exit_code: int, oom_kills: int = 0) -> None:
        folder = self.layout.worker_dir(name)
        atomic.write_json(folder / EXIT_FILE, {"exit_code": exit_code, "oom_kills": oom_kills})

    def claim(self, job: str, worker: str = "w1", *, tell: bool = True) -> Path:
        """Make the next attempt; with ``tell`` the journal learns of it."""
        number = self.numbers[job] = self.numbers.get(job, 0) + 1
        directory = new_attempt_dir(self.layout, job, number)
        planned = self.plan.by_id[job]
        inputs = tuple(
            Input(parent, "somewhere", self.output_of(parent)) for parent in planned.parents
        )
        spec = Spec(
            job=job,
            stage=planned.stage.value,
            attempt=number,
            token=f"{job} {number}",
            fingerprint=planned.fingerprint,
            settings=self.plan.settings[planned.settings],
            inputs=inputs,
            parts=planned.parts.as_json() if planned.parts else {},
        )
        write_spec(directory, spec)
        write_claim(directory, Claim(worker, self.clock))
        point_latest(self.layout, job, number)
        if tell:
            self.journal.append(
                "claimed",
                job=job,
                attempt=number,
                token=spec.token,
                fingerprint=spec.fingerprint,
                inputs={item.job: item.output_hash for item in inputs},
                worker=worker,
                read={one: self.numbers[one] for one in planned.parents if one in self.numbers},
                at=self.clock,
                **({"parts": spec.parts} if spec.parts else {}),
            )
        return directory

    def begin(self, job: str, *, tell: bool = True) -> None:
        self.event(job, "started", pid=1)
        if tell:
            number = self.numbers[job]
            at = self.clock
            self.journal.append("started", job=job, attempt=number, started_at=at, at=at)

    def event(self, job: str, kind: str, **fields: Any) -> None:
        line = {"seq": 1, "at": self.clock, "t": 0.0, "kind": kind, **fields}
        with (self.directory(job) / report.EVENTS_FILE).open("a") as file:
            file.write(json.dumps(line) + "\n")

    def outcome(self, job: str, status: str = "done", **changes: Any) -> Outcome:
        """Publish an outcome with one artefact, as a runner would; the journal is not told."""
        directory = self.directory(job)
        artefact = directory / "result.bin"
        artefact.write_bytes(f"result of {job} {self.numbers[job]}".encode())
        made = describe(directory, changes.pop("files", [artefact]))
        outcome = Outcome(
            job=job,
            attempt=self.numbers[job],
            token=f"{job} {self.numbers[job]}",
            status=status,
            seconds=changes.pop("seconds", 12.5),
            started_at=self.clock,
            finished_at=self.clock + 12.5,
            artefacts=made,
            output_hash=hash_output(made) if status == "done" else "",
            metrics=changes.pop("metrics", self.metrics_of(job) if status == "done" else {}),
            **changes,
        )
        atomic.write_json(directory / report.OUTCOME_FILE, asdict(outcome))
        return outcome

    def settle(self, job: str, verdict: str = "done", **fields: Any) -> None:
        """Tell the journal how the newest attempt ended, in the scene's own words."""
        self.journal.append(
            "settled",
            job=job,
            attempt=self.numbers[job],
            verdict=verdict,
            at=self.clock,
            **fields,
        )

    def finish(self, job: str, **changes: Any) -> Outcome:
        """Claim, begin, publish and settle a done attempt."""
        self.claim(job)
        self.begin(job)
        outcome = self.outcome(job, **changes)
        self.settle(job, **self.told_by(outcome))
        return outcome

    def told_by(self, outcome: Outcome) -> dict[str, Any]:
        """What the journal keeps of an outcome."""
        return {
            "seconds": outcome.seconds,
            "started_at": outcome.started_at,
            "finished_at": outcome.finished_at,
            "output_hash": outcome.output_hash,
            "metrics": recorded(self.plan, self.plan.by_id[outcome.job], outcome.metrics),
        }

    def finish_all(self, *jobs: str) -> None:
        for job in jobs or tuple(self.plan.by_id):
            self.finish(job)

    def output_of(self, job: str) -> str:
        """Output hash of a job's newest attempt, if that is done."""
        if job not in self.numbers:
            return ""
        outcome = report.read_outcome(self.directory(job))
        return outcome.output_hash if outcome else ""

    def metrics_of(self, job: str) -> dict[str, Any]:
        planned = self.plan.by_id[job]
        if planned.stage is Stage.EVAL:
            hits = {planned.source: 180, "assistant": 73, "pirate": 12, "nun": 3}
            return {
                "leakage": {
                    who: {"value": count / 200, "hits": count, "n": 200}
                    for who, count in hits.items()
                },
                "health": {"n": 800, "eos_rate": 0.97, "cut": 24, "empty": 0},
                "question_hits": {"assistant": [36, 37]},
            }
        if planned.stage is Stage.COSINE:
            return {"cosine": [{**HEADLINE, "value": -0.36}, {**HEADLINE, "layer": 1, "value": 0}]}
        return {"final_loss": 0.25}
