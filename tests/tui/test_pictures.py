"""Pictures of every screen, compared with the ones that were looked at (--snapshot-update)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.conftest import app_of, look, press
from tests.tui.examples import large

Compare = Callable[..., bool]
SMALL, WIDE = (80, 24), (140, 45)


def after(*keys: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """Look, press keys, look again; nothing blinks."""

    async def prepare(pilot: Pilot[Any]) -> None:
        await look(pilot)
        for key in keys:
            await press(pilot, key)
        for field in pilot.app.screen.query(Input):
            field.cursor_blink = False
        await look(pilot)

    return prepare


OF_HALF_WAY = {
    "grid": "j e",
    "marks": "j l shift+right shift+right shift+down",
    "filter": "slash f a i l e d",
    "relaunch": "j e r",
    "relaunch-all": "R f f",
    "stop": "$ h x",
    "pause": "P",
    "accept": "j j l l A",
    "grow": "+",
    "cell-log": "j e enter",
    "cell-results": "l l l l l enter",
    "cell-metrics": "l l l l l enter tab h h tab",
    "cell-parameters": "j e enter d",
    "cell-artefacts": "l l l l l enter tab h h tab tab tab",
    "cell-completions": "l l l l l enter shift+tab j j j",
    "queue": "u j j",
    "history": "v k k",
    "help": "question_mark",
}


@pytest.mark.parametrize("name", OF_HALF_WAY)
def test_a_screen_at_80x24_looks_as_it_should(
    snap_compare: Compare, copy_of: Callable[[str], Path], name: str
) -> None:
    app = app_of(copy_of("half_way"))
    assert snap_compare(app, terminal_size=SMALL, run_before=after(*OF_HALF_WAY[name].split()))


@pytest.mark.parametrize(
    "name",
    [
        "grid",
        "cell-metrics",
        "cell-completions",
        "history",
        *(
            pytest.param(name, marks=pytest.mark.trial)
            for name in ("relaunch-all", "cell-log", "cell-results", "queue")
        ),
    ],
)
def test_a_screen_at_140x45_looks_as_it_should(
    snap_compare: Compare, copy_of: Callable[[str], Path], name: str
) -> None:
    app = app_of(copy_of("half_way"))
    assert snap_compare(app, terminal_size=WIDE, run_before=after(*OF_HALF_WAY[name].split()))


DRESSES: dict[str, dict[str, Any]] = {
    "light": {"theme": "light"},
    "ansi16": {"theme": "ansi16"},
    "ascii": {"ascii_only": True},
}


@pytest.mark.parametrize("dress", DRESSES)
def test_the_grid_looks_right_in_every_dress(
    snap_compare: Compare, copy_of: Callable[[str], Path], dress: str
) -> None:
    app = app_of(copy_of("half_way"), **DRESSES[dress])
    assert snap_compare(app, terminal_size=SMALL, run_before=after("j", "e"))


@pytest.mark.parametrize(
    "dress", ["ascii", *(pytest.param(one, marks=pytest.mark.trial) for one in ("light", "ansi16"))]
)
def test_a_dialog_looks_right_in_every_dress(
    snap_compare: Compare, copy_of: Callable[[str], Path], dress: str
) -> None:
    app = app_of(copy_of("half_way"), **DRESSES[dress])
    assert snap_compare(app, terminal_size=SMALL, run_before=after("j", "e", "r"))


UNUSUAL = {
    "one_by_one": (SMALL, ""),
    "empty": (SMALL, ""),
    "hostile": (SMALL, ""),
    "no_data": (WIDE, ""),
    "several_seeds": (SMALL, "j l"),
    "small": ((39, 11), ""),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_grids_look_right(
    snap_compare: Compare, copy_of: Callable[[str], Path], name: str
) -> None:
    size, keys = UNUSUAL[name]
    app = app_of(copy_of(name))
    assert snap_compare(app, terminal_size=size, run_before=after(*keys.split()))


def test_a_grid_of_300_by_120_is_seen_one_column_a_cell(
    snap_compare: Compare, tmp_path: Path
) -> None:
    app = app_of(tmp_path, source=large)
    assert snap_compare(app, terminal_size=WIDE, run_before=after("z", "z", "j", "l"))


def test_newcomers_see_three_lines(
    snap_compare: Compare, copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "state" / "tuilab" / "greeted").unlink()
    assert snap_compare(app_of(copy_of("small")), terminal_size=SMALL, run_before=after())


@pytest.mark.parametrize("keys", ["", "space j space c"], ids=["list", "compare"])
def test_the_list_of_experiments_and_a_comparison_look_right(
    snap_compare: Compare,
    copy_of: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keys: str,
) -> None:
    import os

    from tests.tui.building import LATER

    for age, name in enumerate(("half_way", "small", "one_by_one")):
        root = copy_of(name)
        for file in ("journal.jsonl", "plan.json"):
            if (root / file).exists():
                os.utime(root / file, (LATER - 90 * (age + 1),) * 2)
    app = app_of(None, under=Path())
    assert snap_compare(app, terminal_size=SMALL, run_before=after(*keys.split()))
