"""The journal keeps every whole line, whatever happened to the last one."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from tuilab.store.journal import Journal, follow, last_sequence
from tuilab.store.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def texts(layout: Layout) -> list[str]:
    return [line["text"] for line in follow(layout).read()]


def test_lines_are_numbered_dated_and_read_back(layout: Layout) -> None:
    journal = Journal(layout)
    first = journal.append("note", text="ä [/b] \x1b[31m")
    journal.append("note", text="two", at=5.0)
    follower = follow(layout)
    lines = follower.read()
    assert [line["seq"] for line in lines] == [1, 2]
    assert lines[0] == first
    assert lines[1]["at"] == 5.0
    assert follower.offset == layout.journal.stat().st_size


def test_reading_goes_on_from_an_offset(layout: Layout) -> None:
    journal = Journal(layout)
    journal.append("note", text="one")
    offset = layout.journal.stat().st_size
    assert follow(layout, offset).read() == []
    journal.append("note", text="two")
    assert [line["text"] for line in follow(layout, offset).read()] == ["two"]


def test_a_new_writer_goes_on_counting(layout: Layout) -> None:
    Journal(layout).append_all([{"kind": "note", "text": "x" * 100_000}, {"kind": "note"}])
    assert Journal(layout).append("note")["seq"] == 3
    assert last_sequence(layout.root / "none") == 0


def test_half_a_last_line_is_left_for_later_and_costs_nothing_else(layout: Layout) -> None:
    journal = Journal(layout)
    journal.append("note", text="one")
    whole = layout.journal.read_bytes()
    for cut in range(1, len(whole)):
        layout.journal.write_bytes(whole + whole[:cut])
        again = Journal(layout)
        assert texts(layout) == ["one"]
        again.append("note", text="two")
        # Without its line end the copy is whole: it is kept, and the count goes on behind it.
        is_whole = cut == len(whole) - 1
        assert texts(layout) == ["one", *["one"] * is_whole, "two"]


def test_several_entries_are_written_together(layout: Layout) -> None:
    journal = Journal(layout)
    assert journal.append_all([]) == []
    assert not layout.journal.exists()
    assert [line["seq"] for line in journal.append_all([{"kind": "a"}, {"kind": "b"}])] == [1, 2]


def test_a_number_that_is_none_is_refused_before_anything_is_written(layout: Layout) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        Journal(layout).append("note", value=float("nan"))
    assert not layout.journal.exists()


def test_a_full_disk_leaves_the_journal_whole(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(layout)
    journal.append("note", text="one")
    before = layout.journal.read_bytes()
    write = os.write

    def full(handle: int, content: bytes) -> int:
        write(handle, bytes(content)[:7])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        journal.append("note", text="two")
    monkeypatch.undo()
    assert layout.journal.read_bytes() == before
    # The number of the line that may have been seen is not given again.
    assert journal.append("note", text="three")["seq"] == 3
    assert texts(layout) == ["one", "three"]


def test_lines_stay_one_line_each(layout: Layout) -> None:
    Journal(layout).append("note", text="a\nb\rc\u2028d\x85e")
    raw = layout.journal.read_bytes()
    assert raw.count(b"\n") == 1
    assert json.loads(raw)["text"] == "a\nb\rc\u2028d\x85e"
    assert len(follow(layout).read()) == 1
