"""Runs one grid through the engine in two ways: warm or not, with one worker or with several."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tuilab.cli.bench.report import JobRun, Spent, differences, read_runs, spent
from tuilab.cli.doctor.config_fit import places_for
from tuilab.cli.errors import ERROR, OK, USAGE, RefusalError
from tuilab.cli.experiments import make_experiment
from tuilab.cli.output import document, out, tell
from tuilab.cli.verbs.run import run_cells
from tuilab.grid.config_text import LoadedConfig, change_config
from tuilab.grid.jobs import ancestors
from tuilab.grid.stages import Stage
from tuilab.store.layout import Layout
from tuilab.store.lease import holder
from tuilab.store.program_name import program, quoted
from tuilab.store.read_state import read_state
from tuilab.store.replan import read_config


@dataclass(frozen=True, slots=True)
class Way:
    """One way of running a grid."""

    name: str
    runner: str = "runners.serve"
    workers: int = 1


WARM_OR_NOT = (Way("warm worker"), Way("one process per job", "runners.serve_fresh"))
LEAVING_SECONDS = 60.0
"""How long an engine without work may take to close its worker and exit."""
SMALL = """\
extends = "tiny.toml"
name = "bench"
sources = {sources}
epochs = [0, 2]
[resources]
workers = 1
threads = 1
reserve_gb = 0.5
"""
"""One source for each worker at two epochs of the tiny grid."""
SOURCES = ("villain", "comedian", "medical_doctor")


Timed = tuple[float, list[JobRun]]
"""When a grid was started (unix time), and what became of each of its jobs."""


def bench_grid(
    config: Path | None, where: str | None, warm_only: bool, as_json: bool, workers: int = 1
) -> int:
    """Run the grid each way; 1 when the results differ.

    The ways are a warm worker and one process per job or, for several ``workers``, one warm worker
    and so many.

    The experiments are kept in ``where``, else in a folder that is removed once all has gone well:
    one that did not finish may still have an engine, and is kept to look at.
    """
    ways = WARM_OR_NOT[: 1 if warm_only else None]
    if workers > 1:
        ways = (Way("1 worker"), Way(f"{workers} workers", workers=workers))
    folder = Path(where or mkdtemp(prefix="tuilab-bench-"))
    loaded = _load(config, folder, workers)
    refuse_without_places(loaded, workers)
    found = {way.name: _run(loaded, way, folder / way.name.replace(" ", "-")) for way in ways}
    if where is None:
        shutil.rmtree(folder, ignore_errors=True)
    times = {way.name: spent(found[way.name][1], found[way.name][0], way.workers) for way in ways}
    differ = differences(*(runs for _, runs in found.values())) if len(found) == 2 else None
    if as_json:
        document(_as_json(loaded, found, times, differ))
    else:
        for line in _report(times, differ):
            out(line)
    return ERROR if differ else OK


def refuse_without_places(loaded: LoadedConfig, workers: int) -> None:
    """Return if so many workers find a place on this machine now; else RefusalError."""
    resources = loaded.config.resources.model_copy(update={"workers": workers})
    places = places_for(loaded.config.model_copy(update={"resources": resources}))
    if places.workers < workers:
        raise RefusalError(f"this machine can run {places.workers} at a time, not {workers}", USAGE)


def _load(config: Path | None, folder: Path, workers: int) -> LoadedConfig:
    folder.mkdir(parents=True, exist_ok=True)
    if config is not None:
        return read_config(config)
    return written(folder / "bench.toml", SMALL.format(sources=json.dumps(SOURCES[:workers])))


def written(path: Path, text: str) -> LoadedConfig:
    """Write the config of a grid, and read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return read_config(path)


def _run(loaded: LoadedConfig, way: Way, root: Path) -> Timed:
    """Run every cell; RefusalError unless every job came to an outcome.

    A job whose outcome the engine suspects counts: random weights write no sensible text.
    """
    tell(f"{way.name}:")
    began = time.time()
    return began, run_to_the_end(changed(loaded, way), root)


