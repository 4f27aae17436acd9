"""The bottom line: how long what was said stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.conftest import app_of, look
from tuilab.tui.screens.grid import GridScreen

SIZE = (80, 24)


async def test_good_news_goes_by_itself_and_warnings_stay(
    experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.tui.conftest import until
    from tuilab.tui.widgets import key_bar

    monkeypatch.setattr(key_bar, "GOOD_NEWS_SECONDS", 0.01)
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, GridScreen)
        screen.say("asked for 2 jobs", "done")
        await until(pilot, lambda: screen.said == "")
        screen.say("no log here", "warn")
        await until(pilot, lambda: screen.said == "no log here")
