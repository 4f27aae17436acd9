"""An experiment is told from its copies, wherever either of them goes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.engine.trials import make_plan
from tuilab.store.experiment import create_experiment
from tuilab.store.experiment_id import (
    CopyError,
    copy_of,
    read_id,
    read_record,
)
from tuilab.store.layout import Layout
from tuilab.store.lease import acquire, holder
from tuilab.store.quarantine import quarantined

NOW = 1_000_000.0


@pytest.fixture
def original(tmp_path: Path) -> Layout:
    return create_experiment(tmp_path / "a", "", make_plan())


def copied(layout: Layout, name: str = "b") -> Layout:
    return Layout(shutil.copytree(layout.root, layout.root.with_name(name), symlinks=True))


def test_an_experiment_is_born_with_an_id_and_its_place(original: Layout) -> None:
    record = read_record(original)
    assert record is not None
    assert len(record.id) == 32
    assert (record.path, record.inode) == (str(original.root), original.root.stat().st_ino)
    assert copy_of(original) == ""


def test_one_of_version_0_1_gets_its_id_from_its_first_engine(original: Layout) -> None:
    original.id.unlink()
    assert read_id(original) == ""
    lease = acquire(original, NOW)
    assert lease.holder.experiment is not None
    assert read_id(original) == lease.holder.experiment.id != ""
    lease.release(NOW)
    assert acquire(original, NOW).holder.experiment == lease.holder.experiment


def test_a_copy_is_refused_and_names_its_original(original: Layout) -> None:
    copy = copied(original)
    assert copy_of(copy) == str(original.root)
    with pytest.raises(CopyError, match=f"adopt-copy .*; the original is {original.root}"):
        acquire(copy, NOW, takeover=True)
    assert not copy.lock.exists()
    assert copy_of(original) == ""


def test_a_copy_of_one_that_is_held_does_not_touch_the_holder(original: Layout) -> None:
    lease = acquire(original, NOW)
    copy = copied(original)
    with pytest.raises(CopyError):
        acquire(copy, NOW, takeover=True)
    lease.check()
    assert holder(original, NOW) is not None


def test_a_moved_one_records_its_new_place(original: Layout) -> None:
    moved = Layout(original.root.rename(original.root.with_name("b")))
    assert copy_of(moved) == ""
    acquire(moved, NOW)
    record = read_record(moved)
    assert record is not None and record.path == str(moved.root)


def test_a_copy_of_a_moved_one_is_told_by_the_inode(original: Layout) -> None:
    moved = Layout(original.root.rename(original.root.with_name("b")))
    copy = copied(moved, "c")
    assert copy_of(moved) == ""
    assert copy_of(copy) == str(moved.root)


def test_one_that_took_the_place_of_the_original_is_the_original(original: Layout) -> None:
    """A folder restored from a backup has another inode, and nobody works on the old one."""
    old = Layout(original.root.rename(original.root.with_name("old")))
    restored = Layout(shutil.copytree(old.root, original.root))
    assert copy_of(restored) == ""
    assert copy_of(old) == str(original.root)


def test_a_link_is_no_copy(original: Layout, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(original.root)
    assert copy_of(Layout(tmp_path / "link")) == ""


def test_another_mount_of_the_volume_is_no_copy_of_what_was_recorded_there(
    original: Layout, tmp_path: Path
) -> None:
    """The node that wrote the record saw the volume at another path."""
    record = json.loads(original.id.read_text())
    original.id.write_text(json.dumps(record | {"path": "/elsewhere/runs/a"}))
    assert copy_of(original) == ""
    copy = copied(original)
    assert copy_of(copy) == str(original.root)


@pytest.mark.parametrize("damage", [b"", b"\0" * 90, b'{"id": 3}', b"[]"])
def test_a_damaged_record_is_made_good_from_the_lock(original: Layout, damage: bytes) -> None:
    mine = read_id(original)
    acquire(original, NOW).check()
    original.id.write_bytes(damage)
    assert read_id(original) == mine
    acquire(original, NOW, takeover=True)
    assert json.loads(original.id.read_text())["id"] == mine
    assert quarantined(original)[0].was == "experiment.json"


def test_a_copy_without_its_record_is_told_by_its_lock(original: Layout) -> None:
    """Half of an rsync."""
    acquire(original, NOW)
    copy = copied(original)
    copy.id.unlink()
    assert copy_of(copy) == str(original.root)
