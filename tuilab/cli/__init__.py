"""The command line: the only place that joins layers; each verb imports what it needs itself."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Sequence

from tuilab.cli.errors import INTERRUPTED
from tuilab.cli.host import asks_for_host, run_there
from tuilab.cli.output import bear_any_text, fill_closed_streams
from tuilab.cli.quick import answer_quickly


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (0 well, 1 error, 2 usage, 3 grid incomplete).

    Interrupted by Ctrl+C, the program ends by that signal, which a shell shows as 130.
    """
    if arguments is None:
        gc.disable()  # until a verb is called: to look among modules, which stay, takes a tenth
    try:
        code = _answer(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:  # before a verb could see to it
        code = INTERRUPTED
    if code == INTERRUPTED and arguments is None:
        _die_as_interrupted()
    return code if _is_written() else code or 1


def _answer(words: Sequence[str]) -> int:
    fill_closed_streams()
    bear_any_text()
    if asks_for_host(words):
        return run_there(words)
    code = answer_quickly(words)
    if code is not None:
        return code
    # pydantic, by which typer reads words, would look into every installed package for plugins.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from tuilab.cli.app import run

    return run(words)


def _is_written() -> bool:
    """Whether all of stdout arrived; what cannot is dropped, or Python fails with it at its end."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def _die_as_interrupted() -> None:
    """End by the signal itself: a loop in a shell then ends too, and no library is torn down."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