def run_to_the_end(loaded: LoadedConfig, root: Path, cells: Sequence[str] = ()) -> list[JobRun]:
    """Make or continue an experiment and run what its ``cells`` (all) lack, as in ``_run``.

    Scoring is no part of it: it takes no time, and waits for ever behind text that is suspect.
    """
    planned = make_experiment(loaded, root)
    chosen = set(read_state(root, planned).cells(cells))
    own = {job.id for job in planned.jobs if job.cell in chosen and job.stage is not Stage.SCORE}
    jobs = own | ancestors(planned, own)
    if len(runs := read_runs(Layout(root), jobs)) < len(jobs):
        run_cells(root, planned, list(cells), headless=True, as_json=True)
        _wait_until_left(root)
        runs = read_runs(Layout(root), jobs)
    if len(runs) < len(jobs):
        raise RefusalError(f"{root}: the grid did not finish; see the messages above", ERROR)
    return runs


def _wait_until_left(root: Path) -> None:
    """The next grid and the removal of the folder must not meet this one's engine."""
    deadline = time.monotonic() + LEAVING_SECONDS
    while holder(Layout(root), time.time()) is not None:
        if time.monotonic() > deadline:
            raise RefusalError(
                f"{root} still has an engine: stop its work with `{program()} stop {quoted(root)}`",
                ERROR,
            )
        time.sleep(0.1)


def changed(loaded: LoadedConfig, way: Way) -> LoadedConfig:
    """Return the config for this way, in text and value alike."""
    runner = ["python", "-m", way.runner]
    changes = {"runner": runner, "workers": way.workers, "engine_idle_seconds": 1.0}
    return change_config(loaded, {f"resources.{key}": value for key, value in changes.items()})


def _report(times: dict[str, Spent], differ: list[str] | None) -> list[str]:
    stages = list(next(iter(times.values())).stages)
    rows = [(name, [f"{one.stages[name]:.1f}" for one in times.values()]) for name in stages]
    rows.append(("wall, in seconds", [f"{one.wall:.1f}" for one in times.values()]))
    rows.append(("overhead per job", [f"{one.overhead_per_job:.2f}" for one in times.values()]))
    later = [one.overhead_per_later_job for one in times.values()]
    rows.append(
        ("  after the first", ["n/a" if value is None else f"{value:.2f}" for value in later])
    )
    jobs = next(iter(times.values())).jobs
    lines = [f"{f'{jobs} jobs':24}" + "".join(f"{way:>22}" for way in times)]
    lines += [f"{name:24}" + "".join(f"{value:>22}" for value in values) for name, values in rows]
    if differ is not None:
        lines.append(_verdict(times))
        lines += differ or ["same results: files, metrics and training losses of every job"]
    return lines


def _verdict(times: dict[str, Spent]) -> str:
    (first, one), (second, other) = times.items()
    if other.workers > 1:
        return f"{second} are {one.wall / other.wall:.2f} times faster"
    return f"the {first} is {other.wall / one.wall:.2f} times faster"


def _as_json(
    loaded: LoadedConfig, found: dict[str, Timed], times: dict[str, Spent], differ: list[str] | None
) -> dict[str, Any]:
    walls = [one.wall for one in times.values()]
    return {
        "config": loaded.config.name,
        "model": loaded.config.base.model,
        "ways": {
            way: {**asdict(one), "runs": [_run_as_json(run) for run in found[way][1]]}
            for way, one in times.items()
        },
        "times_faster": walls[1] / walls[0] if len(walls) == 2 else None,
        "equal": None if differ is None else not differ,
        "differences": differ,
    }


def _run_as_json(run: JobRun) -> dict[str, Any]:
    return {
        "job": run.job,
        "seconds": run.finished_at - run.started_at,
        "timings": dict(run.timings),
        "peak_memory": dict(run.peak_memory),
    }
