"""Captures once what code an engine launches: commit, uncommitted changes, and a copy of it."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from tuilab import __version__
from tuilab.contract import atomic
from tuilab.contract.foreign import redact_all
from tuilab.engine.host.environment import source_root
from tuilab.grid.fingerprint import hash_of_sources

ASKED_VARIABLE = "TUILAB_ASKED_BY"
"""Carries the command line of whoever started the engine, as a JSON list."""


@cache
def launch_provenance() -> dict[str, Any]:
    """Return git commit, hash of the uncommitted diff, commands, host, versions; None if unknown.

    ``asked`` is the command a person gave; ``argv`` the engine's own. An installed package may lie
    inside a checkout of something else, whose commit would say nothing: it counts as unknown.
    """
    is_ours = _git("ls-files", "--error-unmatch", "tuilab/engine/host/provenance.py") is not None
    commit = _git("rev-parse", "HEAD") if is_ours else None
    diff = _git("diff", "HEAD", "--", "runners", "tuilab") if commit else None
    return {
        "git_commit": commit.strip() if commit else None,
        "dirty_diff": hashlib.sha256(diff.encode()).hexdigest() if diff else None,
        "tuilab": __version__,
        "asked": asked_command(os.environ.get(ASKED_VARIABLE, "")),
        "argv": redact_all(sys.argv),
        "host": socket.gethostname(),
        "python": sys.version.split()[0],
    }


def asked_command(text: str) -> list[str] | None:
    """Read a command line as it was handed over; None when there is none."""
    try:
        words = json.loads(text)
    except ValueError:
        return None
    return redact_all([str(word) for word in words]) if isinstance(words, list) else None


def keep_code(folder: Path) -> str:
    """Copy the runners' and the contract's sources into ``folder/HASH``, once; return the hash.

    OSError where the disk takes no copy; nothing of it is left then.
    """
    files = _sources()
    version = hash_of_sources((name, path.read_bytes()) for name, path in files)
    place = folder / version
    if not place.exists():
        with atomic.folder(place) as draft:
            for name, path in files:
                (draft / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, draft / name)
    return version


def _sources() -> list[tuple[str, Path]]:
    found = []
    for package in ("runners", "tuilab.contract"):
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            continue
        root = Path(next(iter(spec.submodule_search_locations)))
        prefix = package.replace(".", "/")
        found += [
            (f"{prefix}/{path.relative_to(root).as_posix()}", path) for path in root.rglob("*.py")
        ]
    return sorted(found)


def _git(*words: str) -> str | None:
    try:
        run = subprocess.run(
            ["git", *words], cwd=source_root(), capture_output=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout.decode(errors="replace")
