"""Prints: results to stdout, messages to stderr, one JSON document when asked; nothing blinks."""

from __future__ import annotations

import codecs
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from tuilab.contract.foreign import clean, is_harmless

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def out(text: str = "", end: str = "\n") -> bool:
    """Print one result line (or several) to stdout at once, so that a pipe sees it.

    False when its reader has left, as ``head`` does: that is no error, and what a verb has to say
    by its exit code does not depend on how far somebody read.
    """
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def out_first(lines: Sequence[str], most: int) -> None:
    """Print the first lines of a list, indented, and say how many are left out."""
    for line in lines[:most]:
        out(f"  {plain(line)}")
    if len(lines) > most:
        out(f"  ... and {len(lines) - most} more (--json lists all)")


def tell(text: str) -> None:
    """Print a message for people to stderr."""
    if sys.stderr is not None:  # closed by the caller; print would take stdout instead
        print(text, file=sys.stderr, flush=True)


def document(value: Any) -> None:
    """Print the one JSON document of a command with ``--json``."""
    rest = _laid_out(value)
    while text := "".join(islice(rest, _TOGETHER)):
        if not out(text, end=""):
            return
    out()


_TOGETHER = 256
"""Pieces of a document that are printed at once: of a large one a part only is in memory."""


def _laid_out(value: Any) -> Iterator[str]:
    """Yield the pieces of a JSON text: a line per key, and one per object of a list.

    Python's own indentation is five times slower, which counts at 10,000 cells. A quote inside a
    text is escaped, so what is replaced here can only stand between objects.
    """
    encode = json.JSONEncoder(ensure_ascii=not _is_utf(sys.stdout), allow_nan=False).encode

    def lines(item: Any) -> str:
        text = encode(item).replace('[{"', '[\n  {"').replace('}, {"', '},\n  {"')
        return _escaped(text)

    if not isinstance(value, dict):
        yield _escaped(encode(value))
        return
    before = "{\n"
    for key, item in value.items():
        yield f"{before} {_escaped(encode(str(key)))}: "
        before = ",\n"
        if isinstance(item, Sequence) and not isinstance(item, str | list | tuple):
            yield "["
            for place, one in enumerate(item):
                yield (",\n  " if place else "\n  ") + lines(one)
            yield "]"
        else:
            yield lines(item)
    yield "\n}" if value else "{\n\n}"


def _escaped(text: str) -> str:
    """Write what a terminal would obey, and not show, as JSON's own escapes: the value stays."""
    if text.isascii():
        return text
    return "".join(one if is_harmless(one) else json.dumps(one)[1:-1] for one in text)


def bear_any_text() -> None:
    """Let no name stop the output: what a stream cannot write is written in ASCII."""
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, io.TextIOWrapper):
            continue
        if not _is_utf(stream):
            codecs.register_error("tuilab-ascii", _in_ascii)
        stream.reconfigure(errors="backslashreplace" if _is_utf(stream) else "tuilab-ascii")


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Write what an encoding lacks with the signs of --ascii, ``?`` where there is none."""
    assert isinstance(error, UnicodeEncodeError)
    from tuilab.tui.present.glyphs import to_ascii

    return to_ascii(error.object[error.start : error.end]), error.end


def fill_closed_streams() -> None:
    """Put /dev/null where the caller closed stdin, stdout or stderr.

    Else the next file that is opened takes that number, and what is printed goes into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            mode = "r" if number == 0 else "w"
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def _is_utf(stream: Any) -> bool:
    return "utf" in str(getattr(stream, "encoding", None) or "utf-8").lower()


def plain(text: str, limit: int | None = None) -> str:
    """Return foreign text (names, logs, errors) safe to print."""
    return clean(text, limit)


def has_colour() -> bool:
    """Whether stdout may be coloured: a terminal, no NO_COLOR, not a dumb one."""
    return (
        sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "") not in ("", "dumb")
    )


def paint(text: str, colour: str) -> str:
    """Colour a piece of text where that is wanted; the text alone must say enough."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if has_colour() else text


@contextmanager
def progress_bar() -> Iterator[Callable[[int, int, str], None]]:
    """Yield ``progress(done, of, what)``, which draws a bar while stderr is a terminal.

    Of what takes nobody knows how long, ``of`` is 0: a bar that moves, and says no share.
    """
    if sys.stderr is None or not sys.stderr.isatty() or os.environ.get("TERM", "") in ("", "dumb"):
        yield lambda done, of, what: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:

        def show(done: int, of: int, what: str) -> None:
            if not of or not bar.tasks or not bar.tasks[-1].total:
                for task in bar.task_ids:
                    bar.remove_task(task)
                bar.add_task("", total=of or None)
            bar.update(bar.task_ids[-1], completed=done, description=plain(what, 40))

        yield show


def is_interactive() -> bool:
    """Whether a person sits at a terminal that can draw."""
    return (
        sys.stdin.isatty()
        and sys.stdout.isatty()
        and os.environ.get("TERM", "") not in ("", "dumb")
    )


def terminal_width() -> int | None:
    """Columns of the terminal on stdout; None where stdout is no terminal and nothing is folded."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
