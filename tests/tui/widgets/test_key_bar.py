"""The bottom line: how long what was said stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.conftest import app_of, look, press, text_of
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


async def test_a_long_sentence_is_said_whole_and_gives_its_rows_back(experiment: Path) -> None:
    why = "'leekage>5' is not a comparison: write epoch>=10, leakage>50 or cosine<0.5"
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "slash", *"leekage>5", "enter")
        assert why in " ".join(text_of(pilot.app).split())
        assert "relaunch" not in text_of(pilot.app).splitlines()[-1]
        await press(pilot, "escape")
        assert " ↵ open  r relaunch" in text_of(pilot.app).splitlines()[-1]
        assert "comparison" not in text_of(pilot.app)
        pilot.app.screen.say("word " * 200)  # type: ignore[attr-defined]
        await look(pilot)
        last = text_of(pilot.app).splitlines()[-3:]
        assert all(line.startswith(" word") for line in last) and last[-1].endswith("…")
