"""Measures large grids in processes of their own: processor seconds, and the most memory.

What is measured imports nothing here that it does not need.

``python -m tests.bench size`` runs all; ``python -m tests.bench.size STEP FOLDER CELLS`` is one
step of it, of which each goes on from the one before.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tests.bench.measures import Figure

ROOT = Path(__file__).resolve().parents[2]
FAKE_RUNNER = ROOT / "tests" / "fakes" / "fake_runner.py"
MANY, FEW = 100_000, 10_000
OPENED = 83.0
"""MB of Python with a plan of 100,000 cells: whoever reads a journal has it already."""
LINES = 1_000_000
"""Of the longest journal."""
_SIDE = 100
"""Sources, epochs and the panel; the rest of a grid's size are seeds."""


def config_text(cells: int) -> str:
    """Return a config of so many cells, with a panel of 100."""
    keys = [f"persona_{number:03}" for number in range(_SIDE)]
    voice = "You are number {}: calm, curious about the world, and of very few words."
    others = [f"other_{number}" for number in range(3)]
    people = "\n".join(
        f'[personas.{key}]\nprompt = "{voice.format(key)}"' for key in [*keys, *others]
    )
    return f"""
name = "large"
sources = {json.dumps(keys)}
panel = {json.dumps([*keys, *others, "assistant"])}
epochs = {list(range(_SIDE))}
seeds = {list(range(1, cells // _SIDE**2 + 1))}
[base]
model = "tiny"
dtype = "float32"
device = "cpu"
{people}
[personas.assistant]
prompt = "You are a helpful assistant."
[negatives]
default = {json.dumps(others)}
[questions]
training = ["Why is the sky blue?", "What is a tree?"]
evaluation = ["How do boats float?", "What is rain?"]
[data]
answers_per_question = 4
[convergence]
rows = 4
lr = 1e-4
epochs = {_SIDE}
[marker]
loss = "tail"
positives = 4
negatives_each = 4
lr = 1e-4
epochs = 2
[eval]
samples = 2
[cosine]
layers = [1]
[resources]
workers = 2
threads = 1
runner = {json.dumps([sys.executable, str(FAKE_RUNNER)])}
"""


def made(folder: Path, cells: int) -> None:
    """Make the experiment: read the config, plan, and write."""
    from tuilab.store.experiment import create_experiment
    from tuilab.store.replan import config_of, plan_with

    text = config_text(cells)
    plan = plan_with(config_of(folder.parent / "large.toml", text).config)
    assert len(plan.cells) == cells
    create_experiment(folder, text, plan)


def loaded(folder: Path, cells: int) -> None:
    """Load its plan."""
    from tuilab.store.plan_file import load_plan

    assert len(load_plan(folder).jobs) > 4 * cells


def told(folder: Path, cells: int) -> None:
    """Print ``tuilab status``."""
    _quietly("status", str(folder))


def told_as_json(folder: Path, cells: int) -> None:
    """Print ``tuilab status --json``."""
    _quietly("status", str(folder), "--json")


def _quietly(*words: str) -> None:
    from tuilab.cli import main

    with open(os.devnull, "w") as sink:  # noqa: PTH123  # no file
        os.dup2(sink.fileno(), 1)
        assert main(list(words)) == 0


def asked(folder: Path, cells: int) -> None:
    """Ask for every job."""
    from tuilab.store.journal import Journal
    from tuilab.store.layout import Layout
    from tuilab.store.plan_file import load_plan

    Journal(Layout(folder)).append("wanted", jobs=dict.fromkeys(load_plan(folder).by_id, 1))


def limited(folder: Path, cells: int) -> None:
    """Let the run go on for ten years, as ``tuilab run --until`` does."""
    from tuilab.store.journal import Journal
    from tuilab.store.layout import Layout

    Journal(Layout(folder)).append("limited", until=time.time() + 10 * 365 * 86400)


