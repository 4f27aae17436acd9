"""Answers the calls that scripts repeat without the parser, which takes longer than they do."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence

from tuilab import __version__
from tuilab.cli.errors import DEBUG_VARIABLE, OK, report
from tuilab.cli.output import document, out


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
    return _guarded(lambda: show_status(places[0] if places else None, bool(options)))


def _version() -> int:
    out(f"tuilab {__version__}")
    return OK


def show_status(directory: str | None, as_json: bool, metric: str = "") -> int:
    """Print the state of an experiment, the newest one here when none is named, by a metric."""
    from tuilab.cli.resolve import find_experiment, find_metric
    from tuilab.cli.status_text import as_text
    from tuilab.store.status import lazy_status

    gc.disable()  # looking for garbage among 10,000 cells takes a fifth of the time; all is kept
    found = lazy_status(find_experiment(directory))
    if as_json:
        document(found)
        return OK
    for line in as_text(found, find_metric(metric, found["measured"])):
        out(line)
    return OK


def _guarded(answer: Callable[[], int]) -> int:
    try:
        return answer()
    except BaseException as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        return report(error)
