"""Figures as text: gaps, ticks, marks, labels that cover nothing, cursors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuilab.grid.cells import Cell
from tuilab.science.figures import model
from tuilab.science.figures.model import (
    Figure,
    HeatCell,
    Matrix,
    Panel,
    PlotPoint,
    Reference,
    Series,
    Tick,
    epoch_range,
    epoch_ticks,
    mark,
    percent_axis,
)
from tuilab.tui.present.figures import cursor
from tuilab.tui.present.figures.canvas import axes_of
from tuilab.tui.present.figures.labels import Label, Wish, beside_points, line_ends
from tuilab.tui.present.figures.look import Look, Spot, signs_of
from tuilab.tui.present.figures.plot import _label_room, figure_lines, figure_pieces, heat_lines
from tuilab.tui.present.styled_text import plain, width

GLYPHS = "●■▲◆▼✚✖★~?"
Values = Sequence[float | None]


def figure_of(
    *trajectories: Values, epochs: Sequence[int] | None = None, statuses: Sequence[str] = ()
) -> Figure:
    epochs = epochs or range(len(trajectories[0]))
    series = tuple(
        Series(
            f"s{number}",
            f"Source {number}",
            mark(number),
            tuple(
                PlotPoint(
                    float(epoch),
                    value,
                    status=statuses[place] if statuses else "measured",
                    cell=f"s{number}@{epoch}#42",
                )
                for place, (epoch, value) in enumerate(zip(epochs, values, strict=True))
            ),
        )
        for number, values in enumerate(trajectories)
    )
    y_range, y_ticks = percent_axis([])
    if any(v is not None and math.isfinite(v) for values in trajectories for v in values):
        y_range, y_ticks = (-2.0, 102.0), percent_axis(series[:0])[1]
    panel = Panel(
        "",
        "Convergence epoch",
        "leakage (%)",
        series,
        epoch_ticks(list(epochs)),
        y_ticks,
        epoch_range(list(epochs)),
        y_range,
    )
    return Figure("leakage", "Leakage", (panel,), 1, "", pd.DataFrame())


def scatter_of(places: Sequence[tuple[float, float]]) -> Figure:
    series = tuple(
        Series(f"s{n}", f"Source {n}", mark(n), (PlotPoint(x, y, cell=f"s{n}@2"),), is_line=False)
        for n, (x, y) in enumerate(places)
    )
    panel = Panel("", "x", "y", series, x_range=(0.0, 100.0), y_range=(0.0, 100.0))
    return Figure("baseline-peak", "Scatter", (panel,), 1, "", pd.DataFrame())


def rows_of(
    figure: Figure, look: Look | None = None, size: tuple[int, int] = (80, 20)
) -> list[str]:
    return [plain(line) for line in figure_pieces(figure, *size, look)]


def columns_taken(labels: Sequence[Label]) -> list[tuple[int, int]]:
    return [(label.column + step, label.row) for label in labels for step in range(len(label.text))]


FEW = settings(max_examples=60, deadline=None)
WISHES = st.lists(
    st.builds(
        Wish,
        st.text("abc", min_size=1, max_size=12).map(tuple),
        st.integers(0, 60),
        st.integers(0, 14),
    ),
    max_size=20,
)


@pytest.mark.parametrize(
    ("text", "room", "shown"),
    [("Med Doctor", 10, "Med Doctor"), ("Med Doctor", 6, "Med D…"), ("村の医者", 6, "村の …")],
)
def test_a_label_that_is_cut_says_so(text: str, room: int, shown: str) -> None:
    [label] = line_ends([Wish(signs_of(text), 0, 0)], 0, room, 1)
    assert "".join(label.text) == shown


@FEW
@given(wishes=WISHES, lines=st.integers(1, 15), room=st.integers(1, 14), first=st.integers(0, 30))
def test_labels_at_line_ends_never_cover_one_another(
    wishes: list[Wish], lines: int, room: int, first: int
) -> None:
    wishes = [Wish(wish.text, wish.column, min(wish.row, lines - 1)) for wish in wishes]
    labels = line_ends(wishes, 61, room, lines, first)
    taken = columns_taken(labels)
    assert len(taken) == len(set(taken))
    assert all(61 <= column < 61 + room and 0 <= row < lines for column, row in taken)
    named = [label.wish for label in labels if label.wish >= 0]
    hidden = len(wishes) - len(named)
    assert hidden == 0 or f"+{hidden} more"[:room] in {"".join(label.text) for label in labels}
    if lines > 1 and first < len(wishes):
        assert first in named
    ordered = sorted(labels[: len(named)], key=lambda label: label.row)
    heights = [wishes[label.wish].row for label in ordered]
    assert heights == sorted(heights)


@FEW
@given(wishes=WISHES)
def test_labels_beside_points_cover_neither_points_nor_one_another(wishes: list[Wish]) -> None:
    labels = beside_points(wishes, 62, 15)
    taken = columns_taken(labels)
    assert len(taken) == len(set(taken))
    assert not set(taken) & {(wish.column, wish.row) for wish in wishes}
    assert all(0 <= column < 62 and 0 <= row < 15 for column, row in taken)


@pytest.mark.parametrize("size", [(80, 18), (140, 38), (200, 52)])
def test_a_sloping_reference_is_named_however_flat_it_is(size: tuple[int, int]) -> None:
    figure = scatter_of([(10, 20), (40, 60)])
    sloping = (Reference((0.0, 0.0), (100.0, 100.0), "no change"),)
    panel = replace(figure.panels[0], references=sloping)
    assert "no change" in "\n".join(rows_of(replace(figure, panels=(panel,)), size=size))


def test_a_lone_point_has_its_label_at_its_right() -> None:
    (label,) = beside_points([Wish(("a", "b"), 5, 3)], 40, 10)
    assert (label.column, label.row) == (7, 3)


VALUE = st.one_of(st.none(), st.floats(0, 100), st.just(math.nan), st.just(math.inf))


@settings(max_examples=25, deadline=None)
@given(
    data=st.data(),
    epochs=st.integers(1, 40),
    count=st.integers(0, 9),
    columns=st.integers(8, 150),
    lines=st.integers(2, 50),
)
def test_any_figure_stays_within_its_place_and_shows_its_points(
    data: st.DataObject, epochs: int, count: int, columns: int, lines: int
) -> None:
    values = st.lists(VALUE, min_size=epochs, max_size=epochs)
    trajectories = [data.draw(values) for _ in range(count)]
    figure = figure_of(*trajectories, epochs=range(epochs))
    spot = next(iter(cursor.stops(figure)), None)
    focus = data.draw(st.sampled_from([None, "s0", "s3"]))
    look = Look(focus, spot, with_intervals=True)
    drawn = figure_pieces(figure, columns, lines, look)
    assert len(drawn) <= lines
    assert all(width(line) <= columns for line in drawn)
    panel = figure.panels[0]
    axes = axes_of(panel, columns, lines - 1, _label_room(panel, columns))
    if axes is None or len(drawn) < 4 or epochs > axes.columns // 3:
        return
    for series in panel.series:
        for point in series.points:
            if point.y is None or not math.isfinite(point.y) or point.cell == "s0@0#42":
                continue
            row = plain(drawn[1 + axes.row(point.y)])
            sign = row[axes.left + axes.column(point.x)]
            assert sign in GLYPHS + "[]", row


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=12))
def test_no_label_of_a_scatter_covers_a_point(places: list[tuple[int, int]]) -> None:
    figure = scatter_of([(float(x), float(y)) for x, y in places])
    drawn = rows_of(figure, size=(80, 20))
    axes = axes_of(figure.panels[0], 80, 18)
    assert axes is not None
    for x, y in places:
        assert drawn[1 + axes.row(y)][axes.left + axes.column(x)] in GLYPHS


def test_a_line_never_bridges_what_was_not_measured() -> None:
    epochs = range(7)
    whole = figure_of([50.0] * 7, epochs=epochs)
    gap = figure_of([50.0, 50.0, 50.0, None, 50.0, 50.0, 50.0], epochs=epochs)
    nan = figure_of([50.0, 50.0, 50.0, math.nan, 50.0, 50.0, 50.0], epochs=epochs)
    axes = axes_of(gap.panels[0], 80, 19, _label_room(gap.panels[0], 80))
    assert axes is not None
    row = 1 + axes.row(50.0)
    begin, end = (axes.left + axes.column(epoch) + 1 for epoch in (2, 4))
    assert rows_of(whole)[row][begin : end - 1].strip()
    assert rows_of(gap)[row][begin : end - 1].strip() == ""
    assert rows_of(nan) == rows_of(gap)


def test_stale_and_suspect_points_have_signs_of_their_own() -> None:
    figure = figure_of([20.0, 60.0, 90.0], statuses=["measured", "stale", "suspect"])
    shown = "\n".join(rows_of(figure))
    assert [shown.count(sign) for sign in "~?"] == [1, 1]


@pytest.mark.parametrize("values", [[], [None, None], [math.nan, math.nan]])
def test_without_a_value_a_figure_says_nothing_yet(values: list[float | None]) -> None:
    figure = figure_of(values, epochs=range(len(values)) if values else [0]) if values else None
    if figure is None:
        empty = Figure("leakage", "", (), 1, "", pd.DataFrame())
        assert rows_of(empty) == ["nothing yet"]
    else:
        assert rows_of(figure)[1] == "nothing yet"


def test_one_point_is_drawn_with_its_label() -> None:
    shown = "\n".join(rows_of(figure_of([42.0], epochs=[4])))
    assert shown.count("●") == 2
    assert "● Source 0" in shown


def test_ticks_stand_under_real_epochs_evenly_with_first_and_last() -> None:
    epochs = [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
    for columns, expected in ((80, epochs), (40, [0, 4, 8, 12, 16, 20])):
        figure = figure_of([50.0] * 11, epochs=epochs)
        ticks = rows_of(figure, size=(columns, 20))[-1].replace("epoch", "").split()
        assert [int(tick) for tick in ticks] == expected


@pytest.mark.parametrize("lines", [10, 18, 37, 45])
def test_points_stand_level_with_their_ticks(lines: int) -> None:
    base = figure_of([0.0, 20.0, 40.0, 60.0, 80.0, 100.0])
    y_ticks = tuple(Tick(value, f"{value:g}") for value in (0.0, 20.0, 40.0, 60.0, 80.0, 100.0))
    panel = replace(base.panels[0], y_ticks=y_ticks)
    drawn = rows_of(replace(base, panels=(panel,)), size=(83, lines))
    axes = axes_of(panel, 83, lines - 1, _label_room(panel, 83))
    assert axes is not None
    for tick in y_ticks:
        assert drawn[1 + axes.row(tick.at)].startswith(f"{tick.label:>3}┤") or lines == 10
    foot = drawn[-2]
    assert all(foot[axes.left + axes.column(float(epoch))] == "┬" for epoch in range(6))


def test_ascii_figures_hold_nothing_else() -> None:
    figure = figure_of([0.0, 30.0, 70.0], [90.0, None, 20.0])
    look = Look("s1", Spot(0, 1, 1), is_ascii=True, with_intervals=True)
    assert "\n".join(rows_of(figure, look)).isascii()


def test_focus_dims_the_other_lines_and_keeps_the_focused_one_whole() -> None:
    figure = figure_of([50.0] * 6, [0.0, 100.0] * 3)
    drawn = figure_pieces(figure, 80, 20, Look("s0"))
    roles = {role for line in drawn for _, role in line if role.startswith("series")}
    assert roles == {"series-0 here", "series-1 dim"}
    (whole,) = [line for line in drawn if "Source 0" in plain(line)]
    ink = [(text.strip(), role) for text, role in whole if text.strip()]
    assert ink[1][1] == "series-0 here"
    assert ink[1][0].count("●") == 7


def test_intervals_are_drawn_when_asked_for_and_of_the_focused_line_alone() -> None:
    points = tuple(PlotPoint(float(n), 50.0, 10.0, 90.0, cell=f"s0@{n}") for n in range(3))
    other = tuple(PlotPoint(float(n), 55.0, 5.0, 95.0, cell=f"s1@{n}") for n in range(3))
    base = figure_of([50.0] * 3)
    series = (
        Series("s0", "A", mark(0), points),
        Series("s1", "B", mark(1), other),
    )
    panel = Panel(
        "", "Convergence epoch", "y", series, base.panels[0].x_ticks, (), (0, 2), (0, 100)
    )
    figure = Figure("leakage", "", (panel,), 1, "", pd.DataFrame())

    def ink(look: Look) -> int:
        return sum(0x2800 < ord(sign) <= 0x28FF for row in rows_of(figure, look) for sign in row)

    assert ink(Look()) < ink(Look("s0", with_intervals=True)) < ink(Look(with_intervals=True))


def test_the_cursor_has_brackets_and_a_gap_has_them_on_the_axis() -> None:
    figure = figure_of([50.0, None, 50.0])
    assert "[●]" in "\n".join(rows_of(figure, Look(cursor=Spot(0, 0, 0))))
    at_gap = rows_of(figure, Look(cursor=Spot(0, 0, 1)))
    assert "[ ]" in at_gap[-3]


def test_wide_and_foreign_labels_keep_the_columns() -> None:
    base = figure_of([10.0, 90.0])
    series = base.panels[0].series[0]
    named = Series(series.key, "村の医者\x1b[31m[/x]", series.mark, series.points)
    panel = Panel("", "Convergence epoch", "y", (named,), (), (), (0, 1), (0, 100))
    drawn = figure_pieces(Figure("leakage", "", (panel,), 1, "", pd.DataFrame()), 60, 12)
    assert all(width(line) <= 60 for line in drawn)
    shown = "\n".join(map(plain, drawn))
    assert "村の医者" in shown
    assert "\x1b" not in shown


def test_plain_terminals_get_colours_or_none() -> None:
    figure = figure_of([10.0, 90.0])
    assert any("\x1b[38;2;" in line for line in figure_lines(figure, 60, 12))
    assert not any("\x1b" in line for line in figure_lines(figure, 60, 12, has_colour=False))


def heat_of(rows: int, columns: int) -> Figure:
    cells = tuple(
        tuple(
            HeatCell(None if column == 1 else float(row * 10), "measured", f"v@{row}#42")
            for column in range(columns)
        )
        for row in range(rows)
    )
    matrix = Matrix(
        tuple(f"epoch {row}" for row in range(rows)),
        tuple(f"Persona {column}" for column in range(columns)),
        cells,
        ("v",) * rows,
    )
    panel = Panel("V", "persona", "epoch", matrix=matrix)
    return Figure("heatmap", "H", (panel,), 1, "", model.rows_of((panel,)))


def test_a_heatmap_says_na_and_colours_it_unlike_zero() -> None:
    matrix = heat_of(2, 3).panels[0].matrix
    assert matrix is not None
    row = heat_lines(matrix, 60, 10, None, Look())[1]
    zero, missing = row[2], row[4]
    assert (zero[0].strip(), zero[1]) == ("0", "value-0")
    assert (missing[0].strip(), missing[1]) == ("n/a", "muted")


def test_an_edited_square_has_the_mark_of_its_terminal() -> None:
    matrix = Matrix(("epoch 0",), ("V",), ((HeatCell(40.0, "edited", "v@0#42"),),), ("v",))
    for is_ascii, text in ((False, "†40"), (True, "e40")):
        [_, row] = heat_lines(matrix, 60, 10, None, Look(is_ascii=is_ascii))
        assert plain(row).endswith(f"{text} ")


def test_a_heatmap_that_does_not_fit_follows_the_cursor() -> None:
    matrix = heat_of(60, 30).panels[0].matrix
    assert matrix is not None
    shown = [plain(line) for line in heat_lines(matrix, 60, 12, Spot(0, 55, 28), Look())]
    assert len(shown) <= 12
    assert any("[550]" in line for line in shown)
    assert "of 60" in shown[-1]
    assert all(len(line) <= 60 for line in shown)


def test_the_cursor_walks_along_and_between_lines_by_height() -> None:
    figure = figure_of([10.0, 20.0], [80.0, 90.0], [None, None])
    spot = cursor.spot_of(figure, "s0@1")
    assert spot == Spot(0, 0, 1)
    assert cursor.along(figure, spot, 5) == Spot(0, 0, 1)
    assert cursor.along(figure, spot, -1) == Spot(0, 0, 0)
    up = cursor.between(figure, spot, -1)
    assert up == Spot(0, 1, 1)
    assert cursor.between(figure, up, -1) == up
    assert cursor.between(figure, spot, 1) == Spot(0, 2, 1)
    assert cursor.cell_at(figure, Spot(0, 2, 1)) == "s2@1#42"


def test_the_cursor_of_a_scatter_goes_right_by_x_and_down_by_y() -> None:
    figure = scatter_of([(50, 10), (10, 90), (90, 50)])
    assert cursor.along(figure, Spot(0, 1, 0), 1) == Spot(0, 0, 0)
    assert cursor.along(figure, Spot(0, 0, 0), 1) == Spot(0, 2, 0)
    assert cursor.between(figure, Spot(0, 1, 0), 1) == Spot(0, 2, 0)
    assert cursor.between(figure, Spot(0, 2, 0), 1) == Spot(0, 0, 0)


def test_a_cell_absent_from_a_figure_falls_back_to_its_source() -> None:
    figure = figure_of([10.0, 20.0], [80.0, 90.0])
    assert cursor.spot_of(figure, "s1@77") == Spot(0, 1, 0)
    assert cursor.spot_of(figure, "nobody@0") == Spot(0, 0, 0)
    assert cursor.spot_of(figure_of(epochs=[0, 1]), "s1@0") is None


def test_names_of_cells_are_read_with_or_without_a_seed() -> None:
    assert cursor.cell_of("villain@10#7", 42) == Cell("villain", 10, 7)
    assert cursor.cell_of("villain@10", 42) == Cell("villain", 10, 42)
    assert cursor.cell_of("villain", 42) is None


def test_more_lines_than_can_be_told_apart_are_shown_around_the_focused_one() -> None:
    figure = figure_of(*[[float(n % 90), 50.0] for n in range(300)])
    look = Look("s250", cursor.spot_of(figure, "s250@1"))
    shown = "\n".join(rows_of(figure, look))
    assert "Source 250" in shown
    assert "more" in shown
    assert "Source 100" not in shown
