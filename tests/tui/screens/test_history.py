"""The history screen tells what happens while one looks, and finds what one asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.building import LATER
from tests.tui.conftest import app_of, look, press, text_of
from tuilab.store.journal import Journal
from tuilab.store.layout import Layout
from tuilab.tui.screens.cell import CellScreen
from tuilab.tui.screens.history import HistoryScreen

SMALL, WIDE = (80, 24), (140, 45)


def worker_dies_and_its_job_is_retried(root: Path, at: float = LATER) -> None:
    """What the engine writes when somebody kills a runner."""
    job = "train/villain@4#42"
    Journal(Layout(root)).append_all(
        [
            {"kind": "wanted", "jobs": {job: 2}, "verb": "retry", "by": "engine", "at": at},
            {
                "kind": "settled",
                "job": job,
                "attempt": 1,
                "verdict": "failed",
                "at": at,
                "reason": "killed",
                "detail": "killed by signal 9 (exit 137)",
            },
            {"kind": "worker-ended", "worker": "w0-1", "exit": 137, "why": "", "at": at + 0.1},
        ]
    )


DEATH = "train/villain@4#42 killed by signal 9 (exit 137), retried"


async def test_a_worker_that_dies_and_is_retried_is_seen_on_the_small_grid(
    experiment: Path,
) -> None:
    async with app_of(experiment).run_test(size=SMALL) as pilot:
        await look(pilot)
        assert DEATH not in text_of(pilot.app)
        worker_dies_and_its_job_is_retried(experiment)
        await look(pilot)
        assert DEATH in text_of(pilot.app)
        Journal(Layout(experiment)).append("resumed", by="ada", at=LATER + 1)
        await look(pilot)
        assert DEATH in text_of(pilot.app), "what went wrong is not pushed away at once"


async def test_what_went_wrong_long_ago_makes_room(experiment: Path) -> None:
    worker_dies_and_its_job_is_retried(experiment, LATER - 3600)
    Journal(Layout(experiment)).append("resumed", by="ada", at=LATER - 60)
    async with app_of(experiment).run_test(size=SMALL) as pilot:
        await look(pilot)
        assert "ada resumed" in text_of(pilot.app)


@pytest.mark.parametrize("size", [SMALL, WIDE])
async def test_it_tells_what_happens_while_one_looks(
    experiment: Path, size: tuple[int, int]
) -> None:
    async with app_of(experiment).run_test(size=size) as pilot:
        await look(pilot)
        await press(pilot, "v")
        shown = text_of(pilot.app)
        assert "$ tuilab history runs/small" in shown
        assert "train/villain@4#42 started" in shown
        worker_dies_and_its_job_is_retried(experiment)
        await look(pilot)
        lines = text_of(pilot.app).splitlines()
        assert any(DEATH in line for line in lines)
        assert any(line.startswith(">") and "worker w0-1 killed" in line for line in lines)


async def test_the_cursor_stays_on_its_line_away_from_the_end(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SMALL) as pilot:
        await look(pilot)
        await press(pilot, "v", "k", "k")
        before = under_cursor(pilot)
        worker_dies_and_its_job_is_retried(experiment)
        await look(pilot)
        assert under_cursor(pilot) == before


def under_cursor(pilot: Pilot[Any]) -> str:
    return next(line for line in text_of(pilot.app).splitlines() if line.startswith(">"))


async def test_words_choose_lines_and_esc_takes_them_back_before_it_leaves(
    experiment: Path,
) -> None:
    worker_dies_and_its_job_is_retried(experiment)
    async with app_of(experiment).run_test(size=SMALL) as pilot:
        await look(pilot)
        await press(pilot, "v", "slash", *"KILLED train", "enter")
        assert "history  /KILLED train" in text_of(pilot.app)
        assert "1 of 1" in text_of(pilot.app)
        await press(pilot, "slash", *" nobody", "enter")
        assert "no line has all these words" in text_of(pilot.app)
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, HistoryScreen)
        assert DEATH in text_of(pilot.app)
        await press(pilot, "escape")
        assert not isinstance(pilot.app.screen, HistoryScreen)


async def test_enter_opens_the_cell_and_says_where_there_is_none(experiment: Path) -> None:
    worker_dies_and_its_job_is_retried(experiment)
    async with app_of(experiment).run_test(size=SMALL) as pilot:
        await look(pilot)
        await press(pilot, "v", "enter")
        assert "this line is not about a cell" in text_of(pilot.app)
        await press(pilot, "k", "enter")
        assert isinstance(pilot.app.screen, CellScreen)
        assert str(pilot.app.screen.cell) == "villain@4#42"


async def test_imported_results_have_no_history() -> None:
    from tuilab.store.shipped import published_dir

    async with app_of(published_dir()).run_test(size=SMALL) as pilot:
        await look(pilot)
        await press(pilot, "v")
        assert "these are results only" in text_of(pilot.app)
