"""What the app asks of the engine, and what it says when it may not or nobody reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.tui.conftest import app_of, look, press, requests_of, text_of
from tuilab.store.journal import Journal
from tuilab.store.layout import Layout
from tuilab.tui import farewell

SIZE = (80, 24)


READ_ONLY = ("r", "R", "x", "P", "S")


async def test_read_only_says_why_and_asks_for_nothing(experiment: Path) -> None:
    async with app_of(experiment, read_only=True).run_test(size=SIZE) as pilot:
        await look(pilot)
        assert "read-only" in text_of(pilot.app).splitlines()[0]
        for key in READ_ONLY:
            await press(pilot, "e", key)
            assert (key, "read-only" in pilot.app.screen.said) == (key, True)  # type: ignore[attr-defined]
        await press(pilot, "4", "K", "H", "x")
        assert "read-only" in pilot.app.screen.said  # type: ignore[attr-defined]
    assert requests_of(experiment) == []


async def test_a_relaunch_starts_the_engine_when_there_is_none(
    copy_of: Callable[[str], Path],
) -> None:
    root = copy_of("one_by_one")
    started: list[Path] = []
    app = app_of(root, start_engine=started.append)
    async with app.run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "r")
        assert "no engine is running; Start starts one" in text_of(app)
        await press(pilot, "right", "enter")
    assert started == [root]
    assert [request["cells"] for request in requests_of(root)] == [["villain@0#42"]]


async def test_a_wish_that_no_engine_reads_yet_says_so(copy_of: Callable[[str], Path]) -> None:
    root = copy_of("one_by_one")
    Journal(Layout(root)).append("wanted", jobs={"train/villain@0#42": 1}, verb="run")
    async with app_of(root).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "u", "H")
        assert "no engine is running, S starts one" in text_of(pilot.app)
    assert [request["verb"] for request in requests_of(root)] == ["hold"]


async def test_capital_s_starts_the_engine(copy_of: Callable[[str], Path]) -> None:
    root = copy_of("one_by_one")
    started: list[Path] = []
    app = app_of(root, start_engine=started.append)
    async with app.run_test(size=SIZE) as pilot:
        await look(pilot)
        assert "no engine, nothing queued" in text_of(app)
        await press(pilot, "S")
    assert started == [root]


async def test_what_the_engine_refuses_is_said_on_the_status_line(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "e", "r", "right", "enter")
        [request] = requests_of(experiment)
        Journal(Layout(experiment)).append(
            "request", id=request["id"], verb="relaunch", accepted=False, why="it is running [/x]"
        )
        await look(pilot)
        assert "refused: it is running [/x]" in text_of(pilot.app)


async def test_results_without_a_plan_cannot_be_run(tmp_path: Path) -> None:
    from importlib.resources import files

    root = Path(str(files("tuilab") / "published"))
    async with app_of(root).run_test(size=SIZE) as pilot:
        await look(pilot)
        shown = text_of(pilot.app)
        assert "77/77" in shown
        assert "imported from measurements.csv" in shown
        assert "attempt" not in shown
        assert "engine" not in shown
        assert "relaunch" not in shown.splitlines()[-1]
        for key in ("r", "R", "x", "P", "S"):
            await press(pilot, key)
            assert "these are results only" in text_of(pilot.app)
        await press(pilot, "u")
        assert "these are results only" in text_of(pilot.app)
        assert "hold" not in text_of(pilot.app).splitlines()[-1]
        assert pilot.app.snapshot is not None  # type: ignore[attr-defined]
        left = farewell(root, pilot.app.snapshot)  # type: ignore[attr-defined]
        assert left == "77 of 77 cells are measured.\ncome back with: tuilab published"
