"""Rows that a runner left are read within bounds, whatever their archive unpacks to."""

from __future__ import annotations

import gzip
import os
import tracemalloc
from pathlib import Path

import pytest

from tuilab.contract.tail import MOST_LINE
from tuilab.store.replan import read_text
from tuilab.store.stage_checks import read_rows


def test_a_row_that_unpacks_to_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "completions.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b'{"text": "fine"}\n{"text": "')
        for _ in range(40):
            file.write(b"x" * (MOST_LINE // 8))
    tracemalloc.start()
    rows = read_rows(path)
    assert next(rows) == {"text": "fine"}
    with pytest.raises(ValueError, match="unpacks to more"):
        next(rows)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 3 * MOST_LINE


@pytest.mark.parametrize("damage", [b"", b"no gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\xffnonsense"])
def test_damaged_rows_are_told_in_a_sentence(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "rows.gz"
    path.write_bytes(damage)
    if damage:
        with pytest.raises((ValueError, OSError)):
            list(read_rows(path))
    else:
        assert list(read_rows(path)) == []


def test_a_config_that_is_a_pipe_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "experiment.toml")
    with pytest.raises(OSError, match="is a pipe"):
        read_text(tmp_path / "experiment.toml")
