"""Turns every failure of a command into one sentence and an exit code; never a traceback."""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuilab.cli.output import plain, tell

OK, ERROR, USAGE, INCOMPLETE = 0, 1, 2, 3
INTERRUPTED = 130
"""Exit code of what Ctrl+C ended, as a shell says it."""
DEBUG_VARIABLE = "TUILAB_DEBUG"
_USAGE_ERRORS = (
    "ConfigError", "PlanError", "EditError", "GrowError", "SelectorError", "SinceError",
    "LimitError", "NoTextError",
)  # fmt: skip
"""Names of exceptions that mean: what was typed or written cannot be used."""


class RefusalError(Exception):
    """Something that cannot be done, with what to do next."""

    def __init__(self, sentence: str, code: int = ERROR) -> None:
        super().__init__(sentence)
        self.code = code


def guarded(verb: Callable[..., int | None]) -> Callable[..., None]:
    """Wrap a verb: its return value is the exit code, its exceptions become sentences."""
    import typer

    @functools.wraps(verb)
    def run(*args: Any, **named: Any) -> None:
        try:
            code = verb(*args, **named) or OK
        except (typer.Exit, typer.BadParameter):
            raise
        except typer.Abort:  # Ctrl+C or the end of input at a question
            tell("\nnothing was changed")
            code = INTERRUPTED
        except BaseException as error:
            code = report(error)
        raise typer.Exit(code)

    return run


def report(error: BaseException) -> int:
    """Say what went wrong in one sentence and return the exit code for it."""
    if os.environ.get(DEBUG_VARIABLE):
        raise error
    if isinstance(error, KeyboardInterrupt):
        tell("interrupted")
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        # The reader of our output is gone; avoid a second failure when the interpreter exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ERROR
    if isinstance(error, RefusalError):
        tell(plain(str(error)))
        return error.code
    if type(error).__module__.startswith("tuilab."):
        tell(plain(str(error)))
        return USAGE if type(error).__name__ in _USAGE_ERRORS else ERROR
    if isinstance(error, OSError):
        tell(plain(_words_for(error)))
        return ERROR
    tell(
        plain(f"unexpected {type(error).__name__}: {error}", 600)
        + f" (set {DEBUG_VARIABLE}=1 to see where)"
    )
    return ERROR


_NEXT = {
    errno.EACCES: "ask the owner, or use a folder of your own (--dir)",
    errno.EPERM: "ask the owner, or use a folder of your own (--dir)",
    errno.EROFS: "mount the volume for writing, or name another folder",
    errno.ENOSPC: "free some space: `tuilab gc DIR --dry-run` lists leftovers",
    errno.EDQUOT: "free some space: `tuilab gc DIR --dry-run` lists leftovers",
    errno.ESTALE: "mount the volume again",
    errno.ENOTCONN: "mount the volume again",
}
"""What to do about an error of the system, by its number."""


def _words_for(error: OSError) -> str:
    """Name the file (its folder, where it is only a draft), what is wrong and what to do."""
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
    if path is not None and path.suffix == ".draft":
        path = path.parent
    where = f"{path}: " if path else ""
    advice = _NEXT.get(error.errno or 0)
    return f"{where}{error.strerror or error}" + (f": {advice}" if advice else "")
