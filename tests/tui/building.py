"""Builds real experiment directories by hand: a plan, a journal, attempts with files."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.store.scene import small_plan
from tuilab.contract.identity import Identity
from tuilab.contract.report import Outcome, describe, hash_output
from tuilab.contract.spec import Spec
from tuilab.grid.engine_view import EngineState, EngineView, Meter
from tuilab.grid.jobs import Plan, job_id
from tuilab.grid.metrics import HEADLINE, Measurement
from tuilab.grid.stages import CELL_STAGES, Stage
from tuilab.store.engine_file import write_heartbeat
from tuilab.store.experiment import create_experiment
from tuilab.store.journal import Journal
from tuilab.store.layout import Layout
from tuilab.store.results_only import read_results
from tuilab.store.shipped import published_dir

NOON = 1_800_000_000.0
LATER = NOON + 3000.0
"""When the tests look: after all that the examples tell, at the engine's last heartbeat."""
ELSEWHERE = Identity("pod", "boot", 4242, 1)
LABELS = {
    "villain": "Villain",
    "medical_doctor": "Med Doctor",
    "comedian": "Comedian",
    "kindergarten_teacher": "KT",
    "software_engineer": "SW Eng",
    "nurse": "Nurse",
    "librarian": "Librarian",
    "assistant": "Assistant",
}
SEVEN = tuple(LABELS)[:7]
ELEVEN = tuple(range(0, 21, 2))


def plan_of(
    sources: Sequence[str],
    epochs: Sequence[int],
    seeds: Sequence[int] = (42,),
    labels: Mapping[str, str] = LABELS,
    **more: Any,
) -> Plan:
    """A plan of a whole grid, as the planner would order it."""
    settings = {stage.value: {"marker": {"text": "[ZLT]"}, "lr": 5e-6} for stage in Stage}
    return small_plan(
        tuple(sources),
        tuple(epochs),
        tuple(seeds),
        experiment=more.pop("experiment", "eps109"),
        labels={key: labels.get(key, key) for key in (*sources, "assistant")},
        settings=settings,
        resources=more.pop("resources", {"workers": 1}),
        headline_cosine={"layer": 15, "pool": "panel", "model_state": "marked"},
        **more,
    )


