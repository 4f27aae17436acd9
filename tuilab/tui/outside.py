"""Hands the terminal to the person's own pager or editor, and takes it back; nothing else."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from tuilab.contract.foreign import clean

if TYPE_CHECKING:
    from textual.app import App


def run_outside(app: App[int], words: Sequence[str], path: Path) -> str:
    """Run a program on a file in this terminal and wait for it; why it could not, else ""."""
    try:
        with app.suspend():
            code = subprocess.run([*words, str(path)], check=False).returncode
    except SuspendNotSupported:
        return "this terminal cannot be handed to another program"
    except OSError as error:
        return f"{words[0]}: {error.strerror}: set $PAGER and $EDITOR"
    return f"{words[0]} ended with exit code {code}" if code else ""


def text_outside(app: App[int], words: Sequence[str], name: str, text: str) -> str:
    """The same on a text of ours, which may be kept under another name but not changed in place."""
    with tempfile.TemporaryDirectory(prefix="tuilab-") as folder:
        path = Path(folder) / name
        path.write_text(clean(text), encoding="utf-8")
        path.chmod(0o400)
        return run_outside(app, words, path)