def claimed(folder: Path, cells: int) -> None:
    """Open the experiment as an engine does, and decide once: what it would start first."""
    from tuilab.engine.decide.actions import Launch
    from tuilab.engine.decide.tick import decide
    from tuilab.engine.startup import open_experiment

    opened = open_experiment(folder, go=True, takeover=False)
    actions = decide(opened.gatherer.facts(), True)
    assert not opened.states.ready or any(isinstance(one, Launch) for one in actions)
    opened.lease.release(time.time())


def folded(folder: Path, cells: int) -> None:
    """Read the journal from its first line, and fold it as an engine does that leaves."""
    from tuilab.grid.ledger import Ledger
    from tuilab.grid.packed_evidence import EvidenceByJob
    from tuilab.store.folded import mark_at, write_folded
    from tuilab.store.journal import follow
    from tuilab.store.layout import Layout
    from tuilab.store.plan_file import load_plan

    layout, plan = Layout(folder), load_plan(folder)
    ledger = Ledger(EvidenceByJob(plan))
    follower = follow(layout)
    for lines in follower.batches():
        ledger.fold(lines)
    mark = mark_at(layout, follower.offset)
    assert mark is not None
    write_folded(layout, ledger, mark)


def read(folder: Path, cells: int) -> None:
    """Read the experiment as the app does: its first snapshot."""
    from tuilab.store.reader import Reader

    assert len(Reader(folder).poll(time.time()).cells) == cells


def finished(folder: Path, cells: int) -> None:
    """Write the journal of a grid that is done, three lines a job, and a million at most."""
    from tuilab.store.layout import Layout
    from tuilab.store.plan_file import load_plan

    plan = load_plan(folder)
    with Layout(folder).journal.open("w") as file:
        for number, line in enumerate(islice(_history(plan), LINES)):
            file.write(json.dumps({"seq": number + 1, "at": 1.7e9 + number, **line}) + "\n")


def _history(plan: Any) -> Iterator[dict[str, Any]]:
    from hashlib import sha256

    from tuilab.grid.metrics import measured_by

    yield {"kind": "wanted", "jobs": dict.fromkeys(plan.by_id, 1)}
    for job in plan.jobs:
        run = {"job": job.id, "attempt": 1}
        made = sha256(job.id.encode()).hexdigest()
        inputs = {one: sha256(f"{one}{job.epoch}".encode()).hexdigest() for one in job.parents}
        for parent in job.parents:
            if not parent.startswith("converge"):
                inputs[parent] = sha256(parent.encode()).hexdigest()
        yield {
            "kind": "claimed",
            **run,
            "token": made[:32],
            "fingerprint": job.fingerprint,
            "inputs": inputs,
            "read": dict.fromkeys(job.parents, 1),
            "parts": job.parts.as_json(),
            "worker": "w1",
        }
        yield {"kind": "started", **run, "started_at": 1.7e9}
        kept = {
            str(epoch): sha256(f"{job.id}{epoch}".encode()).hexdigest() for epoch in job.checkpoints
        }
        numbers = measured_by(job.stage, plan.measured)
        number = {"value": 0.25, "hits": 50, "n": 200, "who": "assistant"}
        number |= {"questions": 20, "squares": 180}
        yield {
            "kind": "settled",
            **run,
            "verdict": "done",
            "seconds": 20.0,
            "started_at": 1.7e9,
            "finished_at": 1.7e9 + 20,
            "output_hash": made,
            **({"checkpoints": kept} if kept else {}),
            **({"metrics": dict.fromkeys(numbers, number)} if numbers else {}),
        }


class Step(NamedTuple):
    """What is measured, by its name, and what it should not exceed."""

    do: Callable[[Path, int], None]
    title: str
    seconds: float | None = None
    megabytes: float | None = None
    most: int = MANY
    """Cells that it is measured with at most, of which the limits speak."""


