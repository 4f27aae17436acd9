"""Growing files are followed by offset; half a line waits, a broken one is passed over."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from tuilab.contract.tail import MOST_LINE, JsonlFollower, tail_lines


def test_only_what_is_new_is_returned(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    follower = JsonlFollower(path)
    assert follower.read() == []
    with path.open("a") as file:
        for number in range(5):
            file.write(json.dumps({"n": number}) + "\n")
            file.flush()
            assert follower.read() == [{"n": number}]
    assert follower.read() == []


@pytest.mark.parametrize("count", [1, 3, 120])
def test_half_a_line_is_left_until_it_is_whole(tmp_path: Path, count: int) -> None:
    path = tmp_path / "x.jsonl"
    lines = b"".join(json.dumps({"n": n}).encode() + b"\n" for n in range(count))
    last = json.dumps({"n": 'ä{["}'}, ensure_ascii=False).encode() + b"\n"
    for cut in range(len(last)):
        path.write_bytes(lines + last[:cut])
        follower = JsonlFollower(path)
        assert len(follower.read()) == count
        assert follower.offset == len(lines)
        path.write_bytes(lines + last)
        assert follower.read() == [json.loads(last)]
        assert follower.broken == []


@pytest.mark.parametrize("count", [2, 200])
@pytest.mark.parametrize("bad", [b"nonsense", b"[1]", b'{"a":1', b"\xff\xfe", b"{},{}", b'"x"'])
def test_a_broken_line_costs_itself_alone(tmp_path: Path, count: int, bad: bytes) -> None:
    good = [json.dumps({"n": n}).encode() for n in range(count)]
    for place in (0, count // 2, count):
        lines = [*good[:place], bad, *good[place:]]
        (tmp_path / "x").write_bytes(b"\n".join(lines) + b"\n")
        follower = JsonlFollower(tmp_path / "x")
        assert [line["n"] for line in follower.read()] == list(range(count))
        assert follower.broken == [sum(len(line) + 1 for line in good[:place])]


def test_a_line_that_never_ends_is_passed_over_and_costs_no_more_memory(tmp_path: Path) -> None:
    path = tmp_path / "x"
    first = b'{"n": 1}\n'
    path.write_bytes(first + b'{"text": "' + b"x" * (3 * MOST_LINE))
    follower = JsonlFollower(path)
    tracemalloc.start()
    assert follower.read() == [{"n": 1}]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 3 * MOST_LINE
    assert follower.broken == [len(first)]
    assert follower.offset == path.stat().st_size  # what was passed over is not read again
    with path.open("ab") as file:
        file.write(b'x"}\n{"n": 2}\n{"n":')
    assert follower.read() == [{"n": 2}]
    assert follower.broken == [len(first)]


def test_a_large_file_is_in_memory_a_part_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"".join(b'{"n": %d, "x": "%b"}\n' % (n, b"y" * 400) for n in range(9000)))
    follower = JsonlFollower(path)
    sizes = [len(batch) for batch in follower.batches()]
    assert sum(sizes) == 9000 and max(sizes) < 3000
    assert follower.offset == path.stat().st_size


def test_two_halves_are_never_joined_into_a_line(tmp_path: Path) -> None:
    lines = [b'{"n": %d}' % n for n in range(100)]
    lines[40:40] = [b'{"a": [{"x": 1}', b'{"y": 2}]}']
    (tmp_path / "x").write_bytes(b"\n".join(lines) + b"\n")
    follower = JsonlFollower(tmp_path / "x")
    assert [line["n"] for line in follower.read()] == list(range(100))
    assert len(follower.broken) == 2


def test_a_file_that_became_shorter_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text('{"n": 1}\n{"n": 2}\n')
    follower = JsonlFollower(path)
    follower.read()
    path.write_text('{"n": 3}\n')
    assert follower.read() == [{"n": 3}]


def test_the_tail_of_a_log_is_bounded_and_progress_bars_collapse(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    assert tail_lines(path) == []
    path.write_bytes(b"x" * 10_000_000 + b"\n10%\r50%\r100%\r\nlast \xff line")
    found = tail_lines(path, 1000)
    assert found[1:] == ["100%", "last \ufffd line"]
    assert len(found[0]) < 1000


def test_a_file_is_streamed_line_by_line_and_what_is_damaged_is_known(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"n": 1}\nnot json\n[]\n\n{"n": 2}\n{"n": ')
    follower = JsonlFollower(path)
    assert list(follower.stream()) == [{"n": 1}, {"n": 2}]
    assert follower.broken == [9, 18]
    with path.open("a") as file:
        file.write("3}\n")
    assert list(follower.stream()) == [{"n": 3}]
