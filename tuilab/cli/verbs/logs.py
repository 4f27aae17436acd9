"""``tuilab logs``: what the runner of a cell printed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from tuilab.cli import complete
from tuilab.cli.errors import OK, USAGE, RefusalError
from tuilab.cli.output import document, out, tell
from tuilab.cli.resolve import find_grid
from tuilab.cli.verbs.arguments import AsJson, Dir
from tuilab.contract.foreign import clean_line
from tuilab.contract.report import LOG_FILE, OUTCOME_FILE
from tuilab.contract.tail import tail_lines
from tuilab.grid.cells import select
from tuilab.grid.endings import ending_words, short_ending
from tuilab.grid.experiment_state import ExperimentState, job_of
from tuilab.grid.jobs import job_id
from tuilab.grid.stages import OWN_STAGES
from tuilab.grid.states import Attempt, State, derive_cell
from tuilab.store.layout import Layout
from tuilab.store.read_state import read_state

_FIRST_BYTES = 256 * 1024
_LONGEST_LINE = 2000
_LONGEST_KEPT = 4 * _LONGEST_LINE


def logs(
    directory: Dir,
    what: Annotated[
        str,
        typer.Argument(
            metavar="CELL|JOB",
            help="villain@4, converge/villain#42, or engine",
            autocompletion=complete.logs,
        ),
    ],
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Follow until it ends.")] = False,
    stage: Annotated[
        str | None,
        typer.Option(
            "--stage",
            metavar="STAGE",
            help="Another stage of the cell.",
            autocompletion=complete.one_of(lambda: OWN_STAGES),
        ),
    ] = None,
    attempt: Annotated[
        int | None,
        typer.Option(
            "--attempt", metavar="N", min=1, help="Attempt number; by default the newest."
        ),
    ] = None,
    lines: Annotated[
        int, typer.Option("-n", "--lines", metavar="N", min=1, help="Number of last lines.")
    ] = 200,
    as_json: AsJson = False,
) -> int:
    """Show the log of a cell, a job or the engine.

    For a cell: the stage that is running, failed, or finished last.

    \b
    tuilab logs runs/tiny villain@4
    tuilab logs runs/tiny villain@4 --stage train -f
    tuilab logs runs/tiny engine
    """
    if follow and as_json:
        raise RefusalError("give --follow or --json, not both", USAGE)
    root = find_grid(directory)
    if what == "engine":
        path, is_open, ending = Layout(root).engine_log, None, ""
        if not path.exists():
            raise RefusalError(f"no engine has run for {root} yet")
    else:
        path, is_open, ending = _log_of(root, what, stage, attempt)
    # An attempt that ended without an outcome writes no more: following it would never end.
    read = _read(path, lines, follow and not ending, is_open)
    shown = (clean_line(line, _LONGEST_LINE) for line in read)
    ended = clean_line(ending, _LONGEST_LINE)
    if as_json:
        document({"log": str(path), "lines": list(shown), "ending": ended or None})
        return OK
    tell(str(path))
    for line in shown:
        out(line)
    if ended:
        tell(ended)
    return OK


def _log_of(root: Path, what: str, stage: str | None, number: int | None) -> tuple[Path, Path, str]:
    """Return the log, the file that appears when the attempt ends, and how it ended if badly."""
    state = read_state(root)
    job = _job(state, what, stage)
    known = state.of(job)
    if known.last is None:
        raise RefusalError(f"{job} has not run yet ({state.statuses[job].state.value})")
    number = number or known.last.number
    directory = Layout(root).attempt_dir(job, number)
    if number not in (have := [one.number for one in known.attempts]):
        told = ", ".join(map(str, have))
        raise RefusalError(f"{job} has no attempt {number}; it has: {told}", USAGE)
    if not directory.is_dir():
        raise RefusalError(f"the files of {job} attempt {number} are gone: {directory}")
    return directory / LOG_FILE, directory / OUTCOME_FILE, _ending(job, number, known.attempts)


def _ending(job: str, number: int, attempts: Sequence[Attempt]) -> str:
    found = next((one for one in attempts if one.number == number), None)
    if found is None or not short_ending(found):
        return ""
    return f"{job} attempt {number} {ending_words(found)}"


def _job(state: ExperimentState, what: str, stage: str | None) -> str:
    if (job := job_of(what, state.plan)) is not None:
        return job
    cells = select(what, state.plan.cells)
    if len(cells) > 1:
        shown = ", ".join(map(str, cells[:4]))
        raise RefusalError(f"{what} names {len(cells)} cells ({shown}, ...): name one", USAGE)
    place = (cells[0].source, cells[0].epoch, cells[0].seed)
    jobs = {one.value: job_id(one, *place) for one in OWN_STAGES}
    own = {name: state.statuses[job] for name, job in jobs.items() if job in state.statuses}
    if stage is not None:
        if stage not in own:
            raise RefusalError(f"unknown stage {stage!r}: a cell has {', '.join(own)}", USAGE)
        return own[stage].job
    began = [status for status in own.values() if status.attempt]
    if not began or all(status.state is State.DONE for status in own.values()):
        return (began or [*own.values()])[-1].job
    return derive_cell(began).job


def _read(path: Path, count: int, follow: bool, closing: Path | None) -> Iterator[str]:
    """Yield the last lines, then new ones while following; ends when ``closing`` appears."""
    if not path.exists() and not follow:
        return
    found = tail_lines(path, _FIRST_BYTES)
    yield from [line for line in found if line.strip()][-count:]
    if not follow:
        return
    offset = path.stat().st_size if path.exists() else 0
    rest = ""
    while True:
        is_last = closing is not None and closing.exists()
        chunk = b""
        if path.exists():
            with path.open("rb") as file:
                if file.seek(0, 2) < offset:  # emptied and begun again
                    offset, rest = 0, ""
                file.seek(offset)
                chunk = file.read(_FIRST_BYTES)
            offset += len(chunk)
            *whole, rest = (rest + chunk.decode("utf-8", errors="replace")).split("\n")
            yield from whole
            # Enough to show: a line that never ends costs no memory.
            rest = rest.rsplit("\r", 1)[-1][:_LONGEST_KEPT]
        if len(chunk) == _FIRST_BYTES:
            continue
        if is_last:
            if rest:
                yield rest
            return
        time.sleep(0.25)
