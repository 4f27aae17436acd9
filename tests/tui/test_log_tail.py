"""Searching all of a log, and reading a part of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuilab.tui import log_tail
from tuilab.tui.log_tail import LIMIT_BYTES, LogFollower, part_around, search

LINES = [
    "first",
    "a step: loss 3.1\rloss 2.5\rloss 2.1",
    "Über allem",
    "x" * 90,
    "loss 2.1 again",
    "",
    "last",
]


@pytest.fixture(params=[7, 64, 4 << 20])
def log(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log that is read in blocks of several sizes, some shorter than its lines."""
    monkeypatch.setattr(log_tail, "_BLOCK", request.param)
    path = tmp_path / "log.txt"
    path.write_text("\n".join(LINES) + "\n")
    return path


def begins(line: int) -> int:
    return sum(len(text.encode()) + 1 for text in LINES[:line])


def found(log: Path, needle: str, line: int, step: int) -> int | None:
    place = search(log, needle, begins(line), step)
    return None if place is None else [begins(n) for n in range(len(LINES))].index(place)


def test_a_search_goes_on_around_both_ends_in_any_case(log: Path) -> None:
    if log_tail._BLOCK == 7:  # lines are longer than a block: their pieces are searched
        assert search(log, "last", 0) == begins(6)
        assert search(log, "last", begins(6), -1) == begins(6)
        return
    assert found(log, "LOSS 2.1", 0, 1) == 1
    assert found(log, "loss 2.1", 2, 1) == 4
    assert found(log, "loss 2.1", 5, 1) == 1
    assert found(log, "loss 2.1", 4, -1) == 1
    assert found(log, "loss 2.1", 1, -1) == 4
    assert found(log, "ÜBER", 0, 1) == found(log, "über", 6, -1) == 2
    assert found(log, "last", 7, 1) == 6


def test_what_was_overwritten_or_is_nowhere_is_not_found(log: Path, tmp_path: Path) -> None:
    assert search(log, "loss 2.5", 0) is None or log_tail._BLOCK == 7
    assert search(log, "nowhere", begins(3), -1) is None
    assert search(tmp_path / "absent", "last", 0) is None


def test_a_part_of_a_log_has_whole_lines_and_knows_where_they_begin(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    lines = [f"line {number} " + "é" * (number % 97) for number in range(9000)]
    path.write_text("\n".join(lines) + "\n")
    ends = [0]
    for line in lines:
        ends.append(ends[-1] + len(line.encode()) + 1)
    for number in (0, 10, 4500, 8999):
        part = part_around(path, ends[number])
        at = [part.begins(n) for n in range(len(part.lines))].index(ends[number])
        assert part.lines[at].decode() == lines[number]
        assert part.is_cut
        assert sum(map(len, part.lines)) < LIMIT_BYTES
    assert part.begins(len(part.lines)) == part.size == ends[-1]
    tail = LogFollower(path).look()
    assert tail is not None
    assert tail.begins(len(tail.lines)) == ends[-1]
    assert tail.start in ends
