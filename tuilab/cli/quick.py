"""Answers the calls that scripts repeat, and opens the screen, without the parser.

The parser takes longer than they do: its own type checking loads pydantic.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path

from tuilab import __version__
from tuilab.cli.errors import OK, report
from tuilab.cli.output import document, is_interactive, out


def answer_quickly(words: Sequence[str]) -> int | None:
    """Return the exit code of a plain version, status or open call; None for the parser to read."""
    try:
        return _answer(words)
    except BaseException as error:
        return report(error)


def _answer(words: Sequence[str]) -> int | None:
    if list(words) in (["--version"], ["-V"]):
        out(f"tuilab {__version__}")
        return OK
    if is_interactive() and (shown := _shown(words)) is not None:
        from tuilab.cli.screen import draw

        return draw(*shown)
    if not words or words[0] != "status":
        return None
    places = [word for word in words[1:] if not word.startswith("-")]
    options = {word for word in words[1:] if word.startswith("-")}
    if len(places) > 1 or not options <= {"--json"}:
        return None
    return show_status(places[0] if places else None, bool(options))


def _shown(words: Sequence[str]) -> tuple[Path, bool] | None:
    """Return the experiment that ``published`` or ``open DIR`` names, and whether it is foreign."""
    from tuilab.store.find_experiments import is_experiment
    from tuilab.store.shipped import published_dir

    if list(words) == ["published"]:
        return published_dir(), True
    if len(words) == 2 and words[0] == "open" and is_experiment(Path(words[1]).expanduser()):
        return Path(words[1]).expanduser(), False
    return None


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
