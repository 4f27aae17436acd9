"""Opens the screen at a terminal, and prints the state elsewhere; needs no parser."""

from __future__ import annotations

import os
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tuilab.cli.errors import OK
from tuilab.cli.output import is_interactive, out
from tuilab.engine import answer_once, start
from tuilab.store.find_experiments import RUNS
from tuilab.store.shipped import published_dir

if TYPE_CHECKING:
    from tuilab.science.figures.model import Figure


class Look(NamedTuple):
    """How the screen is to be drawn, given before a verb: it holds for whichever opens one."""

    read_only: bool = False
    ascii_glyphs: bool = False
    theme: str | None = None


ASKED_LOOK: ContextVar[Look | None] = ContextVar("asked_look", default=None)
"""What stood before the verb."""


def show(
    root: Path, read_only: bool = False, ascii_glyphs: bool = False, theme: str | None = None
) -> int:
    """Draw the experiment where a terminal can; print its state where not."""
    if not is_interactive():
        from tuilab.cli.status_text import as_text
        from tuilab.store.status import lazy_status

        for line in as_text(lazy_status(root)):
            out(line)
        return OK
    return draw(root, read_only, ascii_glyphs, theme)


def draw(
    root: Path | None, read_only: bool = False, ascii_glyphs: bool = False, theme: str | None = None
) -> int:
    """Draw an experiment, or the list of those below the current directory."""
    from tuilab.tui import run

    asked = ASKED_LOOK.get() or Look()
    return run(
        root,
        read_only=read_only or asked.read_only,
        ascii=ascii_glyphs or asked.ascii_glyphs,
        theme=theme or asked.theme,
        start_engine=lambda place: start(place, go=True),
        answer_once=answer_once,
        export_figure=_export_figure,
    )


def _export_figure(root: Path, figure: Figure) -> list[Path]:
    """Write a figure into the experiment, or into runs/NAME where it is read-only."""
    from tuilab.report.figure_files import save_figure

    is_foreign = root == published_dir() or not os.access(root, os.W_OK)
    return save_figure(figure, (Path(RUNS) / root.name if is_foreign else root) / "figures")
