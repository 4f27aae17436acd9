"""The map of the house names rooms that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOTS = [ROOT / below for below in ("", "tuilab", "tuilab/engine", "tuilab/tui", "runners")]
"""Paths in the text are written from one of these."""


def test_every_file_and_folder_that_the_map_names_exists() -> None:
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`([\w/]+(?:\.py|/))`", text)) - {"requests/", "attempt-N/"}
    assert len(named) > 40
    assert {name for name in named if not any((root / name).exists() for root in ROOTS)} == set()