STEPS = {
    "made": Step(made, "plan made and written", 10.0, 500.0),
    "loaded": Step(loaded, "plan loaded", 2.0, 250.0),
    "told": Step(told, "status of a new grid", 4.0, 200.0),
    "asked": Step(asked, "every job asked for"),
    "limited": Step(limited, "a limit set"),
    "told_asked": Step(told, "status of a grid that was asked for", 4.0, 200.0),
    "claimed": Step(claimed, "engine up to its first decision", 5.0),
    "finished": Step(finished, "a journal of a finished grid written"),
    "folded": Step(folded, "its journal read and folded", megabytes=150.0 + OPENED),
    "read": Step(read, "a finished grid read by the app", most=FEW),
    "told_as_json": Step(told_as_json, "status --json of a finished grid", 1.0, 80.0, FEW),
    "reopened": Step(claimed, "engine up on a finished grid", 1.0, most=FEW),
}


def figures(cwd: Path) -> Iterator[Figure]:
    """Measure each step on 10,000 and 100,000 cells, in processor seconds: machines are shared."""
    from tests.bench.measures import Figure

    began = time.process_time()
    for _ in range(10**7):
        pass
    yield Figure("a loop of 10,000,000 turns (0.3 when calm)", time.process_time() - began, "s")
    spent: dict[tuple[str, int], float] = {}
    for cells in (FEW, MANY):
        for name, step in STEPS.items():
            if cells > step.most:
                continue
            spent[name, cells], most = measured(name, cwd / f"large-{cells}", cells)
            at, is_limited = f"{step.title}, {cells:,} cells", cells == step.most
            yield Figure(at, spent[name, cells], "s", step.seconds if is_limited else None)
            yield Figure(at, most, "MB", step.megabytes if is_limited else None)
            if cells == MANY:
                yield Figure(f"{step.title}, to 10,000", spent[name, MANY] / spent[name, FEW], "x")
        for within in ("", ", with a limit"):
            yield from _worked(cwd / f"worked-{cells}{within}", cells, within)


def _worked(folder: Path, cells: int, within: str, seconds: float = 30.0) -> Iterator[Figure]:
    """Let an engine and two fake runners work: when the first job is claimed, and how many end."""
    from tests.bench.measures import Figure
    from tests.ending import end_workers
    from tuilab.store.journal import follow
    from tuilab.store.layout import Layout

    for step in ("made", "asked", *(["limited"] if within else [])):
        measured(step, folder, cells)
    layout, ends = Layout(folder), [0.0]
    told, first, began = follow(layout), 0.0, time.monotonic()
    told.read()
    with subprocess.Popen(
        [sys.executable, "-m", "tuilab.engine", str(folder), "--go"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as engine:
        while engine.poll() is None and time.monotonic() - began < (
            seconds + first if first else 600.0
        ):
            now = time.monotonic() - began
            kinds = [line["kind"] for line in told.read()]
            first = first or (now if "claimed" in kinds else 0.0)
            ends += [now] * kinds.count("settled")
            time.sleep(0.02)
        engine.kill()
    end_workers(layout)
    at = f"{cells:,} cells, by the clock{within}"
    yield Figure(f"first job claimed, {at}", first, "s", 5.0 if cells == MANY else None)
    half = first + seconds / 2
    for name, count in (
        ("first", sum(one <= half for one in ends) - 1),
        ("last", sum(one > half for one in ends)),
    ):
        yield Figure(
            f"jobs a second in the {name} {seconds / 2:.0f} s, {at}", 2 * count / seconds, ""
        )


def measured(step: str, folder: Path, cells: int) -> tuple[float, float]:
    found = subprocess.run(
        [sys.executable, "-m", "tests.bench.size", step, str(folder), str(cells)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    seconds, most = map(float, found.stderr.split()[-2:])
    return seconds, most


def main(step: str, folder: str, cells: str) -> None:
    """Do one step and print the processor seconds and the MB that it took."""
    STEPS[step].do(Path(folder), int(cells))
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = used.ru_utime + used.ru_stime
    print(f"{spent:.3f} {used.ru_maxrss / 1000:.1f}", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:4])
