"""The map of the house names rooms that exist, and its counts are true."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOTS = [ROOT / below for below in ("", "tuilab", "tuilab/engine", "tuilab/tui", "runners")]
"""Paths in the text are written from one of these."""
TEXT = (ROOT / "docs" / "ARCHITECTURE.md").read_text()


def test_every_file_and_folder_that_the_map_names_exists() -> None:
    named = set(re.findall(r"`([\w/]+(?:\.py|/))`", TEXT)) - {"requests/", "attempt-N/"}
    assert len(named) > 40
    assert {name for name in named if not any((root / name).exists() for root in ROOTS)} == set()


def test_a_leakage_number_passes_as_many_files_as_the_map_says_and_no_more_than_20() -> None:
    way = TEXT.partition("## A number's way from a runner to the screen")[2]
    said, steps = re.search(r"(\d+) files", way), way.partition("\n\nA long journal")[0]
    passed = set(re.findall(r"`([\w/]+\.py)`", steps))
    assert said is not None and len(passed) == int(said[1]) <= 20


def test_the_sizes_are_about_those_that_the_map_says() -> None:
    for folder, lines, files in re.findall(r"`(\w+)` (?:is )?([\d,]+)(?: lines)? in (\d+)", TEXT):
        paths = list((ROOT / folder).rglob("*.py"))
        counted = sum(path.read_bytes().count(b"\n") for path in paths)
        assert abs(counted / int(lines.replace(",", "")) - 1) < 0.1, (folder, counted)
        assert abs(len(paths) / int(files) - 1) < 0.1, (folder, len(paths))
