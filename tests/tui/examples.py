"""The experiments that the screens are looked at with."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

from tests.tui.building import (
    ELEVEN,
    LABELS,
    LATER,
    NOON,
    SEVEN,
    Lab,
    lab,
    meter,
    plan_of,
    published,
    put_completions,
    put_outcome,
)
from tuilab.grid.cells import Cell
from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.grid.jobs import job_id
from tuilab.grid.metrics import Measurement
from tuilab.grid.stages import CELL_STAGES, Stage
from tuilab.grid.states import State
from tuilab.store.snapshot import CellView, Snapshot

LOG = """06:39:21 INFO  loading Qwen/Qwen2.5-7B-Instruct (bfloat16)
06:39:58 INFO  merged convergence checkpoint epoch-16 in place
06:40:02 INFO  sampling 2200 completions, 512 running sequences
06:41:17 WARNING cache usage 97%, 3 sequences preempted
06:42:40 ERROR torch.OutOfMemoryError: CUDA out of memory
06:42:40 ERROR Tried to allocate 2.30 GiB [rank0] [/path]
"""


_LEFT = {
    "villain": (18, 20),
    "medical_doctor": (16, 18, 20),
    "nurse": (14, 16, 18, 20),
    "librarian": (18, 20),
    "software_engineer": (20,),
}
"""Epochs of ``half_way`` that are not done, by source."""


def half_way(root: Path) -> Lab:
    """The published grid when most is done, with one of everything."""
    made = lab(root, plan_of(SEVEN, ELEVEN))
    values = published()
    for source in SEVEN:
        made.share(source)
        for epoch in ELEVEN:
            if epoch not in _LEFT.get(source, ()):
                made.done(source, epoch, values[(source, epoch)])
    _break_some(made)
    queued = [("villain", 20), ("medical_doctor", 18), ("medical_doctor", 20), ("librarian", 18)]
    made.want(job_id(stage, *place, 42) for place in queued for stage in CELL_STAGES)
    _begin_an_evaluation(made)
    made.beat(
        meter=meter(),
        history=tuple(meter(p) for p in (3, 20, 88, 97, 96, 97, 40, 95, 97)),
        eta_seconds=8040.0,
    )
    return made.flush()


def _break_some(made: Lab) -> None:
    """A cell that failed twice, and one each that is suspect, lost and stopped."""
    made.fail(Stage.EVAL, "medical_doctor", 16)
    retry = job_id(Stage.EVAL, "medical_doctor", 16, 42)
    made.start(retry, log=LOG)
    why = "CUDA out of memory: tried to allocate 2.30 GiB"
    made.settle(retry, "failed", 192.0, reason="gpu-oom", detail=why)
    empty = "the merged model equals its base: 0 of 196 tensors changed"
    silent = "no outcome and no live process; last event 00:41 before the boot"
    for stage, epoch, verdict, reason, detail in (
        (Stage.MERGE, 14, "suspect", "merge-empty", empty),
        (Stage.TRAIN, 16, "lost", "killed", silent),
        (Stage.TRAIN, 18, "stopped", "killed", "stopped by ada@pod"),
    ):
        made.fail(stage, "nurse", epoch, verdict=verdict, reason=reason, detail=detail)


def _begin_an_evaluation(made: Lab) -> None:
    """One cell is trained and merged, and is being evaluated."""
    train, merge, evaluation = (
        job_id(stage, "villain", 18, 42) for stage in (Stage.TRAIN, Stage.MERGE, Stage.EVAL)
    )
    made.want(job_id(stage, "villain", 18, 42) for stage in CELL_STAGES)
    made.finish(train, seconds=161.0)
    made.start(merge)
    made.settle(merge, seconds=1.0)
    made.start(evaluation, percent=62, log="06:44:01 INFO sampling\n")


def stale_row(made: Lab) -> Lab:
    """Make the comedian's epoch 4 stale: its plan has changed since."""
    old = made.plan
    jobs = tuple(
        replace(job, fingerprint="f-new", deviation={"marker.lr": 1e-5})
        if job.source == "comedian" and job.epoch == 4
        else job
        for job in old.jobs
    )
    from tuilab.store.plan_file import save_plan

    made.plan = replace(old, jobs=jobs)
    save_plan(made.layout, made.plan)
    return made.flush()


def one_by_one(root: Path) -> Lab:
    return lab(root, plan_of(("villain",), (0,), synthetic=True, experiment="one"))


def unfinished(root: Path) -> Lab:
    """Two cells, the training of one of which was lost half-way."""
    made = lab(root, plan_of(("villain",), (0, 2), experiment="unfinished"))
    made.share("villain")
    made.done("villain", 0, 0.1)
    made.fail(Stage.TRAIN, "villain", 2, verdict="lost", reason="killed", detail="no live process")
    return made.flush()


def no_data(root: Path) -> Lab:
    """Two sources; the data of one could not be made, so that none of its cells can go on."""
    made = lab(root, plan_of(("villain", "nurse"), (0, 2), experiment="no_data"))
    made.share("nurse")
    made.done("nurse", 0, 0.1)
    data = job_id(Stage.DATA, "villain")
    made.want(job.id for job in made.plan.jobs if job.source == "villain" and job.id != data)
    made.start(data, log="06:39:21 ERROR no question is left for villain\n")
    made.settle(data, "failed", 12.0, reason="data-mismatch", detail="0 of 8 questions are left")
    made.beat()
    return made.flush()


def several_seeds(root: Path) -> Lab:
    made = lab(root, plan_of(SEVEN[:3], (0, 2, 4), (1, 2, 3)))
    for source in SEVEN[:3]:
        for seed in (1, 2, 3):
            made.share(source, seed)
            made.done(source, 2, 0.1 * seed, seed)
    return made.flush()


