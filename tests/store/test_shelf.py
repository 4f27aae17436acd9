"""Whole experiments are deleted, archived and renamed, and none that something works on."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from tests.copies import old_demo
from tuilab.contract import identity
from tuilab.store.find_experiments import find_experiments
from tuilab.store.layout import Layout
from tuilab.store.lease import acquire
from tuilab.store.shelf import ShelfError, archive, delete, rename, why_not
from tuilab.store.shipped import published_dir
from tuilab.store.volume import weigh


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return old_demo(tmp_path / "runs" / "demo")


def names(under: Path) -> list[str]:
    return [found.root.name for found in find_experiments(under)]


def test_an_archived_one_leaves_the_lists_and_comes_back(root: Path) -> None:
    under = root.parents[1]
    there = archive(root)
    assert there == root.parent / "archive" / "demo" and names(under) == []
    assert archive(there) == root and names(under) == ["demo"]


def test_a_deleted_one_is_gone_with_all_that_was_counted(root: Path) -> None:
    weight = weigh(root)
    assert weight.files > 10 and "files" in str(weight)
    delete(root)
    assert list(root.parent.iterdir()) == []


def test_a_name_that_is_taken_or_none_is_refused(root: Path) -> None:
    (root.parent / "taken").mkdir()
    for name in ("taken", "a/b", "..", ".hidden", " "):
        with pytest.raises(ShelfError):
            rename(root, name)
    assert rename(root, "first try").name == "first try"


def test_what_works_or_is_not_ours_stays(root: Path, tmp_path: Path) -> None:
    assert "come with tuilab" in why_not(published_dir())
    assert "not an experiment" in why_not(tmp_path)
    link = tmp_path / "link"
    link.symlink_to(root)
    assert "a link" in why_not(link)
    lease = acquire(Layout(root), time.time())
    assert f"pid {identity.me().pid}" in why_not(root)
    for act in (delete, archive):
        with pytest.raises(ShelfError, match="stop the work first; it leaves half a minute after"):
            act(root)
    copy = Path(shutil.copytree(root, root.with_name("copy"), symlinks=True))
    delete(copy)
    assert not copy.exists() and f"pid {identity.me().pid}" in why_not(root)
    lease.release(time.time())
    assert why_not(root) == ""
