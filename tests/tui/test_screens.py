"""Cell, queue, help, palette, and what all screens share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.widgets import Input

from tests.tui.conftest import app_of, look, press, requests_of, settle, text_of, until
from tuilab.tui import keys
from tuilab.tui.screens.cell import CellScreen
from tuilab.tui.screens.grid import GridScreen

SIZE = (80, 24)
WIDE = (140, 45)


async def test_enter_opens_a_cell_at_its_log_and_escape_comes_back(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "e", "enter")
        shown = text_of(pilot.app)
        assert "gpu-oom in eval after 03:12, attempt 1" in shown
        assert "data ● converge ● train ● merge ● [eval ✗ 03:12] cosine ·" in shown
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
        await press(pilot, "e", "o", "slash", *"needle", "enter")
        assert text_of(pilot.app).splitlines()[4].startswith(" line 5 needle")
        await press(pilot, "n")
        assert text_of(pilot.app).splitlines()[4].startswith(" line 50 needle")
        await press(pilot, "N")
        assert text_of(pilot.app).splitlines()[4].startswith(" line 5 needle")
        await press(pilot, "w")
        assert "wrap  attempt 1/1" in text_of(pilot.app).splitlines()[3]
        await press(pilot, "G")
        assert "line 99" in text_of(pilot.app)
        await press(pilot, "g")
        assert text_of(pilot.app).splitlines()[4].startswith(" line 0")
        await press(pilot, "slash", *"absent", "enter")
        assert "is not in the last 256 KiB" in text_of(pilot.app)


async def test_the_tabs_of_a_cell_show_what_it_left(copy_of: Callable[[str], Path]) -> None:
    async with app_of(copy_of("half_way")).run_test(size=WIDE) as pilot:
        await look(pilot)
        await press(pilot, *["l"] * 5, "enter", "h", "h", "tab")
        assert "loss 0.03213   0.03213 to 2.375   1 not finite   log axis" in text_of(pilot.app)
        await press(pilot, "tab")
        assert "marker.text  [ZLT]" in text_of(pilot.app)
        await press(pilot, "tab")
        shown = text_of(pilot.app)
        assert "artefacts were read again and satisfy their contract" in shown
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
        assert "no completion passes" in text_of(pilot.app)


async def test_a_missing_artefact_is_told(copy_of: Callable[[str], Path]) -> None:
    root = copy_of("half_way")
    folder = root / "jobs/train/villain/seed-42/epoch-10/attempt-1/adapter"
    (folder / "adapter_model.safetensors").unlink()
    async with app_of(root).run_test(size=WIDE) as pilot:
        await look(pilot)
        await press(pilot, *["l"] * 5, "enter", "h", "h", "tab", "tab", "tab")
        [line] = [x for x in text_of(pilot.app).splitlines() if "adapter_model" in x]
        assert line.endswith("missing")


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
        assert "there is no other attempt there" in text_of(pilot.app)
        await press(pilot, "H")
        assert "Med Doctor · epoch 14" in text_of(pilot.app)
        await press(pilot, "L", "L")
        assert "Med Doctor · epoch 18" in text_of(pilot.app)


async def test_d_shows_what_differs_from_a_neighbour(experiment: Path) -> None:
    for epoch, rate in ((0, 5e-6), (2, 1e-5)):
        folder = experiment / f"jobs/eval/nurse/seed-42/epoch-{epoch}/attempt-1"
        folder.mkdir(parents=True, exist_ok=True)
        settings = {"marker": {"lr": rate}, "samples": 10}
        (folder / "spec.json").write_text(json.dumps({"settings": settings}))
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "e", "enter", "d")
        shown = text_of(pilot.app)
        assert "marker.lr  1e-05   there 5e-06" in shown
        assert "1 setting differs from epoch 0" in shown


async def test_r_on_the_cell_screen_is_about_this_cell(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "e", "enter", "r", "right", "enter")
    assert [request["cells"] for request in requests_of(experiment)] == [["nurse@2#42"]]


async def test_the_queue_is_reordered_held_and_stopped(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "u")
        shown = text_of(pilot.app)
        assert "▶  train/villain@4#42" in shown
        assert "1 ◌ merge/villain@4#42" in shown
        assert "GPU0 NVIDIA H200" in shown
        await press(pilot, "j", "j", "j", "j", "T")
        assert "1 ○ train/nurse@4#42" in text_of(pilot.app)
        await press(pilot, "J")
        await press(pilot, "H")
        await press(pilot, "x", "right", "enter")
    order, later, hold, stop = requests_of(experiment)
    assert (order["verb"], order["jobs"]) == ("order", ["train/nurse@4#42"])
    assert (later["verb"], later["jobs"]) == ("order", ["merge/villain@4#42", "train/nurse@4#42"])
    assert (hold["verb"], hold["jobs"]) == ("hold", ["train/nurse@4#42"])
    twins = [request["options"]["command"][3:] for request in (order, later, hold)]
    assert twins == [
        ["--first", "train/nurse@4#42"],
        ["--first", "merge/villain@4#42", "--first", "train/nurse@4#42"],
        ["--hold", "train/nurse@4#42"],
    ]
    assert (stop["verb"], stop["jobs"]) == ("stop", ["train/nurse@4#42"])


async def test_a_held_job_is_released_by_the_same_key(experiment: Path) -> None:
    from tuilab.store.journal import Journal
    from tuilab.store.layout import Layout

    Journal(Layout(experiment)).append("held", jobs=["train/nurse@4#42"], why="by ada")
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "u", "G", "k", "k", "k")
        assert "held: by ada" in text_of(pilot.app)
        await press(pilot, "H")
    assert [request["verb"] for request in requests_of(experiment)] == ["release"]


async def test_what_waits_shows_that_it_is_held_and_is_released_too(experiment: Path) -> None:
    from tuilab.store.journal import Journal
    from tuilab.store.layout import Layout

    Journal(Layout(experiment)).append("held", jobs=["merge/villain@4#42"], why="by ada")
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "u", "j")
        assert "1 ◌ merge/villain@4#42   held: by ada" in text_of(pilot.app)
        await press(pilot, "H")
    assert [request["verb"] for request in requests_of(experiment)] == ["release"]


async def test_a_job_that_a_worker_was_given_is_first_in_the_queue_and_stays_there(
    experiment: Path,
) -> None:
    from tuilab.store.journal import Journal
    from tuilab.store.layout import Layout

    job = "train/nurse@4#42"
    told = {"attempt": 1, "token": "t", "fingerprint": "f", "worker": "w0-83f88f39"}
    Journal(Layout(experiment)).append("claimed", job=job, **told)
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "u", "j")
        assert f"1 ○ {job} next on worker w0" in " ".join(text_of(pilot.app).split())
        assert "▶1" in text_of(pilot.app)
        for key in "TJH":
            await press(pilot, key)
            assert f"{job} is next on a worker already" in text_of(pilot.app)
        await press(pilot, "x")
        assert f"{job}  leaves the queue" in text_of(pilot.app)
        await press(pilot, "escape", "1", "P")
        assert "1 running job" in text_of(pilot.app)
    assert requests_of(experiment) == []


async def test_enter_on_a_queued_job_opens_its_cell(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "4", "enter")
        assert isinstance(pilot.app.screen, CellScreen)
        assert str(pilot.app.screen.cell) == "villain@4#42"


async def test_help_lists_the_live_keys_of_the_screen(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=WIDE) as pilot:
        await look(pilot)
        await press(pilot, "question_mark")
        shown = text_of(pilot.app)
        for word in ("relaunch all failed, lost and suspect cells", "shift+arrows"):
            assert word in shown
        assert "$ tuilab relaunch DIR --failed" in shown
        await press(pilot, "escape", "u", "question_mark")
        assert "move the job up the queue" in text_of(pilot.app)


async def test_the_palette_runs_a_command_by_name(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, GridScreen)
        for key, metric in (("colon", "source_rate"), ("ctrl+p", "max_bystander")):
            await pilot.press(key)
            await settle(pilot)
            pilot.app.screen.query_one(Input).value = "next metric"
            await pilot.pause(0.3)
            await press(pilot, "enter")
            assert screen.view.metric == metric


async def test_ctrl_c_leaves_at_the_second_time(experiment: Path) -> None:
    app = app_of(experiment)
    async with app.run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "ctrl+c")
        assert "Ctrl+C again leaves; running work goes on" in text_of(app)
        await pilot.press("ctrl+c")
        await pilot.pause()
    assert app.return_code == 0


async def test_newcomers_are_greeted_until_the_first_key(experiment: Path, tmp_path: Path) -> None:
    note = tmp_path / "state" / "tuilab" / "greeted"
    note.unlink()
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        assert "Welcome." in text_of(pilot.app)
        await press(pilot, "j")
        assert "Welcome." not in text_of(pilot.app)
    assert note.exists()


SIZES = [(20, 5), (39, 12), (40, 11), (40, 12), (80, 24), (120, 30), (200, 60), (300, 100), (1, 1)]


async def test_no_size_breaks_a_screen_and_tiny_ones_say_so(experiment: Path) -> None:
    async with app_of(experiment).run_test(size=SIZE) as pilot:
        await look(pilot)
        for opening in ("1", "4", "enter", "question_mark"):
            await press(pilot, opening)
            for width, height in SIZES:
                await pilot.resize_terminal(width, height)
                if width >= 20:
                    is_small = width < 40 or height < 12
                    await until(pilot, lambda: ("needs 40x12" in text_of(pilot.app)) is is_small)  # noqa: B023
            await pilot.resize_terminal(*SIZE)
            await settle(pilot)


async def test_foreign_text_does_no_harm_on_any_screen(copy_of: Callable[[str], Path]) -> None:
    async with app_of(copy_of("hostile")).run_test(size=SIZE) as pilot:
        await look(pilot)
        for opening in ("1", "enter", "tab", "tab", "tab", "tab", "escape", "u", "5"):
            await press(pilot, opening)
            shown = text_of(pilot.app)
            assert not {"\x1b", "\x07", "\u202e", "\r"} & set(shown)
            assert "hf_abcdefghijkl" not in shown
        await press(pilot, "1", "w")
        shown = text_of(pilot.app)
        assert "[red][bold]evil[rank0]:" in shown or "evil" in shown
        await press(pilot, "r")
        assert not {"\x1b", "\x07", "\u202e"} & set(text_of(pilot.app))


async def test_another_experiments_snapshot_is_not_taken(experiment: Path) -> None:
    from dataclasses import replace

    from tuilab.tui.messages import SnapshotTaken

    app = app_of(experiment)
    async with app.run_test(size=SIZE) as pilot:
        await look(pilot)
        assert app.snapshot is not None
        app.post_message(SnapshotTaken(replace(app.snapshot, root=Path("/elsewhere"), name="x")))
        await pilot.pause()
        assert app.snapshot.name == "small"


async def test_trouble_with_the_files_is_told_and_goes_by(experiment: Path) -> None:
    class Troubled:
        """A source that fails once."""

        def __init__(self, source: Any) -> None:
            self.source, self.fails = source, True

        def poll(self, now: float) -> Any:
            if self.fails:
                self.fails = False
                raise OSError(5, "Input/output error [/x]")
            return self.source.poll(now)

    from tuilab.store.reader import Reader

    app = app_of(experiment, source=lambda root: Troubled(Reader(root)))
    async with app.run_test(size=SIZE) as pilot:
        app.look()
        await pilot.pause()
        assert "Input/output error [/x]" in text_of(app)
        await look(pilot)
        assert "3/6" in text_of(app)


def test_every_key_has_a_meaning_and_an_id() -> None:
    for bindings in keys.SCREENS.values():
        for binding in bindings:
            assert binding.id and binding.tooltip, binding  # type: ignore[union-attr]
