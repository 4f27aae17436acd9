"""Copies an experiment for a test as one of its own: a plain copy may not be worked on."""

from __future__ import annotations

import shutil
from pathlib import Path

from tuilab.store.experiment_id import new_record, write_record
from tuilab.store.layout import Layout


def own_copy(root: Path, place: Path) -> Path:
    """Copy an experiment with all its links and return the place."""
    shutil.copytree(root, place, symlinks=True)
    return with_own_id(place)


def with_own_id(root: Path) -> Path:
    """Let what was copied be an experiment of its own."""
    write_record(Layout(root), new_record(root))
    return root
