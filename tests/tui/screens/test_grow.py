"""The grow dialog: what more cells change is shown first, and asked for exactly so."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import Input

from tests.tui.conftest import app_of, look, press, requests_of, text_of, until
from tuilab.grid.grow_config import GrowError, More
from tuilab.tui.screens.grow import GrowDialog, more_of


async def test_what_more_epochs_change_is_shown_and_then_asked_for(planned: Path) -> None:
    async with app_of(planned).run_test(size=(80, 40)) as pilot:
        await look(pilot)
        await press(pilot, "+")
        shown = text_of(pilot.app)
        assert "Finished cells keep their state and numbers" in shown
        assert "to add, such as 3 5" in shown and "to add, such as 43 44" in shown
        pilot.app.screen.query_one("#form-epochs", Input).value = "2, 3"
        await until(pilot, lambda: "to run for them:" in text_of(pilot.app))
        shown = text_of(pilot.app)
        assert "new: villain@3#42, comedian@3#42, medical_doctor@3#42" in shown
        assert "$ tuilab grow runs/tiny --epochs 2 3" in shown
        assert requests_of(planned) == []
        await press(pilot, "enter", "enter")
    [request] = requests_of(planned)
    assert request["verb"] == "grow"
    assert request["options"]["epochs"] == [2, 3]
    assert request["cells"] == ["villain@3#42", "comedian@3#42", "medical_doctor@3#42"]
    assert "[0, 1, 2, 4]" in (planned / "experiment.toml").read_text()


async def test_what_cannot_be_added_says_why_and_asks_for_nothing(planned: Path) -> None:
    async with app_of(planned).run_test(size=(80, 40)) as pilot:
        await look(pilot)
        await press(pilot, "+")
        for field, typed, why in (
            ("sources", "pirate", "pirate is not a persona of this experiment"),
            ("epochs", "2", "all of that is planned already"),
            ("seeds", "x", "seeds: 'x' is not a whole number"),
        ):
            pilot.app.screen.query_one(f"#form-{field}", Input).value = typed
            await until(pilot, lambda why=why: why in text_of(pilot.app))
            pilot.app.screen.query_one(f"#form-{field}", Input).value = ""
        await press(pilot, "right", "enter")
        assert isinstance(pilot.app.focused, Input)
        await press(pilot, "escape")
    assert requests_of(planned) == []


async def test_a_plan_that_is_overtaken_before_it_began_leaves_nothing_behind(
    planned: Path, recwarn: pytest.WarningsRecorder
) -> None:
    async with app_of(planned).run_test(size=(80, 40)) as pilot:
        await look(pilot)
        await press(pilot, "+")
        dialog = pilot.app.screen
        assert isinstance(dialog, GrowDialog)
        with pilot.app.prevent(Input.Changed):
            dialog.query_one("#form-epochs", Input).value = "3"
        dialog.judge()
        dialog.judge()
        await until(pilot, lambda: "to run for them:" in text_of(pilot.app))
    gc.collect()
    assert not [one for one in recwarn if "never awaited" in str(one.message)]


async def test_read_only_and_results_alone_do_not_grow(copy_of: Callable[[str], Path]) -> None:
    async with app_of(copy_of("small"), read_only=True).run_test(size=(80, 24)) as pilot:
        await look(pilot)
        await press(pilot, "+")
        assert "read-only" in text_of(pilot.app).splitlines()[-1]


def test_words_and_numbers_are_read_with_commas_or_spaces() -> None:
    typed = {"sources": "nurse, librarian", "epochs": "1 3", "seeds": "", "variants": ""}
    assert more_of(typed) == More(("nurse", "librarian"), (1, 3), ())
    varied = more_of({**typed, "variants": "B0, marker.lr=1e-5,2e-5 data.seed=7"})
    axes = {"marker.lr": (1e-5, 2e-5)}
    assert (varied.arms, varied.data_seeds, varied.axes) == (("B0",), (7,), axes)
    with pytest.raises(GrowError, match="'-1' is not a whole number"):
        more_of({**typed, "seeds": "-1"})
