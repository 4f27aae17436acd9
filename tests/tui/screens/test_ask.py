"""A verb of the palette that needs words: they are asked for, judged and shown as a command."""

from __future__ import annotations

from pathlib import Path

from tests.tui.conftest import app_of, look, press, text_of, until
from tuilab.tui.screens.ask import AskDialog

SIZE = (80, 24)


async def test_an_open_quotation_mark_is_told_and_runs_nothing(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "colon", *"import a table")
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, AskDialog)
        assert "Type the file and a name." in text_of(pilot.app)
        await press(pilot, *"it's.csv", "enter")
        await until(pilot, lambda: "a quotation mark is left open" in text_of(pilot.app))
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, AskDialog)
        await press(pilot, "ctrl+u", *"'it is.csv' --name mine")
        line = "$ tuilab import 'it is.csv' --name mine"
        await until(pilot, lambda: line in text_of(pilot.app))
