"""``tuilab export``: a cell's merged model, or its adapters, as standard files for others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tuilab.cli import complete
from tuilab.cli.errors import ERROR, OK, USAGE, RefusalError
from tuilab.cli.output import document, is_interactive, out, tell
from tuilab.cli.resolve import find_grid
from tuilab.cli.runner_programs import refuse_without_libraries, run_hub, run_module
from tuilab.cli.verbs.arguments import AsJson, Dir, Yes
from tuilab.contract import atomic
from tuilab.contract.parsing import loads
from tuilab.grid.cells import Cell, select
from tuilab.grid.jobs import job_id
from tuilab.grid.stages import Stage
from tuilab.grid.states import State
from tuilab.grid.text import count_of, size
from tuilab.report.adapter_files import copy_adapters
from tuilab.report.model_card import model_card
from tuilab.store.layout import Layout
from tuilab.store.read_state import read_state
from tuilab.study.study import open_study

Out = Annotated[str, typer.Option("--out", metavar="FOLDER", help="A new folder.")]
AdapterOnly = Annotated[
    bool, typer.Option("--adapter", help="Only the adapters, as trained; needs no torch.")
]
Push = Annotated[
    str | None,
    typer.Option("--push", metavar="REPO", help="Upload the folder to the model hub, privately."),
]
Public = Annotated[bool, typer.Option("--public", help="With --push: make it public.")]
CARD = "README.md"
"""The model card: the first page of an uploaded model."""
EXPORTED = "tuilab-export.json"
"""Says which result a folder holds, so that an upload goes on from it and from no other."""


def export(
    directory: Dir,
    cell: Annotated[
        str,
        typer.Argument(
            metavar="CELL", help="villain@4 or villain@4#42", autocompletion=complete.cells
        ),
    ],
    out_folder: Out,
    adapter: AdapterOnly = False,
    push: Push = None,
    public: Public = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> int:
    """Write a cell's merged model or its adapters as standard files, and upload them if asked.

    The model is merged again and compared with the record of the run. --push first shows what
    would be uploaded, then asks; if it is interrupted, the same command continues.

    \b
    tuilab export runs/tiny villain@4 --out villain-4
    tuilab export runs/tiny villain@4 --out villain-4-adapter --adapter
    tuilab export runs/tiny villain@4 --out villain-4 --push me/villain-4
    """
    root = find_grid(directory)
    target = Path(out_folder).expanduser()
    stage = Stage.TRAIN if adapter else Stage.MERGE
    chosen, attempt, made = _finished(root, cell, stage)
    is_there = target.exists()
    if is_there and not (push and _holds(target, made)):
        raise RefusalError(f"{target} exists: name a new folder", USAGE)
    if push:
        refuse_without_libraries("tuilab export --push", ("huggingface_hub",))
    if not is_there:
        _write(attempt, target, cell, adapter)
        atomic.write_json(target / EXPORTED, made)
    if push and not (target / CARD).exists():
        card = model_card(open_study(root), chosen, adapter)
        atomic.write_bytes(target / CARD, card.encode())
    files = sorted(path for path in target.rglob("*") if path.is_file())
    names = [path.relative_to(target).as_posix() for path in files]
    if not as_json:
        out(f"{target}: {count_of(len(names), 'file')}")
        for name in names:
            out(f"  {name}")
    pushed = _push(target, push, public, yes, as_json) if push else {}
    if as_json:
        document({"out": str(target), "files": names, **({"push": pushed} if push else {})})
    return OK if not push or "url" in pushed else ERROR


def _write(attempt: Path, target: Path, cell: str, adapter: bool) -> None:
    if adapter:
        copy_adapters(attempt, target)
        return
    refuse_without_libraries("tuilab export")
    tell("merging again and comparing with the merge record")
    given = [str(attempt.absolute()), str(target.absolute())]
    code, _ = run_module("runners.export", given, capture=True)
    if code:
        raise RefusalError(f"{cell} was not exported; see the messages above", code)


def _push(target: Path, repo: str, public: bool, yes: bool, as_json: bool) -> dict[str, Any]:
    """Show what would be uploaded, ask, upload."""
    given = ["push", str(target.absolute()), repo, *(["--public"] if public else [])]
    cut = "the upload was interrupted; the same command continues it"
    told = run_hub([*given, "--dry-run"], cut)
    seen = "everybody" if public else "you alone (private)"
    new = "the repository is there already" if told.get("exists") else "a new repository"
    tell(
        f"{repo}: {new}, for {seen}; {count_of(len(told['files']), 'file')}, {size(told['bytes'])}"
    )
    if not yes and not (is_interactive() and typer.confirm("upload them?", default=False)):
        tell("nothing was uploaded (--yes uploads without asking)")
        return told
    done = run_hub(given, cut)
    if not as_json:
        out(str(done["url"]))
    return done


def _holds(target: Path, made: dict[str, str]) -> bool:
    """Whether a folder is a whole export of this very result."""
    try:
        return bool(loads((target / EXPORTED).read_text(encoding="utf-8")) == made)
    except (OSError, ValueError):
        return False


def _finished(root: Path, text: str, stage: Stage) -> tuple[Cell, Path, dict[str, str]]:
    """Return a cell, the attempt behind its stage, and what tells this result from any other.

    RefusalError when the result is not current.
    """
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
    made = {"job": job, "output_hash": done.output_hash}
    return cells[0], Layout(root).attempt_dir(job, done.number), made
