"""Deletes, archives and renames whole experiments; never one that something still works on."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from pathlib import Path

from tuilab.store.experiment_id import copy_of, read_id
from tuilab.store.find_experiments import is_experiment
from tuilab.store.layout import Layout
from tuilab.store.lease import holder
from tuilab.store.live_attempts import is_worker_alive
from tuilab.store.shipped import published_dir

ARCHIVE = "archive"
"""Folder beside experiments for those that lists leave out."""
_LONGEST = 255
"""Bytes of a file's name on Linux."""


class ShelfError(Exception):
    """The experiment stays as it is; the text says why, and what to do."""


def why_not(root: Path) -> str:
    """Say why an experiment must stay where it is now; "" when it may go."""
    if root.resolve() == published_dir():
        return "the published results come with tuilab: they stay"
    if not is_experiment(root):
        return f"{root} is not an experiment"
    if root.is_symlink():
        return f"{root} is a link: remove it yourself"
    if not os.access(root.parent, os.W_OK):
        return f"{root.parent} cannot be written: ask its owner"
    layout = Layout(root)
    if copy_of(layout):
        return ""  # the engine and the workers that its files name are the original's
    held = holder(layout, time.time())
    if held is not None:
        last = "it leaves half a minute after its last job"
        return f"its engine is alive (pid {held.identity.pid}): stop the work first; {last}"
    experiment = read_id(layout)
    for folder in layout.workers.iterdir() if layout.workers.is_dir() else ():
        if folder.is_dir() and is_worker_alive(folder, experiment) is not False:
            return f"worker {folder.name} is still running: stop the work first"
    return ""


def delete(root: Path) -> None:
    """Delete an experiment for good. Raises ShelfError, OSError."""
    _refuse(root)
    # Under another name first: half a folder must never look like an experiment.
    doomed = root.with_name(f".{root.name[:100]}.{uuid.uuid4().hex[:8]}.deleted.draft")
    root.rename(doomed)
    shutil.rmtree(doomed)


def archive(root: Path) -> Path:
    """Put an experiment out of the lists, or an archived one back; return where it is now."""
    is_back = root.absolute().parent.name == ARCHIVE
    home = root.absolute().parent
    return _move(root, _free((home.parent if is_back else home / ARCHIVE) / root.name))


def rename(root: Path, name: str) -> Path:
    """Give an experiment's folder another name; return where it is now."""
    return _move(root, renamed(root, name))


def renamed(root: Path, name: str) -> Path:
    """Return where an experiment of another name would lie. Raises ShelfError."""
    if not name.strip() or name != Path(name).name or name.startswith(".") or "\0" in name:
        raise ShelfError(f"{name!r} cannot name a folder: leave out slashes and a dot in front")
    if len(os.fsencode(name)) > _LONGEST:
        raise ShelfError(f"a folder's name has at most {_LONGEST} bytes: choose a shorter one")
    return _free(root.absolute().parent / name)


def _free(to: Path) -> Path:
    if to.exists() or to.is_symlink():
        raise ShelfError(f"{to} already exists: choose another name")
    return to


def _move(root: Path, to: Path) -> Path:
    _refuse(root)
    to.parent.mkdir(exist_ok=True)
    root.rename(to)
    return to


def _refuse(root: Path) -> None:
    if why := why_not(root):
        raise ShelfError(why)
