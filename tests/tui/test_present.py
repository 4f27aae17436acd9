"""Words, glyphs and numbers: pure functions of a snapshot, without an app."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tui.building import LATER
from tuilab.grid import text as numbers
from tuilab.grid.cells import Cell
from tuilab.grid.engine_view import EngineState, EngineView, Meter
from tuilab.grid.metrics import Measurement
from tuilab.grid.states import State
from tuilab.store.reader import Reader
from tuilab.store.snapshot import CellView, Snapshot
from tuilab.tui.present.cell_screen_text import difference_words
from tuilab.tui.present.cell_summary import story
from tuilab.tui.present.cell_text import Zoom, cell_text
from tuilab.tui.present.filters import FilterError, parse_filter
from tuilab.tui.present.glyphs import ASCII, UNICODE
from tuilab.tui.present.grid_lines import header_line, measure, row_line
from tuilab.tui.present.grid_table import View, arrange, find, next_broken, peak
from tuilab.tui.present.header import header, meter_text
from tuilab.tui.present.key_table import key_rows, markdown
from tuilab.tui.present.layout import share_rows
from tuilab.tui.present.log_choice import log_of
from tuilab.tui.present.queue_text import machine_lines, moved
from tuilab.tui.present.side_pane import event_lines, event_text, load_of
from tuilab.tui.present.small_plot import charted, small_plot
from tuilab.tui.present.spark import bars, sparkline
from tuilab.tui.present.styled_text import fit, plain, rule, sides, width, wrap

CELL = Cell("villain", 2, 42)


@pytest.fixture(scope="module")
def half_way(originals: Callable[[str], Path]) -> Snapshot:
    return Reader(originals("half_way")).poll(LATER)


def view(state: State, value: float | None = None, **more: object) -> CellView:
    metrics = {} if value is None else {"assistant_leakage": Measurement(value, 1, 2)}
    return CellView(CELL, state, "train", metrics=metrics, **more)  # type: ignore[arg-type]


def test_a_done_cell_shows_its_value_and_a_missing_one_is_never_zero() -> None:
    def text(one: CellView, zoom: Zoom = Zoom.VALUE) -> str:
        return cell_text(one, "assistant_leakage", zoom, UNICODE)[0]

    assert text(view(State.DONE, 0.734)) == "73%"
    assert text(view(State.DONE, 0.0)) == "0%"
    assert text(view(State.DONE)) == "n/a"
    assert text(view(State.DONE, math.nan)) == "n/a"
    assert text(view(State.STALE, 0.41)) == "~41%"
    assert text(view(State.DONE, 1.0), Zoom.DIGITS) == "100"
    assert text(view(State.DONE), Zoom.DIGITS) == "--"
    assert text(view(State.DONE, 0.0), Zoom.COLUMN) == "▁"
    assert text(view(State.DONE), Zoom.COLUMN) == "-"
    assert text(view(State.RUNNING, percent=62.4)) == "▶62%"


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_every_state_has_a_glyph_of_its_own(glyphs: object) -> None:
    signs = [glyphs.states[state] for state in State]  # type: ignore[attr-defined]
    assert len(set(signs)) == len(State)
    assert all(len(sign) == 1 for sign in signs)


def test_ascii_glyphs_are_ascii() -> None:
    for name in ASCII.__dataclass_fields__:
        assert str(getattr(ASCII, name)).isascii(), name


def test_the_first_lines_of_the_grid_read_as_designed(half_way: Snapshot) -> None:
    table = arrange(half_way, View())
    geometry = measure(table, 80)
    lines = [plain(header_line(table, geometry, 0, -1, UNICODE))] + [
        plain(row_line(table, n, geometry, 0, (1, 8), frozenset(), UNICODE)) for n in range(3)
    ]
    assert [line.rstrip() for line in lines] == [
        " leakage% ep    0    2    4    6    8   10   12   14   16   18   20   peak@ep",
        " Villain       0%  45%  41%  50%  66%  73%  60%  60%  58% ◐62%   ○     73%@10",
        "›Med Doctor   25%  58%  60%  53%  52%  50%  46%  42%  [✗]   ○    ○      60%@4",
        " Comedian      0%  37% ~40%  43%  37%  42%  40%  42%  39%  40%  42%     43%@6",
    ]


@pytest.mark.parametrize("columns", [40, 60, 80, 140])
@pytest.mark.parametrize("zoom", list(Zoom))
def test_no_line_of_the_grid_is_wider_than_its_screen(
    half_way: Snapshot, columns: int, zoom: Zoom
) -> None:
    table = arrange(half_way, View(zoom=zoom))
    geometry = measure(table, columns)
    marked = frozenset(one.cell for one in half_way.cells)
    for number in range(len(table.rows)):
        line = row_line(table, number, geometry, 0, (number, 3), marked, UNICODE)
        assert width(line) <= columns


@pytest.mark.parametrize("columns", [1, 20, 40, 60, 80, 140])
def test_the_header_never_overflows_and_keeps_the_progress(
    half_way: Snapshot, columns: int
) -> None:
    loud = replace(half_way, synthetic=True, read_only=True, config_changed=True, problems=("x",))
    for snapshot in (half_way, loud):
        line = plain(header(snapshot, columns, UNICODE))
        assert len(line) <= columns
        assert "64/77" in line or columns < 20


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (EngineState.STOPPED, "no engine: S starts"),
        (EngineState.WAITING, "engine waits: S goes on"),
        (EngineState.PAUSED, "paused soft"),
        (EngineState.UNKNOWN, "silent"),
    ],
)
def test_the_header_says_what_the_engine_does(
    half_way: Snapshot, state: EngineState, words: str
) -> None:
    engine = EngineView(state=state, pause="soft", host="pod")
    assert words in plain(header(replace(half_way, engine=engine), 80, UNICODE))
    if state is EngineState.STOPPED:
        idle = replace(half_way, engine=engine, queue=())
        assert "no engine, nothing queued" in plain(header(idle, 80, UNICODE))


def card(index: int, percent: float | None, jobs: tuple[str, ...] = ()) -> dict[str, object]:
    used, total = 61 * 2**30, 140 * 2**30
    memory = {"memory_used": used, "memory_total": total, "unattributed": 0}
    return {"index": index, "name": "NVIDIA H200", "percent": percent, **memory, "jobs": jobs}


def test_two_gpus_stand_side_by_side_and_more_are_counted(half_way: Snapshot) -> None:
    two = (card(0, 97.0, ("train/villain@2#42",)), card(1, 41.0))
    assert meter_text(Meter(gpus=two)) == "GPU0 97% 61/140G GPU1 41% 61/140G"
    assert meter_text(Meter(gpus=(*two, card(2, 5.0)))).endswith("61/140G +1")
    assert load_of(Meter(gpus=two)) == 69.0
    assert load_of(Meter(gpus=(card(0, None), card(1, 41.0)))) == 41.0
    engine = EngineView(EngineState.RUNNING, workers=2, meter=Meter(gpus=two))
    lines = [plain(x) for x in machine_lines(replace(half_way, engine=engine), 0.0, 80, UNICODE)]
    first = next(number for number, line in enumerate(lines) if line.startswith(" GPU0"))
    assert lines[first + 1].strip() == "train/villain@2#42"
    assert lines[first + 2].startswith(" GPU1")


def test_stories_say_why_and_what_next(half_way: Snapshot) -> None:
    def told(cell: Cell) -> str:
        one = find(half_way, cell)
        assert one is not None
        return " ".join(plain(line) for line in story(half_way, one, UNICODE))

    failed = told(Cell("medical_doctor", 16, 42))
    assert "gpu-oom in eval after 03:12, attempt 2" in failed
    assert "CUDA out of memory" in failed
    assert "lower the batch size" in failed
    assert "the merged model equals its base" in told(Cell("nurse", 14, 42))
    assert "R relaunches all that were lost" in told(Cell("nurse", 16, 42))
    assert "stopped by ada@pod" in told(Cell("nurse", 18, 42))
    assert "queued, 2 of 17: the slot is busy" in told(Cell("villain", 20, 42))
    assert "stale: the config or the runner code" in told(Cell("comedian", 4, 42))
    assert "edited: marker.lr=1e-05" in told(Cell("comedian", 4, 42))
    assert "eval 62% for" in told(Cell("villain", 18, 42))
    assert "leakage 73% (146/200)  source 97%" in told(Cell("villain", 10, 42))


def test_the_log_that_speaks_is_the_one_shown(half_way: Snapshot) -> None:
    def log(cell: Cell) -> tuple[str, int] | None:
        one = find(half_way, cell)
        assert one is not None
        return log_of(half_way, one)

    assert log(Cell("medical_doctor", 16, 42)) == ("eval/medical_doctor@16#42", 2)
    assert log(Cell("villain", 10, 42)) == ("eval/villain@10#42", 1)
    assert log(Cell("librarian", 20, 42)) is None


def test_failures_are_visited_in_order_and_round(half_way: Snapshot) -> None:
    table = arrange(half_way, View())
    seen, place = [], (0, 0)
    for _ in range(4):
        found = next_broken(table, *place, 1)
        assert found is not None
        place = found
        seen.append(table.cell(*place))
    assert [str(cell) for cell in seen] == [
        "medical_doctor@16#42",
        "nurse@14#42",
        "nurse@16#42",
        "medical_doctor@16#42",
    ]


def test_the_peak_of_a_row_is_its_first_largest_measured_value(half_way: Snapshot) -> None:
    [row] = [row for row in arrange(half_way, View()).rows if row.source == "comedian"]
    best = peak(row, "assistant_leakage")
    assert best is not None
    assert (round(best[0], 2), best[1]) == (0.42, 3)


def test_filters_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(FilterError, match="not a comparison"):
        parse_filter("epoch>>3")
    assert not parse_filter("  ")


def test_rows_are_shared_so_that_nothing_is_lost() -> None:
    for rows in range(12, 100):
        for table_rows in (1, 7, 300):
            for columns in (40, 80, 140):
                shares = share_rows(columns, rows, table_rows)
                used = shares.grid + shares.trajectory + shares.story + shares.log + 4
                assert used == rows, (rows, table_rows, columns)
                assert shares.grid >= 2


@pytest.mark.parametrize("values", [[], [None], [0.5], [math.nan, 0.2], [math.inf, None, -1.0]])
def test_trends_bear_whatever_comes(values: list[float | None]) -> None:
    for glyphs in (UNICODE, ASCII):
        assert len(sparkline(values, 10, "assistant_leakage", glyphs)) <= 10
        assert len(bars(values, 5, 5, 12, "minutes", glyphs)) == 5


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(1.0, None)],
        [(1.0, 2.0)],
        [(1.0, math.nan), (2.0, 1.0)],
        [(1.0, 5.0), (2.0, 5.0)],
        [(0.0, -1e300), (1.0, 1e300)],
        [(1.0, math.inf)],
    ],
)
def test_small_plots_bear_whatever_comes(points: list[tuple[float, float | None]]) -> None:
    for rows in (1, 2, 3, 12):
        assert len(small_plot("loss", points, 60, rows, UNICODE)) == rows
        small_plot("loss", points, 3, rows, ASCII)


def test_a_loss_over_decades_has_a_log_axis_and_names_its_steps() -> None:
    falling = [(float(n), 100.0 * 0.5**n) for n in range(20)]
    lines = [plain(line) for line in small_plot("loss", falling, 60, 8, UNICODE)]
    assert "log axis" in lines[0]
    assert lines[-1].split() == ["step", "0", "19"]
    heights = [{row for row, line in enumerate(lines[1:-1]) if line[9 + x : 10 + x].strip()}
               for x in range(50)]  # fmt: skip
    assert len(set(map(min, filter(None, heights)))) == 6, "it falls evenly, row by row"
    assert "log" not in plain(small_plot("lr", falling, 60, 8, UNICODE)[0])


def test_a_chart_says_its_unit_and_what_only_counts_has_none() -> None:
    assert "3 steps/s" in plain(small_plot("rate", [(1.0, 3.0)], 60, 8, UNICODE)[0])
    assert charted(["lr", "epoch", "loss", "zeal"]) == ["loss", "lr", "zeal"]


def test_lines_fit_wide_signs_and_cut_with_an_ellipsis() -> None:
    assert fit("日本語", 5) == "日本…"
    assert fit("abc", 5) == "abc  "
    assert wrap("one two three", 8) == ["one two", "three"]
    assert wrap("x" * 20, 8) == ["x" * 8, "x" * 8, "x" * 4]
    assert plain(sides((("left", ""),), (("right", ""),), 12)) == "left   right"
    assert width(rule("title", "tail", 40, "─")) == 40


def test_numbers_are_written_for_people() -> None:
    assert [numbers.duration(s) for s in (None, 3.4, 75, 8040, 900_000)] == [
        "n/a",
        "3s",
        "01:15",
        "2h14",
        "10d10h",
    ]
    assert [numbers.size(s) for s in (None, 0, 999, 4096, 15_000_000_000)] == [
        "n/a",
        "0 B",
        "999 B",
        "4.1 kB",
        "15 GB",
    ]
    assert [numbers.decimal(v) for v in (0.914, -0.36, 1.0, None)] == [".91", "-.36", "1.00", "n/a"]


def test_a_job_moves_in_the_queue_and_stays_at_its_ends() -> None:
    assert moved(["a", "b", "c"], 1, -1) == ["b", "a", "c"]
    assert moved(["a", "b", "c"], 0, -1) == ["a", "b", "c"]
    assert moved(["a", "b", "c"], 1, 1) == ["a", "c", "b"]


def test_the_key_table_joins_keys_of_one_action() -> None:
    from tuilab.tui import keys

    rows = key_rows(keys.GRID)  # type: ignore[arg-type]
    [left] = [row for row in rows if row.meaning == "one cell to the left"]
    assert left.keys == "h ←"
    [rectangle] = [row for row in rows if row.meaning == "mark a rectangle"]
    assert rectangle.keys == "shift+arrows"
    assert "| `R` | relaunch all failed, lost and suspect cells |" in markdown(rows)


def test_what_was_asked_for_is_counted_whole() -> None:
    assert event_text({"kind": "wanted", "verb": "retry", "jobs": ["a"]})[0] == "retry: 1 job"
    brief = {"kind": "wanted", "jobs": ["a"], "count": 38}
    assert event_text(brief)[0] == "run: 38 jobs"


def test_settings_that_differ_are_counted_as_people_count() -> None:
    assert difference_words({"a": "1"}, {"a": "2"}, "epoch 0") == "1 setting differs from epoch 0"
    assert difference_words({}, {}, "epoch 0") == "epoch 0 has no settings yet"


def test_a_mark_touches_the_value_that_it_marks(half_way: Snapshot) -> None:
    table = arrange(half_way, View())
    marked = frozenset({Cell("villain", 0, 42), Cell("villain", 4, 42), Cell("comedian", 4, 42)})
    geometry = measure(table, 80)

    def row(number: int, here: tuple[int, int] | None = None) -> str:
        return plain(row_line(table, number, geometry, 0, here, marked, UNICODE))

    assert "•0%  45% •41%  50%" in row(0)
    assert "37%•~40%  43%" in row(2)
    assert "45%•[41%] 50%" in row(0, (0, 2))


def test_events_of_a_narrow_pane_keep_their_reason(half_way: Snapshot) -> None:
    shown = "\n".join(plain(line) for line in event_lines(half_way, 37, 20, UNICODE))
    assert "killed" in shown
    assert "merge-empty" in shown
    assert len(shown.splitlines()) == 20
    assert all(len(line) <= 37 for line in shown.splitlines())


def test_the_right_pane_takes_what_the_table_leaves() -> None:
    assert share_rows(140, 45, 7, 70).side == 56
    assert share_rows(140, 45, 7, 93).side == 47
    assert share_rows(140, 45, 7, 500).side == 38


def test_a_metric_that_falls_over_decades_is_drawn_on_a_logarithmic_axis() -> None:
    points: list[tuple[float, float | None]] = [(n, 10.0 ** -(n / 10)) for n in range(41)]
    lines = [plain(line) for line in small_plot("loss", points, 60, 12, UNICODE)]
    assert "log axis" in lines[0]
    assert lines[-1].split() == ["step", "0", "40"]
    halves = [line[10:].rstrip() for line in lines[1:-1]]
    assert all(len(line) for line in halves)  # a straight line, not a corner
    assert "log axis" not in plain(small_plot("rate", [(0, 3.0), (1, 4.0)], 60, 6, UNICODE)[0])
    assert "4 steps/s" in plain(small_plot("rate", [(0, 3.0), (1, 4.0)], 60, 6, UNICODE)[0])
