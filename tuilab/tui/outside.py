"""Hands the terminal to the person's own pager or editor, and takes it back; nothing else."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from tuilab.contract.foreign import clean
from tuilab.store.program_name import NAME, program

if TYPE_CHECKING:
    from textual.app import App


def run_outside(app: App[int], words: Sequence[str], path: Path) -> str:
    """Run a program on a file in this terminal and wait for it; why it could not, else ""."""
    try:
        with app.suspend(), _interrupts_left_to_the_child():
            code = subprocess.run([*words, str(path)], check=False).returncode
    except SuspendNotSupported:
        return "this terminal cannot be handed to another program"
    except OSError as error:
        return f"{words[0]}: {error.strerror}: set $PAGER and $EDITOR"
    return f"{words[0]} ended with exit code {code}" if code else ""


def shell_outside(app: App[int], line: str, is_ours: bool = True) -> str:
    """Run a command line, of ours or of the person's shell, and wait for Enter; why it could not.

    Ours runs by this very program, whatever a shell would find.
    """
    rest = shlex.split(line)[len(shlex.split(program())) :] if is_ours else []
    words = [sys.executable, "-m", NAME, *rest] if is_ours else ["sh", "-c", line]
    try:
        with app.suspend(), _interrupts_left_to_the_child():
            print(f"$ {line}", flush=True)
            code = subprocess.run(words, check=False).returncode
            print(f"\nexit code {code}; Enter goes back", end=" ", flush=True)
            sys.stdin.readline()
    except SuspendNotSupported:
        return f"type it in a shell: {line}"
    return ""


@contextmanager
def _interrupts_left_to_the_child() -> Iterator[None]:
    """Let Ctrl+C end what runs, and not the app that waits for it."""
    # A handler, not SIG_IGN: the child would inherit that.
    former = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


def text_outside(app: App[int], words: Sequence[str], name: str, text: str) -> str:
    """The same on a text of ours, which may be kept under another name but not changed in place."""
    with tempfile.TemporaryDirectory(prefix="tuilab-") as folder:
        path = Path(folder) / name
        path.write_text(clean(text), encoding="utf-8")
        path.chmod(0o400)
        return run_outside(app, words, path)
