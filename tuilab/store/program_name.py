"""Says how this program is called from a shell: commands that are shown must work as typed."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from functools import lru_cache
from pathlib import Path

NAME = "tuilab"
_NOWHERE = Path("-")
_AS_MODULE = Path(__file__).parents[1] / "__main__.py"


def program() -> str:
    """Return ``tuilab`` where a shell would find this very program, else what it was started by."""
    try:
        here = Path.cwd()
    except OSError:  # the folder is gone, or its volume
        here = _NOWHERE
    return called_as(sys.argv[0], os.environ.get("PATH", ""), here)


def quoted(path: object) -> str:
    """Write a path, or another word of a command that is shown, so that a shell takes it back."""
    return shlex.quote(str(path))


@lru_cache(maxsize=8)
def called_as(started: str, search: str, here: Path) -> str:
    """Return the words for a program that was ``started`` by a path, with a shell's PATH."""
    path = Path(started)
    if path == _AS_MODULE:
        beside = Path(sys.executable).with_name(NAME)
        if _is_found(NAME, beside, search):
            return NAME
        python = Path(sys.executable)
        shown = python.name if _is_found(python.name, python, search) else _shown(python, here)
        return f"{shown} -m {NAME}"
    if path.name != NAME or not path.is_file() or _is_found(NAME, path, search):
        return NAME
    return _shown(path, here)


def _is_found(name: str, path: Path, search: str) -> bool:
    found = shutil.which(name, path=search)
    return found is not None and path.exists() and path.samefile(found)


def _shown(path: Path, here: Path) -> str:
    if path.is_absolute() and path.is_relative_to(here):
        path = path.relative_to(here)
    return shlex.quote(str(path) if len(path.parts) > 1 else f"./{path}")
