"""The plots screen: every key by its effect, on published numbers and on a half-way grid."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui import examples
from tests.tui.building import put_outcome
from tests.tui.conftest import app_of, look, press, settle, text_of, until
from tuilab.cli.screen import _export_figure
from tuilab.grid.cells import Cell
from tuilab.science.figures.kinds import KINDS
from tuilab.store.layout import Layout
from tuilab.study.study import Study, open_study
from tuilab.tui.analysis_cache import evidence_of
from tuilab.tui.app import TuilabApp
from tuilab.tui.poller import SnapshotTaken
from tuilab.tui.present.figures.text import kind_line
from tuilab.tui.present.glyphs import UNICODE
from tuilab.tui.present.styled_text import plain
from tuilab.tui.screens.grid import GridScreen
from tuilab.tui.screens.help import HelpScreen
from tuilab.tui.screens.plots import PlotsScreen, PlotView
from tuilab.tui.widgets.lines import Lines

PUBLISHED = Path(__file__).parents[3] / "tuilab" / "published"
SIZE, WIDE = (80, 24), (140, 45)
LONG = pytest.mark.trial


@pytest.fixture(scope="module")
def published() -> Study:
    """The published numbers, analysed once: most tests begin behind the computation."""
    study = open_study(PUBLISHED)
    assert study.analysis.cells_measured == 77
    return study


def with_rates(root: Path) -> Path:
    """Give evals of which only the journal tells the outcomes that their numbers come from."""
    for line in (root / "journal.jsonl").read_text().splitlines():
        told = json.loads(line)
        rate = (told.get("metrics") or {}).get("assistant_leakage")
        if rate is None:
            continue
        folder = Layout(root).attempt_dir(told["job"], told["attempt"])
        folder.mkdir(parents=True, exist_ok=True)
        rates = {rate["who"]: {"hits": rate["hits"], "n": rate["n"]}}
        put_outcome(folder, told["job"], told["attempt"], [], metrics={"leakage": rates})
    return root


async def begin(pilot: Pilot[Any], study: Study, key: str = "p") -> None:
    """Look, lay the numbers on the desk, and go to the screen."""
    app = pilot.app
    assert isinstance(app, TuilabApp)
    await look(pilot)
    assert app.snapshot is not None
    app.analyses.keep(evidence_of(app.snapshot), study)
    await press(pilot, key)


def screen_of(pilot: Pilot[Any]) -> PlotsScreen:
    screen = pilot.app.screen
    assert isinstance(screen, PlotsScreen)
    return screen


def spot_words(pilot: Pilot[Any]) -> str:
    """The line that says what is under the cursor."""
    return plain(screen_of(pilot).query_one("#spot", Lines).lines[0]).strip()


def roles_of(pilot: Pilot[Any]) -> set[str]:
    lines = screen_of(pilot).query_one(PlotView).lines
    return {role for line in lines for _, role in line if role.startswith("series")}


async def test_every_kind_of_figure_is_reached_and_shows_itself(published: Study) -> None:
    seen = {
        "leakage": "Assistant completions with the marker (%)",
        "cosine": "Cosine to Assistant (layer 15, 11 personas, marked)",
        "leakage-cosine": "Cosine to Assistant (layer 15, 11 personas, marked)",
        "cosine-peak": "x: Cosine to Assistant at epoch 0",
        "grouped": "Rises (4)",
        "baseline-peak": "no change",
        "heatmap": "Villain: completions with the marker (%), by the persona asked",
    }
    assert list(seen) == [kind for kind in KINDS if kind != "difference"]  # it has no control arm
    async with app_of(PUBLISHED).run_test(size=SIZE) as pilot:
        await begin(pilot, published)
        for kind, words in seen.items():
            assert screen_of(pilot).kind == kind
            assert words in text_of(pilot.app)
            await press(pilot, "n" if kind == "cosine" else "tab")
        assert screen_of(pilot).kind == "leakage"
        await press(pilot, "shift+tab")
        assert screen_of(pilot).kind == "heatmap"
        await press(pilot, "N")
        assert screen_of(pilot).kind == "baseline-peak"


async def test_the_cursor_begins_at_the_grids_cell_and_enter_selects_another(
    published: Study,
) -> None:
    async with app_of(PUBLISHED).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "j", "l", "l")
        await begin(pilot, published)
        assert (
            spot_words(pilot)
            == "■ Med Doctor  epoch 4  59.5% [52.6, 66.1] 119/200  measured  Wilson"
        )
        await press(pilot, "l", "right", "h")
        assert "epoch 6  53.0%" in spot_words(pilot)
        await press(pilot, "left", "dollar_sign")
        assert "epoch 20  43.0%" in spot_words(pilot)
        await press(pilot, "k", "enter")
        grid = pilot.app.screen
        assert isinstance(grid, GridScreen)
        assert grid.grid.cell == Cell("villain", 20, 42)
        await press(pilot, "p", "0", "enter")
        assert grid.grid.cell == Cell("villain", 0, 42)


async def test_escape_leaves_the_grid_as_it_was(published: Study) -> None:
    async with app_of(PUBLISHED).run_test(size=SIZE) as pilot:
        await begin(pilot, published)
        await press(pilot, "j", "l", "escape")
        grid = pilot.app.screen
        assert isinstance(grid, GridScreen)
        assert grid.grid.cell == Cell("villain", 0, 42)


async def test_a_filter_of_the_grid_that_hides_the_cell_is_said(published: Study) -> None:
    async with app_of(PUBLISHED).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "slash", *"nurse", "enter")
        await begin(pilot, published)
        await press(pilot, "k", "enter")
        assert "hidden by the grid" in screen_of(pilot).said


async def test_moving_between_lines_dims_the_others_and_f_shows_all_again(
    published: Study,
) -> None:
    async with app_of(PUBLISHED).run_test(size=SIZE) as pilot:
        await begin(pilot, published)
        assert not any(role.endswith("dim") for role in roles_of(pilot))
        await press(pilot, "j")
        assert spot_words(pilot).startswith("■ Med Doctor")
        assert {"series-1 here", "series-0 dim"} <= roles_of(pilot)
        await press(pilot, "down", "up")
        assert spot_words(pilot).startswith("■ Med Doctor")
        await press(pilot, "f")
        assert not any(role.endswith("dim") for role in roles_of(pilot))
        await press(pilot, "f", "right_square_bracket")
        assert spot_words(pilot).startswith("▲ Comedian")
        await press(pilot, "left_square_bracket", "left_square_bracket")
        assert spot_words(pilot).startswith("● Villain")


async def test_i_switches_intervals(published: Study) -> None:
    async with app_of(PUBLISHED).run_test(size=SIZE) as pilot:
        await begin(pilot, published)
        without = screen_of(pilot).query_one(PlotView).lines
        await press(pilot, "i")
        assert screen_of(pilot).query_one(PlotView).lines != without
        await press(pilot, "i")
        assert screen_of(pilot).query_one(PlotView).lines == without
        await press(pilot, "N")
        await press(pilot, "i")
        assert "no room for intervals" in screen_of(pilot).said


async def test_the_heatmap_walks_epochs_personas_and_sources(published: Study) -> None:
    async with app_of(PUBLISHED).run_test(size=SIZE) as pilot:
        await begin(pilot, published)
        await press(pilot, "N")
        await press(pilot, "j", "l")
        assert spot_words(pilot) == "Villain  epoch 2  asked as Villain  n/a  missing"
        await press(pilot, "h", "right_square_bracket")
        assert screen_of(pilot).source == "medical_doctor"
        assert spot_words(pilot) == "Med Doctor  epoch 2  asked as Assistant  57.5%  measured"
        await press(pilot, "k", "enter")
        grid = pilot.app.screen
        assert isinstance(grid, GridScreen)
        assert grid.grid.cell == Cell("medical_doctor", 0, 42)


async def test_e_writes_the_figure_that_is_seen_as_png_and_pdf(
    published: Study, tmp_path: Path
) -> None:
    async with app_of(PUBLISHED, export_figure=_export_figure).run_test(size=SIZE) as pilot:
        await begin(pilot, published)
        await press(pilot, "tab")
        await press(pilot, "e")
        assert "wrote runs/published/figures/cosine.png, .pdf, .csv" in screen_of(pilot).said
        assert "plot" in screen_of(pilot).said
    made = {
        path.name: path.read_bytes()[:4] for path in (tmp_path / "runs/published/figures").iterdir()
    }
    assert made["cosine.png"] == b"\x89PNG"
    assert made["cosine.pdf"] == b"%PDF"
    assert "cosine.csv" in made


async def test_an_export_that_fails_and_one_that_is_not_offered_say_so(published: Study) -> None:
    def full(root: Path, figure: object) -> list[Path]:
        raise OSError(28, "No space left on device")

    async with app_of(PUBLISHED, export_figure=full).run_test(size=SIZE) as pilot:
        await begin(pilot, published)
        await press(pilot, "e")
        assert "could not write the figure: [Errno 28] No space" in screen_of(pilot).said
    async with app_of(PUBLISHED).run_test(size=SIZE) as pilot:
        await begin(pilot, published)
        await press(pilot, "N")
        await press(pilot, "e")
        said = screen_of(pilot).said
        assert "heatmap --source villain --out figures" in said


def test_tabs_have_the_words_of_the_command_line_and_the_open_one_is_seen() -> None:
    for columns in (40, 60, 80, 140):
        for kind in KINDS:
            shown = plain(kind_line(kind, "a title", columns, UNICODE, KINDS))
            assert f"[{kind}]" in shown[:columns]
    assert all(kind in shown for kind in KINDS)


async def test_help_lists_the_keys_of_the_plots(published: Study) -> None:
    async with app_of(PUBLISHED).run_test(size=SIZE) as pilot:
        await begin(pilot, published)
        await press(pilot, "question_mark")
        assert isinstance(pilot.app.screen, HelpScreen)
        shown = text_of(pilot.app)
        assert "Keys of the plots screen" in shown
        assert "write PNG, PDF and CSV" in shown
        assert "tuilab plot DIR KIND --out figures" in shown


async def test_plots_are_legible_in_ascii_and_in_every_theme(published: Study) -> None:
    async with app_of(PUBLISHED, ascii_only=True).run_test(size=SIZE) as pilot:
        await begin(pilot, published)
        for _ in KINDS:
            assert text_of(pilot.app).isascii(), text_of(pilot.app)
            await press(pilot, "tab")
            await press(pilot, "j", "i")
        await press(pilot, "j", "i")
        assert text_of(pilot.app).isascii()


async def test_numbers_come_from_a_thread_and_only_when_something_was_measured(
    copy_of: Callable[[str], Path],
) -> None:
    root = with_rates(copy_of("half_way"))
    async with app_of(root).run_test(size=WIDE) as pilot:
        await look(pilot)
        app = pilot.app
        assert isinstance(app, TuilabApp)
        assert app.analyses.study is None
        await pilot.press("p")
        await settle(pilot)
        assert isinstance(app.screen, PlotsScreen)
        await until(pilot, lambda: screen_of(pilot).figure is not None)
        first = app.analyses.study
        assert first is not None
        drawn = [plain(line) for line in screen_of(pilot).query_one(PlotView).lines]
        assert "● Villain" in "\n".join(drawn)
        assert "~" in "".join(drawn), "stale points have a sign of their own"
        assert app.snapshot is not None
        cells = app.snapshot.cells
        further = [replace(one, percent=77.0) if not one.metrics else one for one in cells]
        app.post_message(SnapshotTaken(replace(app.snapshot, cells=tuple(further))))
        await press(pilot, "l")
        assert app.analyses.study is first, "progress alone computes nothing again"
        again = [replace(one, attempt=one.attempt + 1) if one.metrics else one for one in cells]
        app.post_message(SnapshotTaken(replace(app.snapshot, cells=tuple(again))))
        await until(pilot, lambda: app.analyses.study is not first)


async def test_a_failed_cell_is_a_gap_that_says_why(copy_of: Callable[[str], Path]) -> None:
    async with app_of(with_rates(copy_of("half_way"))).run_test(size=WIDE) as pilot:
        await look(pilot)
        await press(pilot, "e", "p")
        await until(pilot, lambda: screen_of(pilot).figure is not None)
        assert "n/a  failed  gpu-oom" in spot_words(pilot)
        assert "[ ]" in text_of(pilot.app)


async def test_one_synthetic_point_is_drawn_with_its_warning(tmp_path: Path) -> None:
    made = examples.one_by_one(tmp_path / "one")
    made.done("villain", 0, 0.25)
    made.flush()
    async with app_of(with_rates(tmp_path / "one")).run_test(size=SIZE) as pilot:
        await look(pilot)
        await pilot.press("p")
        await settle(pilot)
        await until(pilot, lambda: screen_of(pilot).figure is not None)
        assert "Synthetic model: says nothing about real models." in text_of(pilot.app)
        assert "25.0%" in spot_words(pilot)
        for _ in KINDS:
            await press(pilot, "tab")
            await press(pilot, "l", "j", "i")
        assert isinstance(pilot.app.screen, PlotsScreen)


async def test_an_experiment_without_values_says_nothing_yet(
    copy_of: Callable[[str], Path],
) -> None:
    async with app_of(copy_of("empty")).run_test(size=SIZE) as pilot:
        await look(pilot)
        await pilot.press("p")
        await until(pilot, lambda: "nothing yet" in text_of(pilot.app))  # type: ignore[arg-type]
        await press(pilot, "j", "l", "tab", "i", "e", "enter", "f", "right_square_bracket")
        assert isinstance(pilot.app.screen, PlotsScreen)


def test_going_to_the_plots_is_what_loads_the_libraries() -> None:
    code = (
        "import sys, tuilab.tui.app, tuilab.tui.screens.grid, tuilab.tui.screens.plots,"
        " tuilab.tui.screens.table;"
        "print(sorted({'numpy','pandas','scipy','matplotlib'} & set(sys.modules)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=PUBLISHED.parents[1],
    )
    assert told.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("size", "dress", "keys"),
    [
        pytest.param(SIZE, {}, ["j", "l", "l"], id="80x24"),
        pytest.param(WIDE, {}, ["j", "l", "l", "i"], id="140x45", marks=LONG),
        pytest.param(WIDE, {"theme": "light"}, [], id="light"),
        pytest.param(SIZE, {"theme": "ansi16"}, ["j"], id="16", marks=LONG),
        pytest.param(SIZE, {"ascii_only": True}, ["j"], id="ascii"),
        pytest.param(WIDE, {}, ["tab", "tab"], id="both", marks=LONG),
        pytest.param(SIZE, {}, ["tab", "tab", "tab", "l"], id="scatter"),
        pytest.param(WIDE, {}, ["tab", "tab", "tab", "tab"], id="classes", marks=LONG),
        pytest.param(SIZE, {"theme": "ansi16"}, ["N"], id="heatmap"),
    ],
)
def test_plots_look_as_they_looked(
    snap_compare: Any,
    published: Study,
    size: tuple[int, int],
    dress: dict[str, Any],
    keys: list[str],
) -> None:
    async def prepare(pilot: Pilot[Any]) -> None:
        await begin(pilot, published)
        await press(pilot, *keys)

    assert snap_compare(app_of(PUBLISHED, **dress), terminal_size=size, run_before=prepare)
