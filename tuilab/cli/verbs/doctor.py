"""``tuilab doctor``: can this machine do it, and if not, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuilab.cli import complete
from tuilab.cli.doctor.findings import examine
from tuilab.cli.errors import ERROR, OK
from tuilab.cli.output import document, out, plain, tell
from tuilab.cli.resolve import Place, find_place
from tuilab.cli.verbs.arguments import AsJson
from tuilab.engine.places import SCHEDULERS
from tuilab.grid.checks import Check, Level
from tuilab.store.find_experiments import RUNS, is_results_only
from tuilab.store.layout import Layout
from tuilab.store.replan import read_config

if TYPE_CHECKING:
    from tuilab.engine.decide.phase import Opinion
    from tuilab.grid.config import ExperimentConfig


def doctor(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="DIR|CONFIG",
            help="Also check this experiment's needs.",
            autocompletion=complete.experiments_or_configs,
        ),
    ] = None,
    probe: Annotated[
        bool, typer.Option(help="Ask the runners which libraries and devices they see.")
    ] = True,
    on: Annotated[
        str,
        typer.Option(
            "--on",
            metavar="PLACE",
            help="Send one worker to slurm or ray instead.",
            autocompletion=complete.one_of(lambda: SCHEDULERS),
        ),
    ] = "",
    wait: Annotated[
        float,
        typer.Option(
            "--wait", metavar="SECONDS", min=1.0, help="With --on: how long to wait for it."
        ),
    ] = 120.0,
    as_json: AsJson = False,
) -> int:
    """Check libraries, driver, GPU, disk, caches, tokens, leftover processes and the terminal.

    With an experiment or a config, also whether this machine has what it needs. --on sends one
    worker to Slurm or Ray, as that config asks, and reports what it found there: programs, GPU, and
    how either side sees the volume.

    \b
    tuilab doctor
    tuilab doctor runs/tiny --json
    tuilab doctor configs/eps109.toml --on slurm
    """
    place = find_place(what) if what else Place()
    root = place.root or Path(RUNS)
    config = _config_of(place)
    looks: Iterable[Check]
    if on:
        from tuilab.cli.doctor.place import examine_place  # schedulers, which a look here needs not

        looks = examine_place(on, root, config, wait, _say_opinion)
    else:
        looks = examine(root, with_probe=probe, config=config)
    is_bad, findings = False, []
    for one in looks:
        is_bad |= one.level is Level.BLOCKING
        findings.append(one)
        if not as_json:
            out(f"{one.level.sign:^3} {one.name:<12} {plain(one.sentence)}")
    if as_json:
        document({"ok": not is_bad, "findings": [asdict(one) for one in findings]})
    return ERROR if is_bad else OK


def _say_opinion(opinion: Opinion) -> None:
    tell(f"{opinion.word.value}{f': {plain(opinion.why)}' if opinion.why else ''}")


def _config_of(place: Place) -> ExperimentConfig | None:
    """Return the config of a place; None for nothing, and for an experiment of results only."""
    root, path = place.root, place.config
    if root is not None and not is_results_only(root):
        path = Layout(root).config
    return None if path is None else read_config(path).config
