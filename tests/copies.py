"""Copies an experiment for a test as one of its own: a plain copy may not be worked on."""

from __future__ import annotations

import shutil
from pathlib import Path

from tuilab.store.experiment_id import new_record, write_record
from tuilab.store.layout import Layout

SOURCE = Path(__file__).parents[1]


def old_demo(place: Path) -> Path:
    """Copy a demo that version 0.1 made, and return the place."""
    shutil.copytree(SOURCE / "tests/fixtures/demo-0.1", place, symlinks=True)
    return place


def own_copy(root: Path, place: Path) -> Path:
    """Copy an experiment with all its links and return the place."""
    shutil.copytree(root, place, symlinks=True)
    return with_own_id(place)


def with_own_id(root: Path) -> Path:
    """Let what was copied be an experiment of its own."""
    write_record(Layout(root), new_record(root))
    return root
