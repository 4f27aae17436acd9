"""Every key of every screen, on healthy, broken, empty and hostile experiments: nothing crashes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from textual.binding import Binding
from textual.pilot import Pilot

from tests.tui.conftest import app_of, look, press, requests_of, text_of
from tuilab.tui import keys
from tuilab.tui.keys import APP, SCREENS
from tuilab.tui.present.shell_verbs import VERBS
from tuilab.tui.screens.frame import Dialog
from tuilab.tui.screens.grid import GridScreen

WAYS = {
    "grid": (),
    "cell": ("enter",),
    "plots": ("p",),
    "table": ("t",),
    "queue": ("u",),
    "history": ("v",),
    "experiments": ("5",),
}
"""Keys that lead to each screen from the grid."""
LEAVING = {"q", "ctrl+c", "ctrl+z"}


def keys_of(name: str) -> Iterator[str]:
    """Yield every key of a screen, and those of the whole app, that does not leave."""
    for binding in (*SCREENS[name], *APP):
        assert isinstance(binding, Binding)
        yield from (key for key in binding.key.split(",") if key not in LEAVING)


async def stand_on(pilot: Pilot[Any], name: str) -> None:
    """Close what is open and go to a screen."""
    for _ in range(6):
        if isinstance(pilot.app.screen, GridScreen) and not pilot.app.focused:
            break
        await pilot.press("escape" if isinstance(pilot.app.screen, Dialog) else "1")
        await pilot.press("escape")
        await pilot.pause()
    for key in WAYS[name]:
        await pilot.press(key)
        await pilot.pause()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("small", "grid"),
        *(
            pytest.param(kind, name, marks=pytest.mark.trial)
            for kind, name in product(("small", "hostile", "empty"), WAYS)
        ),
    ],
)
async def test_every_key_of_every_screen_is_survived(
    copy_of: Callable[[str], Path], kind: str, name: str
) -> None:
    root = copy_of(kind)
    async with app_of(root, under=root.parent).run_test(size=(80, 24)) as pilot:
        await look(pilot)
        await stand_on(pilot, name)
        home = type(pilot.app.screen)
        for key in dict.fromkeys(keys_of(name)):
            await pilot.press(key)
            await pilot.pause()
            assert text_of(pilot.app).strip(), key  # type: ignore[arg-type]
            if type(pilot.app.screen) is not home or pilot.app.focused:
                await stand_on(pilot, name)
        await press(pilot, "escape")
        assert pilot.app.return_code is None
    # Nothing starts before Start; moving in the queue, holding and going on ask at once.
    assert {one["verb"] for one in requests_of(root)} <= {"order", "hold", "release", "resume"}


def test_every_key_has_a_meaning_and_an_id() -> None:
    for bindings in keys.SCREENS.values():
        for binding in bindings:
            assert binding.id and binding.tooltip, binding  # type: ignore[union-attr]


async def test_the_palette_finds_a_verb_by_its_name(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=(80, 24)) as pilot:
        await look(pilot)
        titles = [one.title for one in pilot.app.get_system_commands(pilot.app.screen)]
        for verb in ("grow", "relaunch", "note", *(one.verb for one in VERBS)):
            assert any(verb in title for title in titles), verb


async def test_the_palette_offers_every_action_once(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=(80, 24)) as pilot:
        await look(pilot)
        offered = [one.title for one in pilot.app.get_system_commands(pilot.app.screen)]
        assert len(offered) == len(set(offered))
        assert "relaunch the cell or all marked cells" in offered
        assert "write a report with figures, tables and claims" in offered
        assert "compare with another experiment" in offered
        found = list(pilot.app.get_system_commands(pilot.app.screen))
        leave: Any = next(one.callback for one in found if one.title.startswith("leave"))
        await leave()
        await pilot.pause()
    assert pilot.app.return_code == 0, "at once: it has no second time as ctrl+c has"
