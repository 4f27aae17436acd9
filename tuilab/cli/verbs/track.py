"""``tuilab track refill``: brings an experiment tracker up to what our own event files say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer

from tuilab.cli import complete
from tuilab.cli.errors import ERROR, OK, USAGE, RefusalError, guarded
from tuilab.cli.output import document, out, plain
from tuilab.cli.resolve import find_experiment
from tuilab.cli.runner_programs import runner_environment
from tuilab.cli.verbs.arguments import AsJson, DryRun, OptionalDir
from tuilab.grid.text import count_of
from tuilab.store.reader import Reader
from tuilab.store.tracker_copies import Lacking, lacking

_PROGRAM = "runners.tracker.copy_events"
_MODES = ("online", "offline")

track = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@track.callback()
def _only_subcommands() -> None:
    """Copy events to Weights & Biases. The events.jsonl of each attempt stays the source."""


def refill(
    directory: OptionalDir = None,
    mode: Annotated[
        str | None,
        typer.Option(
            "--mode",
            metavar="MODE",
            help="online or offline; by default as the run was.",
            autocompletion=complete.one_of(lambda: _MODES),
        ),
    ] = None,
    project: Annotated[
        str | None, typer.Option("--project", metavar="NAME", help="Copy to this project.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also attempts that are already copied.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> int:
    """Copy attempts that are missing or incomplete in Weights & Biases, under the same ids.

    Running jobs copy themselves. Online mode needs WANDB_API_KEY in the environment.

    \b
    tuilab track refill runs/tiny --dry-run
    tuilab track refill runs/tiny --mode online
    """
    missing = _missing(directory, _overrides(mode, project), everything)
    told: list[dict[str, Any]] = []
    looks = ({"order": index} for index in range(len(missing)))
    for one, state in zip(missing, looks if dry_run else _copied(missing), strict=False):
        told.append({"job": one.job, "attempt": one.attempt, "why": one.why, **state})
        if not as_json:
            words = one.why if dry_run else _words(state)
            out(plain(f"{one.job} attempt {one.attempt}: {words}"))
    whole, count = sum(bool(entry.get("is_complete")) for entry in told), len(missing)
    if as_json:
        document({"lacking": count, "copied": whole, "attempts": told})
    elif dry_run:
        out(f"{count_of(count, 'attempt')} would be copied")
    else:
        out(f"{whole} of {count_of(count, 'attempt')} copied" if count else "nothing to copy")
    return OK if dry_run or whole == count else ERROR


track.command("refill")(guarded(refill))


def _overrides(mode: str | None, project: str | None) -> dict[str, str]:
    chosen = mode or os.environ.get("WANDB_MODE")
    if chosen is not None and chosen not in _MODES:
        raise RefusalError(f"unknown mode {chosen!r}: use {' or '.join(_MODES)}", USAGE)
    given = {"mode": chosen, "project": project}
    return {name: value for name, value in given.items() if value}


def _missing(directory: str | None, overrides: dict[str, str], everything: bool) -> list[Lacking]:
    reader = Reader(find_experiment(directory))
    if reader.is_results_only:
        raise RefusalError("these are results only: there are no events to copy")
    reader.poll(time.time())
    return lacking(reader, overrides, redo=everything)


def _copied(missing: Sequence[Lacking]) -> Iterator[dict[str, Any]]:
    """Run the copying program over all orders; yield the state of each copy as it ends."""
    folder = missing[0].order.folder
    folder.mkdir(parents=True, exist_ok=True)
    log_path = folder / "log.txt"
    with (
        log_path.open("ab") as log,
        subprocess.Popen(
            [sys.executable, "-m", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=runner_environment(),
            text=True,
        ) as process,
    ):
        assert process.stdin is not None and process.stdout is not None, "started with pipes"
        with suppress(BrokenPipeError):  # it died already: its log says why
            process.stdin.write("".join(one.order.as_json() + "\n" for one in missing))
            process.stdin.close()
        heard = 0
        for line in process.stdout:
            if line.startswith("{"):
                heard += 1
                yield json.loads(line)
    if heard < len(missing):
        raise RefusalError(f"the copy program ended early: see {log_path}")


def _words(state: dict[str, Any]) -> str:
    if state.get("is_complete"):
        return f"{state['copied']} events in {state['run']} ({state['mode']})"
    return f"not copied: {state.get('problem') or 'it was interrupted'}"
