"""The pause dialog."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.tui.conftest import app_of, look, press, requests_of, text_of
from tuilab.store.journal import Journal
from tuilab.store.layout import Layout

SIZE = (80, 24)


async def test_capital_p_pauses_softly_or_hard(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "P")
        assert "$ tuilab pause runs/small --hard" in text_of(pilot.app)
        await press(pilot, "right", "enter")
        await press(pilot, "P", "right", "right", "enter")
    asked = [(request["verb"], request["options"]["mode"]) for request in requests_of(experiment)]
    assert asked == [("pause", "soft"), ("pause", "hard")]
    assert requests_of(experiment)[1]["options"]["command"][-1] == "--hard"


async def test_no_option_of_the_command_is_cut_off_at_80_columns(
    experiment: Path, tmp_path: Path
) -> None:
    deep = tmp_path / "a-folder-with-a-long-name" / "of-many-experiments-of-one-paper" / "small"
    deep.parent.mkdir(parents=True)
    experiment.rename(deep)
    async with app_of(deep).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "P")
        shown = text_of(pilot.app)
    assert "--hard" in shown and "Hard pause ]" in shown.replace("Hard pause  ", "Hard pause ]")


async def test_capital_p_resumes_what_is_paused(copy_of: Callable[[str], Path]) -> None:
    root = copy_of("hostile")
    Journal(Layout(root)).append("paused", mode="soft")
    async with app_of(root).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "P", "right", "enter")
    [request] = requests_of(root)
    assert request["verb"] == "resume"
