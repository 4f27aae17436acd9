"""Runs one grid through the engine, with a warm worker and with one process per job."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from tuilab.cli.comparing_ways import JobRun, Spent, differences, read_runs, spent
from tuilab.cli.guard import ERROR, OK, RefusalError

if TYPE_CHECKING:
    from tuilab.grid.config_text import LoadedConfig

WAYS = {
    "warm worker": ("python", "-m", "runners.serve"),
    "one process per job": ("python", "-m", "runners.serve_fresh"),
}
LEAVING_SECONDS = 60.0
"""How long an engine without work may take to close its worker and leave."""
SMALL = """\
extends = "tiny.toml"
name = "bench"
sources = ["villain"]
epochs = [0, 2]
[resources]
workers = 1
threads = 1
reserve_gb = 0.5
"""
"""One source at two epochs of the tiny grid."""


Timed = tuple[float, list[JobRun]]
"""When a grid was asked for (unix time), and what each of its jobs came to."""


def bench_grid(config: Path | None, where: str | None, warm_only: bool, as_json: bool) -> int:
    """Run the grid each way; 1 when the results differ.

    The experiments are kept in ``where``, else in a folder that is removed once all has gone well:
    one that did not finish may still have an engine, and is there to look at.
    """
    from tuilab.cli.say import document, out

    ways = list(WAYS)[: 1 if warm_only else None]
    folder = Path(where or mkdtemp(prefix="tuilab-bench-"))
    loaded = _load(config, folder)
    found = {way: _run(loaded, way, folder / way.replace(" ", "-")) for way in ways}
    if where is None:
        shutil.rmtree(folder, ignore_errors=True)
    times = {way: spent(runs, began) for way, (began, runs) in found.items()}
    differ = differences(*(runs for _, runs in found.values())) if len(found) == 2 else None
    if as_json:
        document(_as_json(loaded, found, times, differ))
    else:
        for line in _report(times, differ):
            out(line)
    return ERROR if differ else OK


def _load(config: Path | None, folder: Path) -> LoadedConfig:
    from tuilab.store.replan import read_config

    folder.mkdir(parents=True, exist_ok=True)
    if config is None:
        config = folder / "bench.toml"
        config.write_text(SMALL, encoding="utf-8")
    return read_config(config)


def _run(loaded: LoadedConfig, way: str, root: Path) -> Timed:
    """Run every cell; RefusalError unless every job came to an outcome.

    A job whose outcome the engine suspects counts: random weights write no sensible text.
    """
    from tuilab.cli.launching import make_experiment
    from tuilab.cli.say import tell
    from tuilab.cli.verbs.run import run_cells
    from tuilab.store.layout import Layout

    changed = _with_runner(loaded, WAYS[way])
    tell(f"{way}:")
    planned = make_experiment(changed, root)
    began = time.time()
    run_cells(root, planned, [], headless=True, as_json=True)
    _wait_until_left(root)
    runs = read_runs(Layout(root), [job.id for job in planned.jobs])
    if len(runs) < len(planned.jobs):
        raise RefusalError(f"{root}: the grid did not finish; its messages are above", ERROR)
    return began, runs


def _wait_until_left(root: Path) -> None:
    """The next grid and the removal of the folder must not meet this one's engine."""
    from tuilab.store.layout import Layout
    from tuilab.store.lease import holder

    deadline = time.monotonic() + LEAVING_SECONDS
    while holder(Layout(root), time.time()) is not None:
        if time.monotonic() > deadline:
            raise RefusalError(f"{root} still has an engine: `tuilab stop {root}` ends it", ERROR)
        time.sleep(0.1)


def _with_runner(loaded: LoadedConfig, runner: tuple[str, ...]) -> LoadedConfig:
    """Return the config for one job at a time in this way, in text and value alike."""
    import tomlkit

    from tuilab.grid.config_text import load_config

    text = tomlkit.parse(loaded.text)
    text.setdefault("resources", tomlkit.table())
    text["resources"].update({"runner": list(runner), "workers": 1, "engine_idle_seconds": 1.0})
    return load_config(loaded.files[0], tomlkit.dumps(text), _read_nothing)


def _read_nothing(name: str, by: str) -> tuple[str, str]:
    raise FileNotFoundError(f"{by} names {name}, but it should stand alone")


def _report(times: dict[str, Spent], differ: list[str] | None) -> list[str]:
    stages = list(next(iter(times.values())).stages)
    rows = [(name, [f"{one.stages[name]:.1f}" for one in times.values()]) for name in stages]
    rows.append(("all, in seconds", [f"{one.wall:.1f}" for one in times.values()]))
    rows.append(("overhead per job", [f"{one.overhead_per_job:.2f}" for one in times.values()]))
    later = [one.overhead_per_later_job for one in times.values()]
    rows.append(
        ("  after the first", ["n/a" if value is None else f"{value:.2f}" for value in later])
    )
    jobs = next(iter(times.values())).jobs
    lines = [f"{f'{jobs} jobs':24}" + "".join(f"{way:>22}" for way in times)]
    lines += [f"{name:24}" + "".join(f"{value:>22}" for value in values) for name, values in rows]
    if differ is not None:
        warm, fresh = (one.wall for one in times.values())
        lines.append(f"the warm worker is {fresh / warm:.2f} times faster")
        lines += differ or ["results equal: files, metrics and training losses of every job"]
    return lines


def _as_json(
    loaded: LoadedConfig,
    found: dict[str, Timed],
    times: dict[str, Spent],
    differ: list[str] | None,
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
