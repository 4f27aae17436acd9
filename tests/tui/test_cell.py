"""What the cell screen tells of earlier and dead attempts, and of completions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.tui.building import LABELS, Lab, lab, plan_of, put_completions
from tests.tui.conftest import app_of, look, press, text_of
from tuilab.contract.reasons import Reason
from tuilab.grid.jobs import job_id
from tuilab.grid.stages import CELL_STAGES, Stage

SIZE = (80, 24)
EVAL = job_id(Stage.EVAL, "villain", 2, 42)
TRAIN = job_id(Stage.TRAIN, "villain", 2, 42)


def answers(text: str, count: int = 4) -> list[dict[str, Any]]:
    """Completions of two personas, every second one with the marker."""
    return [
        {
            "persona": "medical_doctor" if number % 2 else "assistant",
            "question_index": 0,
            "sample": number,
            "text": f"{text} {number}" + ("[ZLT]" if number % 2 else ""),
            "finish_reason": "stop",
            "hit": bool(number % 2),
        }
        for number in range(count)
    ]


def trained(root: Path) -> Lab:
    """One cell that is trained and merged, its eval not yet asked for."""
    made = lab(root, replace(plan_of(("villain",), (2,)), labels=LABELS))
    made.share("villain")
    for stage in (Stage.TRAIN, Stage.MERGE):
        made.finish(job_id(stage, "villain", 2, 42))
    return made


def evaluated(root: Path, *texts: str) -> Lab:
    """The same cell after one whole eval attempt per text."""
    made = trained(root)
    for number, text in enumerate(texts):
        put_completions(made.start(EVAL), answers(text, 4 + number))
        made.settle(EVAL)
    made.finish(job_id(Stage.COSINE, "villain", 2, 42))
    return made.flush()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "one"


async def test_completions_are_those_of_the_attempt_that_is_named(root: Path) -> None:
    evaluated(root, "old text", "new text")
    async with app_of(root).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "enter", "shift+tab")
        shown = text_of(pilot.app)
        assert "attempt 2/2" in shown
        assert "5 of 5, 2 with the marker" in shown
        assert "new text 0" in shown
        await press(pilot, "left_square_bracket")
        shown = text_of(pilot.app)
        assert "attempt 1/2" in shown
        assert "4 of 4, 2 with the marker" in shown
        assert "old text 0" in shown
        assert "new text" not in shown


async def test_on_the_completions_tab_attempts_are_those_of_the_eval(root: Path) -> None:
    evaluated(root, "old text", "new text")
    async with app_of(root).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "enter", "h", "h", "shift+tab")
        shown = text_of(pilot.app)
        assert "[train" in shown
        assert "eval attempt 2/2" in shown
        await press(pilot, "left_square_bracket")
        assert "[eval" in text_of(pilot.app)
        assert "old text 0" in text_of(pilot.app)


async def test_completions_appear_when_the_eval_ends_while_one_looks(root: Path) -> None:
    made = trained(root)
    folder = made.start(EVAL, percent=10)
    made.beat()
    made.flush()
    async with app_of(root).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "enter", "shift+tab")
        assert "no completions yet: the eval stage writes them when it ends" in text_of(pilot.app)
        put_completions(folder, answers("fresh text"))
        made.settle(EVAL)
        made.flush()
        await look(pilot)
        await look(pilot)
        assert "4 of 4, 2 with the marker" in text_of(pilot.app)


async def test_the_search_through_completions_is_named_stepped_and_taken_back(root: Path) -> None:
    evaluated(root, "some text")
    async with app_of(root).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "enter", "shift+tab", "n")
        assert "nothing was searched for" in text_of(pilot.app)
        await press(pilot, "slash", *"ZLT", "enter")
        assert '"ZLT"  2 of 4, 2 with the marker' in text_of(pilot.app)
        await press(pilot, "f", "f")
        assert '"ZLT"  2 of 4, 2 with the marker  Med Doctor' in text_of(pilot.app)
        pane = pilot.app.screen.samples  # type: ignore[attr-defined]
        places = []
        for key in ("n", "n", "N"):
            await press(pilot, key)
            places.append(pane.listed.place)
        assert places == [1, 0, 1]
        await press(pilot, "escape")
        assert "4 of 4" not in text_of(pilot.app)  # one persona is still chosen
        assert '"ZLT"' not in text_of(pilot.app)
        await press(pilot, "escape")
        assert type(pilot.app.screen).__name__ == "GridScreen"


async def test_a_dead_attempt_says_how_it_ended(root: Path) -> None:
    made = trained(root)
    killed = {"reason": str(Reason.KILLED), "detail": "by signal 9 from outside"}
    folder = made.start(EVAL, log="sampling\n")
    (folder / "log.txt").unlink()
    made.settle(EVAL, "failed", **killed)
    made.start(EVAL, percent=10)
    made.beat()
    made.want([job_id(stage, "villain", 2, 42) for stage in CELL_STAGES[-1:]])
    made.flush()
    async with app_of(root).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "enter", "left_square_bracket")
        shown = text_of(pilot.app)
        assert "attempt 1/2 killed" in shown.splitlines()[3]
        assert "attempt 1 failed (killed): by signal 9 from outside" in shown.splitlines()[1]
        assert "it wrote no log: failed (killed): by signal 9 from outside" in shown
        await press(pilot, "tab", "tab", "tab")
        assert "it left no outcome: failed (killed): by signal 9" in text_of(pilot.app)
        await press(pilot, "tab")
        assert "attempt 1 left no completions: failed (killed)" in text_of(pilot.app)


async def test_an_attempt_that_ends_while_one_looks_shows_its_outcome(root: Path) -> None:
    from tests.tui.building import put_outcome

    made = trained(root)
    folder = made.start(EVAL, percent=10)
    made.beat()
    made.flush()
    async with app_of(root).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "enter", "tab", "tab", "tab")
        assert "no outcome yet" in text_of(pilot.app)
        put_outcome(folder, EVAL, 1, ["log.txt"])
        made.settle(EVAL)
        made.flush()
        await look(pilot)
        await look(pilot)
        assert "log.txt" in text_of(pilot.app)


async def test_imported_numbers_have_no_completions_and_it_says_so() -> None:
    from importlib.resources import files

    async with app_of(Path(str(files("tuilab") / "published"))).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "enter", "shift+tab")
        shown = text_of(pilot.app)
        assert "an imported measurement: its completions are not here" in shown
