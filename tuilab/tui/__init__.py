"""The terminal app; Textual is imported only when it starts."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuilab.science.figures.model import Figure
    from tuilab.store.snapshot import Snapshot


def run(
    root: Path | None,
    read_only: bool = False,
    ascii: bool = False,  # the option's name
    theme: str | None = None,
    start_engine: Callable[[Path], object] | None = None,
    answer_once: Callable[[Path, str], object] | None = None,
    export_figure: Callable[[Path, Figure], Sequence[Path]] | None = None,
) -> int:
    """Open the app on an experiment, or on the list below the current directory; exit code.

    ``start_engine`` starts the engine of an experiment directory; None leaves that to a shell.
    ``answer_once`` answers a request that is only written down, where no engine lives.
    ``export_figure`` writes a figure of an experiment as files and returns their paths, likewise.
    """
    # Textual reads its environment when it is imported.
    os.environ["TEXTUAL_ANIMATIONS"] = "none"
    # 8 ms instead of 16 from a key to its picture; a screen without change sends nothing anyway.
    os.environ.setdefault("TEXTUAL_FPS", "120")
    if os.environ.get("NO_COLOR"):
        # Textual takes colours out only where it began with a 16-colour theme; it would paint grey.
        os.environ["TEXTUAL_THEME"] = "ansi-dark"
    from tuilab.store.user_files import remembered
    from tuilab.tui.preferences import THEME, read_preferences, why_no_theme

    if theme is not None and (why := why_no_theme(theme)):
        print(why, file=sys.stderr)
        return 2
    gc.disable()  # until the first picture stands: a tenth of the start
    if os.environ.get("NO_COLOR"):
        theme = "ansi16"
    from tuilab.tui.app import TuilabApp

    mine = read_preferences()
    last = remembered(THEME)
    app = TuilabApp(
        root,
        read_only=read_only,
        ascii_only=ascii or mine.is_ascii or _in_ascii(),
        theme=theme or mine.theme or ("" if why_no_theme(last) else last) or _theme_of_terminal(),
        preferences=mine,
        start_engine=start_engine,
        answer_once=answer_once,
        export_figure=export_figure,
    )
    with _drawn_on_terminal():
        app.run()
    code = app.return_code or 0
    if code == 0 and app.root is not None:
        print(farewell(app.root, app.snapshot))
    return code


@contextmanager
def _drawn_on_terminal() -> Iterator[None]:
    """Let Textual, which draws on stderr, reach the terminal also where a shell redirected that."""
    if os.isatty(2) or not os.isatty(1):
        yield
        return
    sys.stderr.flush()
    former = os.dup(2)
    os.dup2(1, 2)
    try:
        yield
    finally:
        os.dup2(former, 2)
        os.close(former)


def _in_ascii() -> bool:
    return "utf" not in str(getattr(sys.stdout, "encoding", None) or "utf-8").lower()


def _theme_of_terminal() -> str:
    """Dark where the terminal says that it has more than 16 colours."""
    many = "256color" in os.environ.get("TERM", "") or bool(os.environ.get("COLORTERM"))
    return "dark" if many else "ansi16"


def farewell(root: Path, snapshot: Snapshot | None) -> str:
    """Say on leaving that work continues, and how to come back; plain lines for the shell."""
    from tuilab.grid.engine_view import EngineState
    from tuilab.grid.states import State
    from tuilab.tui.present.cli_equivalent import opening
    from tuilab.tui.present.side_pane import running_jobs

    back = f"come back with: {opening(root)}"
    if snapshot is None:
        return back
    done, total = snapshot.counts.get(State.DONE, 0), len(snapshot.cells)
    if snapshot.imported_from:
        return f"{done} of {total} cells are measured.\n{back}"
    live = len(running_jobs(snapshot))
    what = {0: "", 1: "1 job is still running"}.get(live, f"{live} jobs are still running")
    if not what:
        is_gone = snapshot.engine.state is EngineState.STOPPED
        what = "no engine is running" if is_gone else "the engine keeps running"
    return f"{what}; {done} of {total} cells are done.\n{back}"
