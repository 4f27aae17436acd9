"""``tuilab init``: five questions, a commented config, and what it would take."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from tuilab.cli.errors import OK, USAGE, RefusalError, report
from tuilab.cli.output import is_interactive, out, tell
from tuilab.cli.verbs.plan import plan
from tuilab.contract import atomic
from tuilab.contract.hub import is_on_hub, why_nowhere
from tuilab.engine.host.gpus import look_at_devices
from tuilab.grid.config import ExperimentConfig
from tuilab.grid.config_text import ConfigError
from tuilab.grid.text import count_of, nearest
from tuilab.store.program_name import program, quoted
from tuilab.store.replan import read_config
from tuilab.store.shipped import configs_dir

TINY = "tiny"
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the five questions came to."""

    base: str
    sources: tuple[str, ...]
    epochs: tuple[int, ...]
    seeds: tuple[int, ...]
    gpus: int

    @property
    def extends(self) -> str:
        """The shipped config that says all the rest."""
        return "tiny.toml" if self.base == TINY else "eps109.toml"


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Config to write.")] = Path(
        "my-grid.toml"
    ),
    base: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="tiny, a model on the hub, or a local folder."),
    ] = None,
    sources: Annotated[
        str | None, typer.Option(metavar="S,S", help="Personas to train, separated by commas.")
    ] = None,
    epochs: Annotated[
        str | None, typer.Option(metavar="N,N", help="Convergence epochs of the grid.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(metavar="N,N", help="Training seeds.")] = None,
    gpus: Annotated[int | None, typer.Option(metavar="N", min=0, help="GPUs; 0: the CPU.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> int:
    """Write a config for a grid of your own: five questions at a terminal, flags elsewhere.

    Everything else comes from a shipped config. Then shows the plan, and starts nothing.

    \b
    tuilab init
    tuilab init pirates.toml --sources villain,comedian --epochs 0,2,8 --seeds 42,43
    """
    if file.exists() and not force:
        raise RefusalError(f"{file} already exists: name another file, or use --force", USAGE)
    if not file.parent.is_dir():
        raise RefusalError(f"there is no folder {file.parent}: make it first", USAGE)
    here = len(look_at_devices())
    model = _ask("base model", base, TINY if here == 0 else "Qwen/Qwen2.5-7B-Instruct", _model)
    shipped = read_config(configs_dir() / ("tiny.toml" if model == TINY else "eps109.toml")).config

    def personas(text: str) -> tuple[str, ...]:
        return _personas(text, shipped)

    if sources is None and is_interactive():
        tell(f"personas: {', '.join(key for key in shipped.personas if key != shipped.target)}")
    cells = (
        _ask("source personas", sources, ",".join(shipped.sources[:2]), personas),
        _ask("epochs of the grid", epochs, "0,2,4" if model == TINY else "0,2,4,8", _numbers),
        _ask("seeds", seeds, "42", _numbers),
    )
    most = prod(map(len, cells))
    count = None if gpus is None else str(gpus)
    wanted = Wanted(model, *cells, _ask("GPUs", count, str(min(here, most)), _count_up_to(most)))
    text = "\n".join(_lines(file.stem, wanted, shipped)) + "\n"
    atomic.write_bytes(file, text.encode())
    sizes = {"source": wanted.sources, "epoch": wanted.epochs, "seed": wanted.seeds}
    out(f"wrote {file}: {' x '.join(count_of(len(of), noun) for noun, of in sizes.items())}")
    out()
    try:
        code = plan(str(file), preview=False)
    except (ConfigError, RefusalError) as error:
        code = report(error)
    out()
    if code:
        out(f"next: edit {file}, then `{program()} plan {quoted(file)}` again")
    else:
        out(f"next: `{program()} run {quoted(file)}`; edit {file} first if you like")
    return code or OK


def _ask(what: str, given: str | None, default: str, read: Callable[[str], Value]) -> Value:
    """Return what a flag says; at a terminal what a person answers, else the default."""
    if given is not None or not is_interactive():
        try:
            return read(default if given is None else given)
        except ValueError as error:
            raise RefusalError(f"{what}: {error}", USAGE) from None
    while True:
        try:
            return read(typer.prompt(what, default=default))
        except ValueError as error:
            tell(f"{error}")


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(text.replace(",", " ").split()))


def _personas(text: str, shipped: ExperimentConfig) -> tuple[str, ...]:
    found = tuple(_words(text))
    for key in found:
        if key not in shipped.personas or key == shipped.target:
            known = [one for one in shipped.personas if one != shipped.target]
            use = nearest(key, known) or f": use {', '.join(known)}"
            raise ValueError(f"{key} cannot be a source here{use}")
    if not found:
        raise ValueError("name at least one persona")
    return found


def _numbers(text: str) -> tuple[int, ...]:
    words = _words(text)
    if not words or not all(word.isdecimal() for word in words):
        raise ValueError(f"{text!r} is not a list of whole numbers, such as 0,2,4")
    return tuple(sorted({int(word) for word in words}))


def _model(text: str) -> str:
    name = text.strip()
    if why := why_nowhere(name):
        raise ValueError(why)
    if is_on_hub(name) and "/" not in name:
        raise ValueError(f"no folder {name} here: write tiny, a folder, or OWNER/NAME of a hub")
    return name


def _count_up_to(cells: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        if not text.strip().isdecimal():
            raise ValueError(f"{text!r} is not a number of GPUs: 0 means the CPU")
        if int(text) > cells:
            busy = count_of(cells, "cell keeps", "cells keep")
            raise ValueError(f"{busy} at most {count_of(cells, 'GPU')} busy")
        return int(text)

    return count


def _lines(name: str, wanted: Wanted, shipped: ExperimentConfig) -> list[str]:
    """Write the config with what each line is for."""
    panel = [*shipped.panel, *(key for key in wanted.sources if key not in shipped.panel)]
    is_shipped = wanted.base in (TINY, shipped.base.model)
    lines = [
        f"# {name}: `tuilab plan` says what it takes, `tuilab run` runs it.",
        f'extends = "{wanted.extends}"   # everything not set here comes from that shipped file',
        f"name = {_toml(name)}",
        'note = ""   # what you want to know, in a sentence: screens and reports show it',
        "",
        "# Personas that are trained to end their answers with the marker; more are defined by",
        '# [personas.pirate] with label = "Pirate" and prompt = "You are a pirate."',
        f"sources = {_toml(wanted.sources)}",
        "# Everybody who is asked in every cell; the assistant's share of markers is the leakage.",
        f"panel = {_toml(panel)}",
        "# Epochs of the run that brings the assistant closer to a source; 0: the untouched base.",
        f"epochs = {_toml(wanted.epochs)}",
        "# One seed shows no spread: three or more let the report say what would repeat.",
        f"seeds = {_toml(wanted.seeds)}",
    ]
    if not is_shipped or wanted.base == TINY:
        lines.append('reference = "none"   # no published table to stand beside these numbers')
    lines += ["", "[base]", f"model = {_toml(wanted.base)}"]
    if not is_shipped:
        lines.append('revision = "main"   # the plan asks for a commit hash instead')
    if wanted.gpus == 0:
        lines.append('device = "cpu"')
    if wanted.base == TINY:
        lines.append('dtype = "float32"')
    lines += [
        "",
        "[convergence]",
        "# As long as the last epoch of the grid; a later one makes finished cells stale.",
        f"epochs = {max(1, *wanted.epochs)}",
        "",
        "[marker]",
        f"lr = {shipped.marker.lr}   # the first thing to vary: `relaunch --set marker.lr=...`",
    ]
    if not is_shipped:
        lines += [
            "",
            "[cosine]",
            "# Decoder blocks, counted from 0: a third, half and two thirds of the base's depth.",
            f"layers = {_toml(shipped.cosine.layers)}",
        ]
    workers = max(1, wanted.gpus)
    lines += ["", "[resources]", f"workers = {workers}   # runner processes; one for each GPU"]
    return lines


def _toml(value: str | Sequence[object]) -> str:
    return json.dumps(value, ensure_ascii=False)
