"""Makes and finds experiment directories; an existing one is never overwritten."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tuilab.contract import atomic
from tuilab.contract.foreign import redact
from tuilab.grid import toml
from tuilab.grid.jobs import Plan
from tuilab.store.data_files import write_files
from tuilab.store.experiment_id import new_record, write_record
from tuilab.store.layout import Layout
from tuilab.store.plan_file import save_plan
from tuilab.store.program_name import program, quoted

RUNS = "runs"
"""Folder beside a config in which its experiments lie."""
RESULTS_FILE = "measurements.csv"
DESIGN_FILE = "design.json"
NO_FILES: Mapping[str, bytes] = {}


class ExperimentExistsError(Exception):
    """The place is taken; the text says by what, and what to do."""


@dataclass(frozen=True, slots=True)
class Found:
    """An experiment directory that was come across."""

    root: Path
    changed_at: float
    """Unix time of its last sign of life: a journal line, else the plan."""


def create_experiment(
    root: Path, config_text: str, plan: Plan, data: Mapping[str, bytes] = NO_FILES
) -> Layout:
    """Make the directory of a new experiment with its config and plan; all of it or nothing.

    ``data`` are the files that the config names, by their names.

    Raises ExperimentExistsError when ``root`` is anything but absent or an empty directory.
    """
    root = root.absolute()
    _refuse_what_is_there(root)
    root.parent.mkdir(parents=True, exist_ok=True)
    draft = Layout(atomic.draft_of(root))
    try:
        for folder in (draft.root, draft.requests, draft.jobs, draft.workers):
            folder.mkdir()
        replace_plan(draft, config_text, plan)
        write_record(draft, replace(new_record(draft.root), path=os.path.realpath(root)))
        write_files(draft.root, data)
        draft.root.rename(root)
    except BaseException as error:
        shutil.rmtree(draft.root, ignore_errors=True)
        if isinstance(error, OSError):
            _refuse_what_is_there(root)  # somebody was faster
        raise
    atomic.sync_folder(root.parent)
    return Layout(root)


def _without_secrets(config_text: str) -> str:
    """Blank out tokens in a config's comments; what decides the experiment is left as it is."""
    clean = redact(config_text)
    if clean == config_text:
        return config_text
    with suppress(ValueError):
        if toml.loads(clean) == toml.loads(config_text):
            return clean
    return config_text


def replace_plan(layout: Layout, config_text: str, plan: Plan) -> None:
    """Give an experiment a config and the plan that was made of it; attempts are left alone."""
    atomic.write_bytes(layout.config, _without_secrets(config_text).encode())
    save_plan(layout, plan)


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


def _refuse_what_is_there(root: Path) -> None:
    if is_experiment(root):
        raise ExperimentExistsError(
            f"{root} is already an experiment: `{program()} run {quoted(root)}` goes on with it"
        )
    if root.is_symlink() or (root.exists() and not root.is_dir()):
        raise ExperimentExistsError(f"{root} is not a directory: choose another place")
    if root.is_dir() and any(root.iterdir()):
        raise ExperimentExistsError(f"{root} is not empty: choose another place")


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