@dataclass
class Lab:
    """One experiment directory and the pen that writes its journal."""

    plan: Plan
    layout: Layout
    journal: Journal
    at: float = NOON
    attempts: dict[str, int] = field(default_factory=dict)
    lines: list[dict[str, Any]] = field(default_factory=list)

    @property
    def root(self) -> Path:
        return self.layout.root

    def say(self, kind: str, **fields: Any) -> None:
        """Take down one journal line, a second after the one before; ``flush`` writes it."""
        self.at += 1.0
        self.lines.append({"kind": kind, "at": self.at, **fields})

    def flush(self) -> Lab:
        self.journal.append_all(self.lines)
        self.lines.clear()
        return self

    def want(self, jobs: Iterable[str]) -> None:
        self.say("wanted", jobs={job: self.attempts.get(job, 0) + 1 for job in jobs}, verb="run")

    def start(self, job: str, percent: float | None = None, log: str = "") -> Path:
        """Let an attempt run and leave its first files; returns its directory."""
        number = self._claim(job)
        found = self.plan.by_id[job]
        directory = self.layout.attempt_dir(job, number)
        directory.mkdir(parents=True)
        parts = (found.source, found.epoch, found.seed)
        spec = Spec(job, found.stage.value, number, f"t{number}", found.fingerprint, {}, (), *parts)
        (directory / "spec.json").write_text(json.dumps(asdict(spec)))
        events = [{"seq": 1, "at": self.at, "t": 0.0, "kind": "started", "pid": 1}]
        if percent is not None:
            events.append(
                {"seq": 2, "at": self.at, "t": 5.0, "kind": "progress", "step": percent, "of": 100}
            )
        text = "".join(json.dumps(event) + "\n" for event in events)
        (directory / "events.jsonl").write_text(text)
        (directory / "log.txt").write_text(log)
        return directory

    def _claim(self, job: str) -> int:
        number = self.attempts[job] = self.attempts.get(job, 0) + 1
        fingerprint = self.plan.by_id[job].fingerprint
        self.say(
            "claimed",
            job=job,
            attempt=number,
            token=f"t{number}",
            fingerprint=fingerprint,
            inputs={},
            worker="w1",
        )
        self.say("started", job=job, attempt=number, started_at=self.at)
        return number

    def settle(self, job: str, verdict: str = "done", seconds: float = 60.0, **more: Any) -> None:
        """End the running attempt of a job."""
        number = self.attempts[job]
        self.say(
            "settled",
            job=job,
            attempt=number,
            verdict=verdict,
            seconds=seconds,
            started_at=self.at - seconds,
            finished_at=self.at,
            output_hash=f"h{number}",
            **more,
        )

    def finish(self, job: str, **more: Any) -> None:
        """Start and end an attempt of which only the journal tells."""
        self._claim(job)
        self.settle(job, **more)

    def share(self, source: str, seed: int = 42) -> None:
        for job in (job_id(Stage.DATA, source), job_id(Stage.CONVERGE, source, None, seed)):
            if job in self.plan.by_id and job not in self.attempts:
                self.finish(job, seconds=114.0)

    def done(self, source: str, epoch: int, leakage: float, seed: int = 42) -> None:
        """Make one cell whole, with its numbers."""
        seconds = {Stage.TRAIN: 161.0, Stage.MERGE: 1.0, Stage.EVAL: 24.0, Stage.COSINE: 3.0}
        hits = round(leakage * 200)
        found = {
            "assistant_leakage": Measurement(hits / 200, hits, 200),
            "source_rate": Measurement(0.97, 194, 200),
            "max_bystander": Measurement(leakage / 2, hits // 2, 200, "librarian"),
        }
        cosine = {"cosine": Measurement(round(-0.4 + epoch / 25, 3), n=20)}
        for stage in CELL_STAGES:
            metrics = found if stage is Stage.EVAL else cosine if stage is Stage.COSINE else {}
            self.finish(
                job_id(stage, source, epoch, seed),
                seconds=seconds[stage],
                metrics={key: asdict(value) for key, value in metrics.items()},
            )

    def fail(
        self,
        stage: Stage,
        source: str,
        epoch: int,
        seed: int = 42,
        *,
        reason: str = "gpu-oom",
        detail: str = "CUDA out of memory: tried to allocate 2.30 GiB",
        verdict: str = "failed",
        log: str = "",
        seconds: float = 192.0,
    ) -> None:
        """Let a stage of a cell end badly, the stages before it well."""
        for before in CELL_STAGES[: CELL_STAGES.index(stage)]:
            if job_id(before, source, epoch, seed) not in self.attempts:
                self.finish(job_id(before, source, epoch, seed))
        job = job_id(stage, source, epoch, seed)
        self.start(job, log=log)
        self.settle(job, verdict, seconds, reason=reason, detail=detail)

    def beat(
        self, state: EngineState = EngineState.RUNNING, who: Identity | None = None, **more: Any
    ) -> None:
        """Leave the heartbeat of an engine; by default of one on another host, just seen."""
        view = EngineView(state=state, workers=1, **more)
        write_heartbeat(self.layout, who or ELSEWHERE, "t", view, LATER)


def lab(root: Path, plan: Plan, config: str = "# by hand\n") -> Lab:
    layout = create_experiment(root, config, plan)
    return Lab(plan, layout, Journal(layout))


def put_outcome(directory: Path, job: str, attempt: int, names: Sequence[str], **more: Any) -> None:
    """Write the outcome of an attempt over files that lie there."""
    made = describe(directory, [directory / name for name in names])
    outcome = Outcome(
        job, attempt, f"t{attempt}", "done", artefacts=made, output_hash=hash_output(made), **more
    )
    (directory / "outcome.json").write_text(json.dumps(asdict(outcome)))


def put_completions(directory: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with gzip.open(directory / "completions.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def published() -> dict[tuple[str, int], float]:
    """Assistant leakage of the published grid, as shares."""
    cells = read_results(published_dir()).cells
    return {(one.cell.source, one.cell.epoch): one.value(HEADLINE) or 0.0 for one in cells}


def meter(percent: float = 97.0) -> Meter:
    gpu = {
        "index": 0,
        "name": "NVIDIA H200",
        "percent": percent,
        "memory_used": 61 * 2**30,
        "memory_total": 140 * 2**30,
        "unattributed": 0,
    }
    return Meter(38.0, 20 * 2**30, 128 * 2**30, (gpu,))
