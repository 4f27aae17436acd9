"""The published grid when most of it is done, as a snapshot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tui.building import LATER
from tuilab.store.reader import Reader
from tuilab.store.snapshot import Snapshot


@pytest.fixture(scope="session")
def half_way(originals: Callable[[str], Path]) -> Snapshot:
    return Reader(originals("half_way")).poll(LATER)
