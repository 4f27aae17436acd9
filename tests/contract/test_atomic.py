"""A reader sees the old file or the new one, never half."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from tuilab.contract import atomic
from tuilab.contract.atomic import write_bytes, write_json


def test_a_file_is_replaced_whole_and_no_draft_is_left(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_json(path, {"b": 1, "a": "ä"})
    write_json(path, {"b": 2, "a": "ä"})
    assert json.loads(path.read_text()) == {"a": "ä", "b": 2}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_is_created_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if not has_links:
        monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = tmp_path / "lock.json"
    assert atomic.create_json(path, {"by": 1})
    assert not atomic.create_json(path, {"by": 2})
    assert json.loads(path.read_text()) == {"by": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "state.json"
    write_bytes(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    elif step == "replace":
        monkeypatch.setattr(Path, "replace", fail)
    content = b"x" * 10
    if step == "write":
        monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(OSError, match="No space left"):
        write_bytes(path, content)
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_number_that_json_does_not_know_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_json(path, 1)
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"loss": float("nan")})
    assert json.loads(path.read_text()) == 1


def test_a_reader_never_meets_a_missing_or_half_file(tmp_path: Path) -> None:
    import threading

    path = tmp_path / "state.json"
    write_json(path, {"number": 0, "filler": "x" * 20_000})
    stop = threading.Event()

    def keep_writing() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            write_json(path, {"number": number, "filler": "x" * 20_000})

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        for _ in range(300):
            assert len(json.loads(path.read_text())["filler"]) == 20_000
    finally:
        stop.set()
        writer.join()


def test_a_folder_comes_whole_or_not_at_all(tmp_path: Path) -> None:
    place = tmp_path / "report"
    with atomic.folder(place) as draft:
        (draft / "figures").mkdir()
        (draft / "figures" / "a.csv").write_text("1")
    (place / "mine.txt").write_text("kept")
    with pytest.raises(OSError, match="full"), atomic.folder(place) as draft:
        (draft / "figures").mkdir()
        (draft / "figures" / "a.csv").write_text("2")
        raise OSError("full")
    assert (place / "figures" / "a.csv").read_text() == "1"
    with atomic.folder(place) as draft:
        (draft / "figures").mkdir()
        (draft / "figures" / "a.csv").write_text("3")
    assert (place / "figures" / "a.csv").read_text() == "3"
    assert (place / "mine.txt").exists() and [one.name for one in tmp_path.iterdir()] == ["report"]
