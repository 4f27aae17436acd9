"""``tuilab export``: a cell's merged model, or its adapters, as standard files for others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tuilab.cli.errors import OK, USAGE, RefusalError
from tuilab.cli.output import document, out, tell
from tuilab.cli.resolve import find_grid
from tuilab.cli.runner_programs import refuse_without_libraries, run_module
from tuilab.cli.verbs.arguments import AsJson, Dir
from tuilab.grid.cells import select
from tuilab.grid.jobs import job_id
from tuilab.grid.stages import Stage
from tuilab.grid.states import State
from tuilab.grid.text import count_of
from tuilab.report.adapter_files import copy_adapters
from tuilab.store.layout import Layout
from tuilab.store.state import read_state

Out = Annotated[str, typer.Option("--out", metavar="FOLDER", help="A new folder.")]
AdapterOnly = Annotated[
    bool, typer.Option("--adapter", help="Only the adapters, as trained; needs no torch.")
]


def export(
    directory: Dir,
    cell: Annotated[str, typer.Argument(metavar="CELL", help="villain@4 or villain@4#42")],
    out_folder: Out,
    adapter: AdapterOnly = False,
    as_json: AsJson = False,
) -> int:
    """Write a cell's merged model or its adapters as standard files.

    The model is merged again and compared with the record of the run.

    \b
    tuilab export runs/tiny villain@4 --out villain-4
    tuilab export runs/tiny villain@4 --out villain-4-adapter --adapter
    """
    root = find_grid(directory)
    target = Path(out_folder).expanduser()
    if target.exists():
        raise RefusalError(f"{target} exists: name a new folder", USAGE)
    files = _adapters(root, cell, target) if adapter else _merged(root, cell, target)
    if as_json:
        document({"out": str(target), "files": files})
    else:
        out(f"{target}: {count_of(len(files), 'file')}")
        for name in files:
            out(f"  {name}")
    return OK


def _merged(root: Path, cell: str, target: Path) -> list[str]:
    attempt = _finished(root, cell, Stage.MERGE)
    refuse_without_libraries("tuilab export")
    tell("merging again and comparing with the merge record")
    given = [str(attempt.absolute()), str(target.absolute())]
    code, text = run_module("runners.export", given, capture=True)
    if code:
        raise RefusalError(f"{cell} was not exported; see the messages above", code)
    return _relative(json.loads(text)["files"], target)


def _adapters(root: Path, cell: str, target: Path) -> list[str]:
    train = _finished(root, cell, Stage.TRAIN)
    return _relative(copy_adapters(train, target), target)


def _finished(root: Path, text: str, stage: Stage) -> Path:
    """Return the attempt behind a cell's stage; RefusalError when its result is not current."""
    state = read_state(root)
    cells = select(text, state.plan.cells)
    if len(cells) > 1:
        raise RefusalError(f"{text} names {len(cells)} cells: name one, like {cells[0]}", USAGE)
    job = job_id(stage, cells[0].source, cells[0].epoch, cells[0].seed)
    word, done = state.statuses[job].state, state.of(job).last_done
    if word is not State.DONE or done is None:
        raise RefusalError(
            f"{job} is {word.value}: only a finished, current result can be exported"
        )
    return Layout(root).attempt_dir(job, done.number)


def _relative(files: list[str], target: Path) -> list[str]:
    root = target.absolute()
    return [str(Path(name).absolute().relative_to(root)) for name in files]
