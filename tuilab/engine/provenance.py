"""Captures once what code an engine launches: commit, uncommitted changes, and a copy of it."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import socket
import subprocess
import sys
import uuid
from functools import cache
from pathlib import Path
from typing import Any

from tuilab.engine.environment import source_root


@cache
def launch_provenance() -> dict[str, Any]:
    """Return git commit, hash of the uncommitted diff, argv, host, Python; None if unknown."""
    commit = _git("rev-parse", "HEAD")
    diff = _git("diff", "HEAD", "--", "runners", "tuilab") if commit else None
    return {
        "git_commit": commit.strip() if commit else None,
        "dirty_diff": hashlib.sha256(diff.encode()).hexdigest() if diff else None,
        "argv": list(sys.argv),
        "host": socket.gethostname(),
        "python": sys.version.split()[0],
    }


def keep_code(folder: Path) -> str:
    """Copy the runners' and the contract's sources into ``folder/HASH``, once; return the hash."""
    files = _sources()
    digest = hashlib.sha256()
    for name, path in files:
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    version = digest.hexdigest()[:16]
    place = folder / version
    if not place.exists():
        draft = folder / f".{version}.{uuid.uuid4().hex[:8]}.draft"
        for name, path in files:
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, draft / name)
        try:
            draft.rename(place)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
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
