"""Posts many snapshots to the app without a terminal and prints by how many MB it has grown."""

from __future__ import annotations

import asyncio
import gc
import time
from dataclasses import replace
from pathlib import Path

import psutil

from tests.tui.examples import large
from tuilab.grid.states import State
from tuilab.tui.app import TuilabApp
from tuilab.tui.poller import SnapshotTaken

WARM = 1000
"""Snapshots before counting begins: caches fill first."""


async def soak(count: int) -> float:
    """Return the growth in MB."""
    source = large(Path.cwd(), 7, 11)
    snapshot = source.snapshot
    app = TuilabApp(Path.cwd(), source=lambda root: source, poll_seconds=None)
    process, base = psutil.Process(), 0
    async with app.run_test(size=(140, 45)) as pilot:
        for number in range(WARM + count):
            if number == WARM:
                gc.collect()
                base = process.memory_info().rss
            place = number % len(snapshot.cells)
            cells = list(snapshot.cells)
            states = (State.RUNNING, State.DONE)
            cells[place] = replace(cells[place], state=states[number % 2], percent=number % 100.0)
            snapshot = replace(snapshot, cells=tuple(cells), sequence=number, taken_at=time.time())
            app.post_message(SnapshotTaken(snapshot))
            await asyncio.sleep(0)
            if number % 50 == 0:
                await pilot.press("j" if number % 100 else "k")
        gc.collect()
        return (process.memory_info().rss - base) / 1e6


def main(count: int) -> None:
    """Print the growth in MB."""
    print(asyncio.run(soak(count)))
