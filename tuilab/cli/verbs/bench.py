"""``tuilab bench``: what this machine can do, measured by the runners."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tuilab.cli.bench.full import bench_full
from tuilab.cli.bench.grid import bench_grid
from tuilab.cli.bench.scaling import bench_scaling
from tuilab.cli.errors import ERROR, USAGE, RefusalError
from tuilab.cli.output import document, tell
from tuilab.cli.runner_programs import refuse_without_libraries, run_module
from tuilab.cli.verbs.arguments import AsJson, Where


def bench(
    tiny: Annotated[bool, typer.Option("--tiny", help="Use the tiny base, also on a GPU.")] = False,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Use the exact 7B shape without its weights.")
    ] = False,
    minutes: Annotated[
        float,
        typer.Option(
            "--minutes", metavar="N", min=0.0, help="Start no measurement after this many minutes."
        ),
    ] = 8.0,
    only: Annotated[
        str | None,
        typer.Option(
            "--only", metavar="NAMES", help="Measurements to make, separated by ; (such as checks)."
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", metavar="N", min=1, help="CPU threads.")
    ] = None,
    grid: Annotated[
        bool,
        typer.Option("--grid", help="Run a small grid instead, warm and with one process per job."),
    ] = False,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="With --grid: run this config.")
    ] = None,
    warm_only: Annotated[
        bool, typer.Option("--warm-only", help="With --grid: only warm workers.")
    ] = False,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            metavar="N",
            min=1,
            help="With --grid: compare one warm worker with this many.",
        ),
    ] = 1,
    full: Annotated[
        bool, typer.Option("--full", help="With --grid: two full cells at the 7B shape, on a GPU.")
    ] = False,
    where: Where = None,
    as_json: AsJson = False,
) -> int:
    """Measure training, merging and decoding here; print seconds per stage and grid hours.

    By default: the tiny base on a CPU, random weights of the 7B shape on a GPU. --grid runs a
    small grid through the engine twice, with a warm worker and with one process per job, and
    compares times and results; with --workers 2 one worker and two, each on its own GPU if there
    are GPUs. --grid --full trains and evaluates two full-size cells of the published grid on random
    weights, about 15 minutes on one GPU, and works out the hours of the grid; if interrupted, the
    same command continues. With --workers N it gives one card two short cells, then each of N cards
    two of its own, and says how the grid scales.

    \b
    tuilab bench --tiny --minutes 2
    tuilab bench --random-weights --json > bench.json
    tuilab bench --grid
    tuilab bench --grid --workers 2 --config two-gpus.toml
    tuilab bench --grid --full --dir /data/bench
    tuilab bench --grid --full --workers 8 --dir /data/bench
    """
    if tiny and random_weights:
        raise RefusalError("--tiny and --random-weights are two models: choose one", USAGE)
    if (config or warm_only or where or full or workers > 1) and not grid:
        raise RefusalError("--config, --dir, --full, --workers and --warm-only need --grid", USAGE)
    if full and (config or warm_only):
        raise RefusalError("--full has its own config and warm workers: leave out the rest", USAGE)
    if warm_only and workers > 1:
        raise RefusalError("--workers already compares warm workers: leave out --warm-only", USAGE)
    refuse_without_libraries("tuilab bench")
    if full and workers > 1:
        return bench_scaling(where, workers, as_json)
    if full:
        return bench_full(where, as_json)
    if grid:
        return bench_grid(config, where, warm_only, as_json, workers)
    arguments = ["--minutes", str(minutes)]
    arguments += ["--tiny"] * tiny + ["--random-weights"] * random_weights
    arguments += ["--only", only] if only else []
    arguments += ["--threads", str(threads)] if threads else []
    if not as_json:
        return run_module("runners.bench", arguments)[0]
    return as_json_document(arguments)


def as_json_document(arguments: list[str], module: str = "runners.bench") -> int:
    """Print the measurements as the one document; the progress goes to stderr."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.json"
        code, table = run_module(module, [*arguments, "--json", str(path)], capture=True)
        if not path.exists():
            raise RefusalError("bench measured nothing; see its messages above", code or ERROR)
        tell(table.rstrip())
        document(json.loads(path.read_text(encoding="utf-8")))
    return code
