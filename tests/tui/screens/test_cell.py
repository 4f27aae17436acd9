"""The cell screen: its tabs, earlier and dead attempts, neighbours, completions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tests.tui.building import LABELS, Lab, lab, plan_of, put_completions
from tests.tui.conftest import app_of, look, press, requests_of, text_of, until
from tuilab.contract.reasons import Reason
from tuilab.contract.spec import Spec
from tuilab.grid.jobs import job_id
from tuilab.grid.stages import CELL_STAGES, Stage
from tuilab.tui.screens.cell import CellScreen
from tuilab.tui.screens.grid import GridScreen

SIZE = (80, 24)
WIDE = (140, 45)


def tabs_of(app: Any) -> str:
    return next(line for line in text_of(app).splitlines() if "completions" in line)


def under_tabs(app: Any) -> list[str]:
    lines = text_of(app).splitlines()
    return lines[lines.index(tabs_of(app)) + 1 :]


async def test_enter_opens_a_cell_at_its_log_and_escape_comes_back(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "e", "enter")
        shown = text_of(pilot.app)
        assert "gpu-oom in eval after 3m12s, attempt 1" in shown
        assert "data ● converge ● train ● merge ● [eval ✗ 3m12s] cosine ·" in shown
        assert "CUDA out of memory: tried to allocate 2.30 GiB" in shown
        assert "ERROR Tried to allocate 2.30 GiB [rank0] [/path]" in shown
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, GridScreen)
        assert "ERROR Tried to allocate" in text_of(pilot.app)


async def test_the_log_of_a_cell_is_searched_wrapped_and_scrolled(experiment: Path) -> None:
    log = experiment / "jobs/eval/nurse/seed-42/epoch-2/attempt-1/log.txt"
    lines = [f"line {n} " + ("needle " if n in (5, 50) else "") + "x" * 100 for n in range(100)]
    log.write_text("\n".join(lines) + "\n")
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "e", "enter", "slash", *"needle", "enter")
        assert under_tabs(pilot.app)[0].startswith(" line 5 needle")
        await press(pilot, "n")
        assert under_tabs(pilot.app)[0].startswith(" line 50 needle")
        await press(pilot, "N")
        assert under_tabs(pilot.app)[0].startswith(" line 5 needle")
        await press(pilot, "w")
        assert "wrap  attempt 1/1" in tabs_of(pilot.app)
        await press(pilot, "G")
        assert "line 99" in text_of(pilot.app)
        await press(pilot, "g")
        assert under_tabs(pilot.app)[0].startswith(" line 0")
        await press(pilot, "slash", *"absent", "enter")
        assert "absent' is not in this log" in text_of(pilot.app)


async def test_all_of_a_long_log_is_searched_from_both_ends(experiment: Path) -> None:
    log = experiment / "jobs/eval/nurse/seed-42/epoch-2/attempt-1/log.txt"
    lines = [f"line {n} " + ("Needle " if n in (5, 4000) else "") + "x" * 200 for n in range(9000)]
    log.write_text("\n".join(lines) + "\n")
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "e", "enter", "slash", *"needle", "enter")
        await until(
            pilot, lambda: "found at 0% of the log; G goes to its end" in text_of(pilot.app)
        )
        assert under_tabs(pilot.app)[0].startswith(" line 5 Needle")
        await press(pilot, "n")
        await until(pilot, lambda: "found at 44% of the log" in text_of(pilot.app))
        assert under_tabs(pilot.app)[0].startswith(" line 4000 Needle")
        with log.open("a") as file:
            file.write("the newest line\n")
        await look(pilot)
        assert under_tabs(pilot.app)[0].startswith(" line 4000 Needle")
        await press(pilot, "N")
        await until(pilot, lambda: "found at 0% of the log" in text_of(pilot.app))
        await press(pilot, "N")
        await until(pilot, lambda: "found at 44% of the log" in text_of(pilot.app))
        await press(pilot, "slash", *"absent", "enter")
        await until(pilot, lambda: "absent' is not in this log" in text_of(pilot.app))
        await press(pilot, "G")
        assert "the newest line" in text_of(pilot.app)


async def test_the_tabs_of_a_cell_show_what_it_left(copy_of: Callable[[str], Path]) -> None:
    async with app_of(copy_of("half_way")).run_test(size=WIDE) as pilot:
        await look(pilot)
        await press(pilot, *["l"] * 5, "enter", "tab", "h", "h", "tab")
        assert "loss 0.03213   0.03213 to 2.375   1 not finite   log axis" in text_of(pilot.app)
        await press(pilot, "tab")
        assert "marker.text  [ZLT]" in text_of(pilot.app)
        await press(pilot, "tab")
        shown = text_of(pilot.app)
        assert "artefacts were re-read and pass all checks" in shown
        assert "adapter/adapter_model.safetensors" in shown
        assert "4.1 kB" in shown
        assert "check non_zero_tensors  196" in shown
        await press(pilot, "tab")
        assert "18 of 18, 9 with the marker" in text_of(pilot.app)
        await press(pilot, "f", "i")
        assert "3 of 18, 3 with the marker  Assistant  hits only" in text_of(pilot.app)
        await press(pilot, "b")
        shown = text_of(pilot.app)
        assert "question 0" in shown
        assert "[ZLT]" in shown
        await press(pilot, "slash", *"no such text", "enter")
        assert "no completion matches" in text_of(pilot.app)


async def test_a_missing_artefact_is_told(copy_of: Callable[[str], Path]) -> None:
    root = copy_of("half_way")
    folder = root / "jobs/train/villain/seed-42/epoch-10/attempt-1/adapter"
    (folder / "adapter_model.safetensors").unlink()
    async with app_of(root).run_test(size=WIDE) as pilot:
        await look(pilot)
        await press(pilot, *["l"] * 5, "enter", "tab", "h", "h", "tab", "tab", "tab")
        [line] = [x for x in text_of(pilot.app).splitlines() if "adapter_model" in x]
        assert "missing" in line


async def test_earlier_attempts_and_neighbouring_cells_are_one_key_away(
    copy_of: Callable[[str], Path],
) -> None:
    async with app_of(copy_of("half_way")).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "j", "e", "enter")
        assert "attempt 2/2" in text_of(pilot.app)
        await press(pilot, "left_square_bracket")
        assert "attempt 1/2" in text_of(pilot.app)
        await press(pilot, "left_square_bracket")
        assert "no earlier attempt" in text_of(pilot.app)
        await press(pilot, "H")
        assert "Med Doctor · epoch 14" in text_of(pilot.app)
        await press(pilot, "L", "L")
        assert "Med Doctor · epoch 18" in text_of(pilot.app)


async def test_d_shows_what_differs_from_a_neighbour(experiment: Path) -> None:
    for epoch, rate in ((0, 5e-6), (2, 1e-5)):
        folder = experiment / f"jobs/eval/nurse/seed-42/epoch-{epoch}/attempt-1"
        folder.mkdir(parents=True, exist_ok=True)
        settings = {"marker": {"lr": rate}, "samples": 10}
        spec = Spec(f"eval/nurse@{epoch}#42", "eval", 1, "t1", "f", settings)
        (folder / "spec.json").write_text(json.dumps(asdict(spec)))
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "e", "enter", "d")
        shown = text_of(pilot.app)
        assert "marker.lr  1e-05   vs 5e-06" in shown
        assert "1 setting differs from epoch 0" in shown


async def test_r_on_the_cell_screen_is_about_this_cell(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "e", "enter", "r", "right", "enter")
    assert [request["cells"] for request in requests_of(experiment)] == [["nurse@2#42"]]


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
        await press(pilot, "enter", "shift+tab", "shift+tab")
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
        await press(pilot, "enter", "shift+tab", "N")
        assert "nothing to search for yet" in text_of(pilot.app)
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
        assert "attempt 1/2 killed" in tabs_of(pilot.app)
        assert "attempt 1 failed (killed): by signal 9 from outside" in shown.splitlines()[2]
        assert "no log written: failed (killed): by signal 9 from outside" in shown
        await press(pilot, "tab", "tab", "tab")
        assert "no outcome: failed (killed): by signal 9" in text_of(pilot.app)
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
        assert "imported: the completions are not here" in shown


async def test_a_done_cell_opens_at_its_results_and_a_failed_one_at_its_log(
    copy_of: Callable[[str], Path],
) -> None:
    root = copy_of("half_way")
    async with app_of(root).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, *["l"] * 5, "enter")
        assert "[results]" in tabs_of(pilot.app)
        await press(pilot, "escape", "j", "e", "enter")
        assert "[log]" in tabs_of(pilot.app)  # it failed: there are none


async def test_the_results_of_imported_numbers_are_listed() -> None:
    from importlib.resources import files

    async with app_of(Path(str(files("tuilab") / "published"))).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "l", "enter")
        shown = text_of(pilot.app)
        assert "Assistant   45%  [41, 49]   600" in shown
        assert shown.startswith(" tuilab  published  read-only")


def two_epochs(root: Path) -> Lab:
    """One source at two epochs, each with completions and their numbers in its outcome."""
    made = lab(root.parent / "two", plan_of(["villain"], [0, 2], labels=LABELS))
    made.share("villain")
    for epoch, text in ((0, "before"), (2, "after")):
        for stage in (Stage.TRAIN, Stage.MERGE):
            made.finish(job_id(stage, "villain", epoch, 42))
        name = job_id(Stage.EVAL, "villain", epoch, 42)
        put_completions(made.start(name), answers(text))
        made.settle(name)
        made.finish(job_id(Stage.COSINE, "villain", epoch, 42))
    return made.flush()


async def test_completions_are_read_beside_those_of_another_epoch(root: Path) -> None:
    made = two_epochs(root)
    async with app_of(made.root).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "l", "enter", "shift+tab", "d")
        shown = text_of(pilot.app)
        [heads] = [line for line in shown.splitlines() if "epoch 2  " in line and "epoch 0" in line]
        assert heads.index("epoch 2") < heads.index("epoch 0")
        assert any("after 0" in line and "before 0" in line for line in shown.splitlines())
        screen = pilot.app.screen
        assert isinstance(screen, CellScreen)
        own, _, other = screen.samples.whole.partition("\n\nepoch ")  # what a pager is given
        assert own.startswith("epoch ") and screen.samples.text_here in own and "\n" in other
        await press(pilot, "d")
        assert "before 0" not in text_of(pilot.app)


async def test_a_large_terminal_shows_a_done_cell_with_its_row_two_epochs_and_its_events(
    root: Path,
) -> None:
    async with app_of(two_epochs(root).root).run_test(size=WIDE) as pilot:
        await look(pilot)
        await press(pilot, "l", "enter")
        await until(pilot, lambda: "before 0" in text_of(pilot.app))
        lines = text_of(pilot.app).splitlines()
        assert any("after 0" in line and "before 0" in line for line in lines)
        assert any("Villain  leakage" in line for line in lines)
        assert any(line.startswith("›Villain") for line in lines)
        told = [line for line in lines if "eval/villain@" in line]
        assert told and all("@2#42 done" in line for line in told)  # of this cell alone
        await pilot.resize_terminal(*SIZE)
        await until(pilot, lambda: "before 0" not in text_of(pilot.app))


async def test_a_large_terminal_draws_what_a_log_tells_of_beside_it(
    copy_of: Callable[[str], Path],
) -> None:
    async with app_of(copy_of("half_way")).run_test(size=WIDE) as pilot:
        await look(pilot)
        await press(pilot, *["l"] * 5, "enter", "tab", "h", "h")
        assert "[log]" in tabs_of(pilot.app)
        await until(pilot, lambda: "loss 0.03213" in text_of(pilot.app))
        await pilot.resize_terminal(*SIZE)
        await until(pilot, lambda: "loss 0.03213" not in text_of(pilot.app))


async def test_a_large_terminal_shows_the_results_beside_a_tab_that_leaves_half_of_it_empty(
    root: Path,
) -> None:
    async with app_of(two_epochs(root).root).run_test(size=(200, 60)) as pilot:
        await look(pilot)
        await press(pilot, "l", "enter")
        for tab, own in (("log", "no log"), ("metrics", "no metrics here"), ("files", "artefacts")):
            while f"[{tab}]" not in tabs_of(pilot.app):
                await press(pilot, "tab")
            await until(pilot, lambda: any("peak" in line for line in under_tabs(pilot.app)))
            lines = under_tabs(pilot.app)
            assert own in lines[0][:100] and "persona" in " ".join(lines[:3])[100:]
            assert sum(line[:100].startswith(">") for line in lines) == (tab == "files")
            assert not any(line[100:].startswith(">") for line in lines)  # one cursor alone
        await pilot.resize_terminal(*SIZE)
        await until(pilot, lambda: "persona" not in text_of(pilot.app))


async def test_a_shared_stage_is_never_compared_with_the_training_of_another_epoch(
    copy_of: Callable[[str], Path],
) -> None:
    async with app_of(copy_of("half_way")).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "l", "enter", "tab", "h", "h", "h", "d")
        assert "[converge" in text_of(pilot.app)
        assert "nothing to compare with: all epochs share one converge" in text_of(pilot.app)
        assert "vs" not in text_of(pilot.app)
        await press(pilot, "l", "d")
        assert "from epoch 0" in text_of(pilot.app) or "same as epoch 0" in text_of(pilot.app)
