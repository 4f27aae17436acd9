"""The first picture loads what it shows; the other screens are loaded before the first key."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tuilab.store.shipped import published_dir

NOT_NEEDED = {
    "tuilab.cli.app",
    "tuilab.cli.resolve",
    "tuilab.contract.report",
    "tuilab.contract.spec",
    "tuilab.contract.worker",
    "tuilab.grid.code_shape",
    "tuilab.grid.config",
    "tuilab.grid.experiment_state",
    "tuilab.grid.relaunch",
    "tuilab.grid.request",
    "tuilab.grid.settings",
    "tuilab.store.attempts",
    "tuilab.store.evidence",
    "tuilab.store.old_settings",
    "tuilab.store.verify",
    "tuilab.tui.cell_look",
    "tuilab.tui.present.completions_text",
    "tuilab.tui.screens.cell",
    "tuilab.tui.screens.dialog",
    "tuilab.tui.screens.help",
    "tuilab.tui.screens.plots",
    "typer",
    "tomllib",
    "gzip",
}

LOOKED = """
import asyncio, importlib, pkgutil, sys, time
from pathlib import Path
from tuilab.cli.quick import _shown
import tuilab.cli.screen
from tuilab.tui import screens
from tuilab.tui.app import TuilabApp

async def main(root, seconds):
    app = TuilabApp(root, poll_seconds=seconds)
    async with app.run_test() as pilot:
        if seconds is None:
            app.look()
            await pilot.pause()
            assert app.screen.grid.table.rows
            print(*sys.modules)
            return
        names = {f"{screens.__name__}.{one.name}" for one in pkgutil.iter_modules(screens.__path__)}
        while names - set(sys.modules):
            await pilot.pause(0.05)

_shown(["open", sys.argv[1]])
asyncio.run(main(Path(sys.argv[1]), None))
asyncio.run(main(Path(sys.argv[1]), 0.05))
"""


@pytest.mark.parametrize("has_plan", [True, False])
def test_the_first_picture_loads_what_it_shows_and_the_screens_follow(
    has_plan: bool, planned: Path, tmp_path: Path
) -> None:
    root = planned if has_plan else published_dir()
    done = subprocess.run(
        [sys.executable, "-c", LOOKED, str(root)],
        capture_output=True, text=True, check=False, timeout=300, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert NOT_NEEDED & set(done.stdout.split()) == set()


COLLECTS = """
import asyncio, gc, sys
from pathlib import Path
from tuilab.tui.app import TuilabApp

async def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    async with TuilabApp(root, under=Path(), poll_seconds=0.05).run_test() as pilot:
        while not gc.isenabled():
            await pilot.pause(0.05)

gc.disable()  # as ``run`` does
asyncio.run(main())
"""


@pytest.mark.parametrize("words", [[], ["of-no-experiment"]])
def test_garbage_is_collected_also_where_no_experiment_is_seen(
    words: list[str], tmp_path: Path
) -> None:
    """The list of five small experiments grew by 2 GB an hour."""
    done = subprocess.run(
        [sys.executable, "-c", COLLECTS, *words],
        capture_output=True, text=True, check=False, timeout=300, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
