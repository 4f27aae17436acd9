"""``tuilab open`` and bare ``tuilab``: the screen at a terminal, plain text elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten

from tuilab.cli.base_checks import refuse_unfit_base
from tuilab.cli.errors import OK
from tuilab.cli.experiments import make_experiment, refuse_blocked
from tuilab.cli.output import is_interactive, out, plain, terminal_width
from tuilab.cli.resolve import find_place, run_directory, shipped_configs
from tuilab.cli.screen import draw, show
from tuilab.cli.verbs.arguments import Ascii, DirOrConfig, ReadOnly, Theme
from tuilab.store.find_experiments import Found, find_experiments
from tuilab.store.plan_file import PlanFileError
from tuilab.store.program_name import program
from tuilab.store.replan import read_config
from tuilab.store.status import lazy_status


def open_experiment(
    what: DirOrConfig, read_only: ReadOnly = False, ascii_glyphs: Ascii = False, theme: Theme = None
) -> int:
    """Open an experiment on screen. A config is turned into one first. Starts no work.

    \b
    tuilab open runs/tiny
    tuilab open configs/eps109.toml
    """
    place = find_place(what)
    root = place.root if place.root is not None else _make(place.config)
    return show(root, read_only, ascii_glyphs, theme)


def open_here(read_only: bool = False, ascii_glyphs: bool = False, theme: str | None = None) -> int:
    """Open the experiment here, or the list of several; without one, say how to start."""
    found = find_experiments(Path.cwd())
    if found and is_interactive():
        return draw(found[0].root if len(found) == 1 else None, read_only, ascii_glyphs, theme)
    if found:
        return _list(found)
    out("no experiment here yet")
    steps = {
        "demo": "the tiny grid on this machine, without a GPU",
        "published": "the card's own numbers, to look at",
        "init": "a config for a grid of your own",
        **{f"plan {config.stem}": _first_comment(config) for config in shipped_configs()},
        "-h": "all commands",
    }
    label = max(map(len, steps))
    room = max(20, (terminal_width() or 1000) - len(f"  {program()} ") - label - 2)
    for step, said in steps.items():
        out(f"  {program()} {step:<{label}}  {shorten(said, room, placeholder=' ...')}")
    return OK


def _make(config: Path | None) -> Path:
    assert config is not None, "a place is an experiment or a config"
    loaded = read_config(config)
    refuse_blocked(loaded.config)
    refuse_unfit_base(loaded.config)
    root = run_directory(loaded.config.name, None)
    make_experiment(loaded, root)
    return root


def _list(found: Sequence[Found]) -> int:
    for one in found:
        root = one.root
        try:
            state = lazy_status(root)
        except PlanFileError as error:
            out(f"{root}  {plain(str(error))}")
            continue
        counts = "  ".join(f"{word} {number}" for word, number in state["counts"].items())
        out(f"{root}  engine {state['engine']['state']}  {counts}")
    return OK


def _first_comment(config: Path) -> str:
    lines = config.read_text(encoding="utf-8").splitlines()
    return lines[0].lstrip("# ") if lines and lines[0].startswith("#") else ""
