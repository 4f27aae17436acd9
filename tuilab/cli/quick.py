"""Answers the calls that scripts repeat without the parser, which takes longer than they do."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence


def answer_quickly(words: Sequence[str]) -> int | None:
    """Return the exit code of a plain version or status call; None for the parser to read.

    The parser's own type checking loads pydantic, which a loop around ``status --json`` would pay
    for at each turn.
    """
    if list(words) in (["--version"], ["-V"]):
        return _guarded(_version)
    if not words or words[0] != "status":
        return None
    places = [word for word in words[1:] if not word.startswith("-")]
    options = {word for word in words[1:] if word.startswith("-")}
    if len(places) > 1 or not options <= {"--json"}:
        return None
    return _guarded(lambda: _status(places[0] if places else None, bool(options)))


def _version() -> int:
    from tuilab import __version__
    from tuilab.cli.output import out

    out(f"tuilab {__version__}")
    return 0


def _status(directory: str | None, as_json: bool) -> int:
    gc.disable()  # looking for garbage among 10,000 cells takes a fifth of the time; all is kept
    return show_status(directory, as_json)


def _guarded(answer: Callable[[], int]) -> int:
    from tuilab.cli.errors import DEBUG_VARIABLE, report

    try:
        return answer()
    except BaseException as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        return report(error)


def show_status(directory: str | None, as_json: bool) -> int:
    """Print where an experiment stands; the newest one here when none is named."""
    from tuilab.cli.output import document, out
    from tuilab.cli.resolve import find_experiment
    from tuilab.store.status import status

    found = status(find_experiment(directory))
    if as_json:
        document(found)
        return 0
    from tuilab.cli.status_text import as_text

    for line in as_text(found):
        out(line)
    return 0