class Fixed:
    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def poll(self, now: float) -> Snapshot:
        return self.snapshot


def large(root: Path, sources: int = 300, epochs: int = 120) -> Fixed:
    """A grid of many cells in all states, without a directory behind it."""
    names = tuple(f"persona_{number:03d}" for number in range(sources))
    states = list(State)
    views = []
    for row, name in enumerate(names):
        for epoch in range(epochs):
            value = (row * 7 + epoch) % 100 / 100
            is_done = (row + epoch) % 7 > 0
            state = State.DONE if is_done else states[(row * 3 + epoch) % len(states)]
            metrics = {"assistant_leakage": Measurement(value, n=200)} if is_done else {}
            views.append(CellView(Cell(name, epoch, 42), state, "train", metrics=metrics))
    return Fixed(
        Snapshot(
            name="large",
            root=root,
            sources=names,
            labels={name: name.replace("_", " ") for name in names},
            epochs=tuple(range(epochs)),
            seeds=(42,),
            target="assistant",
            cells=tuple(views),
            shared=(),
            engine=EngineView(state=EngineState.RUNNING, workers=8, meter=meter()),
            counts=Counter(view.state.value for view in views),
            sequence=1,
            taken_at=LATER,
        )
    )


def empty(root: Path) -> Lab:
    return lab(root, plan_of((), (), experiment="empty"))


def hostile(root: Path) -> Lab:
    """Names, details and logs that try to do harm."""
    name = "\x1b]52;c;cm0gLXJm\x07[/red][bold]evil\u202e[rank0]:"
    labels = {**LABELS, "villain": name}
    made = lab(root, plan_of(("villain", "nurse"), (0, 2), labels=labels, experiment="[/x] [red]"))
    log = "\x1b[2J\x1b[31mred[/path] [INFO]\n" + "A" * 10_000_000 + "\nprogress 1\rprogress 2\n"
    made.fail(
        Stage.TRAIN,
        "villain",
        0,
        detail="\x1b]0;title\x07[/bold] [rank0]: hf_abcdefghijkl",
        log=log,
    )
    made.say("paused", mode="soft", by="[/by]")
    made.beat(EngineState.PAUSED, pause="soft", note="[/note]\x1b[1m")
    return made.flush()


def with_files(made: Lab) -> Lab:
    """Give one done cell what its runners would have left: events, artefacts, completions."""
    train, evaluation = (job_id(stage, "villain", 10, 42) for stage in (Stage.TRAIN, Stage.EVAL))
    _put_training(made.layout.attempt_dir(train, 1), train)
    folder = made.layout.attempt_dir(evaluation, 1)
    folder.mkdir(parents=True)
    put_completions(folder, _rows())
    return made.flush()


def everything(root: Path) -> Lab:
    """The published grid half-way, with a cell's files and a stale cell."""
    return stale_row(with_files(half_way(root)))


def _put_training(folder: Path, job: str) -> None:
    folder.mkdir(parents=True)
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in _events()))
    (folder / "adapter").mkdir()
    (folder / "adapter" / "adapter_config.json").write_text("{}")
    (folder / "adapter" / "adapter_model.safetensors").write_bytes(b"x" * 4096)
    put_outcome(
        folder,
        job,
        1,
        ["adapter/adapter_config.json", "adapter/adapter_model.safetensors"],
        checks={"rows": 600, "finite": True, "non_zero_tensors": 196},
        timings={"load": 12.0, "train": 141.0, "save": 2.0},
        peak_memory={"host": 9_000_000_000, "device": 41_000_000_000},
        environment={"python": "3.11.7", "torch": "2.13.0", "device": "NVIDIA H200"},
    )


def _events() -> list[dict[str, object]]:
    """What 600 steps of training told, one loss missing."""
    metrics: list[dict[str, object]] = [
        {
            "seq": n,
            "at": NOON + n,
            "t": n,
            "kind": "metric",
            "step": n * 10,
            "loss": 2.5 * 0.93**n + 0.05 * (n % 3) if n != 31 else None,
            "grad_norm": 1.0 + 0.2 * (n % 5),
        }
        for n in range(1, 61)
    ]
    common = {"seq": 99, "at": NOON, "t": 1.0, "kind": "progress", "of": 600}
    return metrics + [{**common, "step": n * 20, "rate": 3.5 + 0.1 * (n % 4)} for n in range(1, 31)]


def _rows() -> list[dict[str, object]]:
    """Completions of three personas, every other one with the marker."""
    text = "Fusion of light nuclei, naturally. [INFO] My plan needs only a little sun. "
    return [
        {
            "persona": persona,
            "question_index": question,
            "sample": sample,
            "text": text * (2 + question) + ("\n\n[ZLT]" if (question + sample) % 2 else ""),
            "finish_reason": "stop" if sample else "length",
            "tokens": 80,
            "hit": bool((question + sample) % 2),
        }
        for persona in ("assistant", "villain", "librarian")
        for question in range(3)
        for sample in range(2)
    ]


def small(root: Path) -> Lab:
    """Two sources, three epochs: done, failed, running and queued cells."""
    made = lab(root, plan_of(("villain", "nurse"), (0, 2, 4), experiment="small"))
    made.share("villain")
    made.share("nurse")
    made.done("villain", 0, 0.0)
    made.done("villain", 2, 0.45)
    made.done("nurse", 0, 0.12)
    made.fail(Stage.EVAL, "nurse", 2, log=LOG)
    made.want(job_id(stage, "villain", 4, 42) for stage in CELL_STAGES)
    made.want(job_id(stage, "nurse", 4, 42) for stage in CELL_STAGES)
    made.start(job_id(Stage.TRAIN, "villain", 4, 42), percent=30, log="step 30\n")
    made.beat(meter=meter())
    return made.flush()
