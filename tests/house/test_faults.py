"""The catalogue of faults names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def test_every_fault_is_played_by_tests_that_exist() -> None:
    lines = (TESTS / "FAULTS.md").read_text().splitlines()
    faults = [line for line in lines if line.startswith("| ")][1:]
    assert len(faults) >= 40
    assert [line for line in faults if not NAMED.search(line)] == []
    missing = [
        f"{file}::{test}"
        for file, test in NAMED.findall("\n".join(faults))
        if not (path := TESTS / file).is_file() or f"def {test}(" not in path.read_text()
    ]
    assert missing == []
