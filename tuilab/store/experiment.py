"""Makes experiment directories; an existing one is never overwritten."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tuilab.contract import atomic
from tuilab.contract.foreign import redact
from tuilab.grid import toml
from tuilab.grid.jobs import Plan
from tuilab.store.data_files import write_files
from tuilab.store.experiment_id import new_record, write_record
from tuilab.store.find_experiments import is_experiment
from tuilab.store.layout import Layout
from tuilab.store.plan_file import save_plan
from tuilab.store.program_name import program, quoted

NO_FILES: Mapping[str, bytes] = {}


class ExperimentExistsError(Exception):
    """The place is taken; the text says by what, and what to do."""


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
    atomic.sync(root.parent)
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


def _refuse_what_is_there(root: Path) -> None:
    if is_experiment(root):
        raise ExperimentExistsError(
            f"{root} is already an experiment: `{program()} run {quoted(root)}` continues it"
        )
    if root.is_symlink() or (root.exists() and not root.is_dir()):
        raise ExperimentExistsError(f"{root} is not a directory: choose another place")
    if root.is_dir() and any(root.iterdir()):
        raise ExperimentExistsError(f"{root} is not empty: choose another place")
