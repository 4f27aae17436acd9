"""Finds experiment directories and says what kind they are; reads no more than names and times."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tuilab.store.layout import Layout

RUNS = "runs"
"""Folder beside a config in which its experiments lie."""
RESULTS_FILE = "measurements.csv"
DESIGN_FILE = "design.json"


class Found(NamedTuple):
    """An experiment directory that was come across."""

    root: Path
    changed_at: float
    """Unix time of its last sign of life: a journal line, else the plan."""


def is_results_only(root: Path) -> bool:
    """True for a directory of results without a plan: published numbers, imported tables."""
    return (
        not Layout(root).plan.exists()
        and (root / RESULTS_FILE).is_file()
        and (root / DESIGN_FILE).is_file()
    )


def is_experiment(path: Path) -> bool:
    """True when ``tuilab open`` can show the directory; a lost plan or config does not hide it."""
    layout = Layout(path)
    has_plan = layout.plan.is_file() or (layout.config.is_file() and layout.jobs.is_dir())
    return has_plan or is_results_only(path)


def find_experiments(under: Path) -> list[Found]:
    """Return ``under`` itself, its children and ``runs/*`` that are experiments, newest first."""
    places = [under, *_children(under), *_children(under / RUNS)]
    found = {place.resolve(): place for place in places if is_experiment(place)}
    listed = [Found(place, _changed_at(place)) for place in found.values()]
    return sorted(listed, key=lambda item: (-item.changed_at, str(item.root)))


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(
            path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
        )
    except OSError:
        return []


def _changed_at(root: Path) -> float:
    layout = Layout(root)
    for path in (layout.journal, layout.plan, root / RESULTS_FILE, layout.config):
        try:
            return path.stat().st_mtime
        except OSError:
            continue
    return 0.0
