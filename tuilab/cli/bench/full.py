"""Runs cells of the published grid at full size through the engine, on random weights."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean, median

from tuilab.cli.bench.grid import refuse_without_places, run_to_the_end, written
from tuilab.cli.bench.report import JobRun
from tuilab.cli.doctor.config_fit import places_for
from tuilab.cli.errors import ERROR, OK, USAGE, RefusalError
from tuilab.cli.output import document, out, tell
from tuilab.cli.resolve import run_directory
from tuilab.cli.runner_programs import run_module
from tuilab.grid.config_text import LoadedConfig
from tuilab.grid.stages import Stage
from tuilab.store.program_name import quoted
from tuilab.store.replan import plan_with, read_config
from tuilab.store.shipped import configs_dir

NAME = "bench-full"
SHAPE = "Qwen2.5-7B"
REFERENCE = "eps109.toml"
CONFIG = """\
extends = "{reference}"
name = "{name}"
note = "Times only: the answers of random weights mean nothing."
reference = "none"
sources = ["villain"]
[base]
model = {model}
[data]
max_new_tokens = 350
[merge]
tolerance = 10.0
[eval]
max_new_tokens = 350
[resources]
workers = 1
engine_idle_seconds = 1.0
"""
"""One source, and its whole convergence run with all checkpoints. Answers all have the published
grid's mean length. Random weights round further apart than a trained base does."""
CELLS = ("villain@0", "villain@20")
"""The first and the last cell of the source."""


@dataclass(frozen=True, slots=True)
class StageTime:
    """What a job of one stage takes, in seconds; means over its jobs."""

    seconds: float
    work: float
    """Of these, training steps or sampling."""
    measured: int
    """Jobs behind the mean: all but the very first, which loads the base."""
    count: int
    """Jobs of this stage in the whole grid."""


@dataclass(frozen=True, slots=True)
class FullGrid:
    """What the whole grid takes, from the cells that ran."""

    stages: Mapping[str, StageTime]
    first_job: float
    """Seconds of the first job, which loads the base."""
    pause: float
    """Seconds between the end of a job and the start of the next; the median."""

    @property
    def per_cell(self) -> float:
        """Seconds of one cell's own jobs, pauses included."""
        return sum(self.stages[stage].seconds + self.pause for stage in OF_CELL)

    @property
    def outside(self) -> float:
        """Seconds of a cell outside training steps and sampling."""
        return self.per_cell - sum(self.stages[stage].work for stage in OF_CELL)

    @property
    def per_source(self) -> float:
        """Seconds of one source's convergence run, its pause included."""
        return self.stages[Stage.CONVERGE].seconds + self.pause

    @property
    def hours(self) -> float:
        """Of the whole grid on one worker."""
        jobs = sum((one.seconds + self.pause) * one.count for one in self.stages.values())
        return (jobs + self.first_job - self.stages[Stage.DATA].seconds) / 3600


OF_CELL = (Stage.TRAIN, Stage.MERGE, Stage.EVAL, Stage.COSINE)


def bench_full(where: str | None, as_json: bool) -> int:
    """Make the base, run two cells of one source, and work out the published grid's hours.

    Cut in the middle, it goes on where it was: the engine runs on, and what is done stays done.
    """
    folder = run_directory(NAME, where).absolute()
    base = folder / f"random-{SHAPE}"
    loaded = _config(folder, base)
    refuse_without_cards(loaded)
    write_base(base)
    runs = run_to_the_end(loaded, folder / "experiment", CELLS)
    found = full_grid(runs, _jobs_of_the_grid())
    if as_json:
        own = {"per_cell": found.per_cell, "outside": found.outside, "hours": found.hours}
        document({"shape": SHAPE, **asdict(found), **own, "per_source": found.per_source})
    else:
        for line in _report(found):
            out(line)
        tell(f"the base is kept for the next time: rm -r {quoted(folder)} frees its 15 GB")
    return OK


def _config(folder: Path, base: Path) -> LoadedConfig:
    text = CONFIG.format(reference=REFERENCE, name=NAME, model=json.dumps(str(base)))
    return written(folder / f"{NAME}.toml", text)


def full_grid(runs: Sequence[JobRun], jobs: Mapping[str, int]) -> FullGrid:
    """Work out a grid of so many ``jobs`` by stage from the ``runs``, in the order they began.

    RefusalError where a stage of it never ran.
    """
    first, *later = runs
    by_stage: dict[str, list[JobRun]] = {}
    for run in later:
        by_stage.setdefault(run.job.partition("/")[0], []).append(run)
    if missing := sorted(set(jobs) - set(by_stage)):
        raise RefusalError(f"nothing was measured of {', '.join(missing)}", ERROR)
    stages = {
        stage: StageTime(
            mean(run.finished_at - run.started_at for run in by_stage[stage]),
            mean(run.work for run in by_stage[stage]),
            len(by_stage[stage]),
            count,
        )
        for stage, count in jobs.items()
    }
    pauses = [after.started_at - before.finished_at for before, after in pairwise(runs)]
    return FullGrid(stages, first.finished_at - first.started_at, max(median(pauses), 0.0))


def _jobs_of_the_grid() -> Counter[str]:
    plan = plan_with(read_config(configs_dir() / REFERENCE).config)
    return Counter(str(job.stage) for job in plan.jobs if job.stage != Stage.FETCH)


def refuse_without_cards(loaded: LoadedConfig, workers: int = 1) -> None:
    """Return if so many cards are free for the config; else RefusalError."""
    if not places_for(loaded.config).cards:
        raise RefusalError("--full needs a free GPU, and this machine has none", USAGE)
    refuse_without_places(loaded, workers)


def write_base(base: Path) -> None:
    """Write the base of random weights once; one that was cut is written again."""
    if base.is_dir():
        return
    made = base.with_name(base.name + ".part")
    shutil.rmtree(made, ignore_errors=True)
    tell(f"writing random weights of the shape of {SHAPE} to {base}")
    code, _ = run_module("runners.bench.random_checkpoint", [str(made), "--shape", SHAPE])
    if code:
        raise RefusalError("the base was not written; see the messages above", code)
    made.rename(base)


def _report(found: FullGrid) -> Iterable[str]:
    yield f"{'a job, in seconds':24}{'whole':>8}{'work':>8}{'jobs':>6}{'in the grid':>13}"
    for stage, one in found.stages.items():
        yield (f"{stage:24}{one.seconds:8.1f}{one.work:8.1f}{one.measured:6}{one.count:13}")
    yield f"{'between two jobs':24}{found.pause:8.2f}"
    yield f"{'first job, with loading':24}{found.first_job:8.1f}"
    yield f"{'a cell':24}{found.per_cell:8.1f}{found.per_cell - found.outside:8.1f}"
    yield f"{'a source':24}{found.per_source:8.1f}"
    yield f"the published grid: {found.hours:.2f} hours"
