"""Figures on paper: every prepared kind is drawn, reproducibly, and labels never overlap."""

from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.font_manager import findfont, get_font
from matplotlib.text import Text

from tests.science.builders import design, leakage_row
from tuilab.report.figure_files import dodges, draw, save_figure, spread
from tuilab.report.figure_fonts import USUAL, fonts_for
from tuilab.science.analysis import Analysis, analyse
from tuilab.science.figures.kinds import KINDS
from tuilab.science.figures.model import Figure
from tuilab.science.figures.prepare import figure
from tuilab.science.frame import measurements
from tuilab.store.shipped import published_dir
from tuilab.study.study import open_study

SCALE = "<colorbar>"
"""As matplotlib calls the axes of a scale."""


@pytest.fixture(scope="module")
def card() -> Analysis:
    return open_study(published_dir()).analysis


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_every_panel(card: Analysis, kind: str) -> None:
    prepared = figure(kind, card)
    canvas = draw(prepared)
    shown = [axes for axes in canvas.axes if axes.axison and axes.get_label() != SCALE]
    assert len(shown) == len(prepared.panels)
    texts = {text.get_text() for axes in shown for text in axes.texts}
    for panel in prepared.panels:
        assert {s.label for s in panel.series if any(p.y is not None for p in s.points)} <= texts


def test_points_at_the_edges_of_the_axes_are_drawn_whole(card: Analysis) -> None:
    lines = [line for axes in draw(figure("grouped", card)).axes for line in axes.lines]
    points = [line for line in lines if line.get_marker() not in ("None", "", None)]
    assert points and not any(point.get_clip_on() for point in points)


def test_bars_of_one_epoch_stand_beside_each_other_around_their_points(card: Analysis) -> None:
    prepared = figure("leakage", card)
    [panel], [axes] = prepared.panels, draw(prepared).axes
    bars = [line.get_xdata()[0] for line in axes.lines if line.get_alpha() == 0.5]
    points = [line.get_xdata()[0] for line in axes.lines if line.get_marker() != "None"]
    assert bars == points and len(set(bars)) == len(panel.series) == 7
    assert max(bars) - min(bars) == pytest.approx(0.8)  # epochs are 2 apart
    assert sum(bars) == pytest.approx(0.0)
    low, high = axes.get_xlim()
    assert low < min(bars) and high > 20 + max(bars)


def test_lines_without_bars_and_lone_lines_stand_at_their_epochs(card: Analysis) -> None:
    [cosines] = figure("cosine", card).panels
    assert set(dodges(cosines)) == {0.0}
    [leakage] = figure("leakage", card).panels
    assert dodges(replace(leakage, series=leakage.series[:1])) == [0.0]
    assert dodges(replace(leakage, series=())) == [0.0]


def test_a_heatmap_has_one_scale_for_all_its_panels(card: Analysis) -> None:
    prepared = figure("heatmap", card)
    [scale] = [axes for axes in draw(prepared).axes if axes.get_label() == SCALE]
    assert (scale.get_ylim(), scale.get_ylabel()) == ((0.0, 100.0), "%")
    assert len(prepared.panels) == 2


def test_squares_of_few_completions_have_no_decimals() -> None:
    rows = [leakage_row("a", 0, 1, n=40), leakage_row("a", 2, 11, n=160)]
    shown = figure("heatmap", analyse(measurements(rows), design(["a"], (0, 2))))
    texts = {text.get_text() for axes in draw(shown).axes for text in axes.texts}
    assert {"3", "6.9"} <= texts and "2.5" not in texts


def test_a_source_without_values_is_not_drawn_at_zero(card: Analysis) -> None:
    canvas = draw(figure("cosine", card))
    assert "Nurse" not in {text.get_text() for axes in canvas.axes for text in axes.texts}


def test_equal_values_give_equal_files_and_the_rows_lie_beside_them(
    card: Analysis, tmp_path: Path
) -> None:
    prepared = figure("leakage", card)
    first, second = (save_figure(prepared, tmp_path / name) for name in ("a", "b"))
    assert [path.suffix for path in first] == [".png", ".pdf", ".csv"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert len(pd.read_csv(first[-1])) == len(prepared.rows)


def test_a_figure_without_panels_is_an_empty_sheet() -> None:
    empty = Figure("leakage", "Nothing", (), 1, "nothing yet", pd.DataFrame())
    assert [axes.axison for axes in draw(empty).axes] == [False]


@given(st.lists(st.floats(0, 100), max_size=12))
def test_spread_labels_keep_their_order_and_their_distance(places: list[float]) -> None:
    moved = spread(places, 5.0, 0.0, 100.0)
    ranked = sorted(zip(places, moved, strict=True))
    heights = sorted(height for _, height in ranked)
    assert all(0.0 <= height <= 100.0 for height in heights)
    assert all(b - a >= 5.0 - 1e-6 for a, b in pairwise(heights))
    for (a, at_a), (b, at_b) in pairwise(ranked):
        assert a == b or at_a < at_b


def test_no_mark_is_cut_by_the_edge_of_its_panel(card: Analysis) -> None:
    canvas = draw(figure("grouped", card))
    marks = [
        line for axes in canvas.axes for line in axes.lines if line.get_marker() not in ("None", "")
    ]
    assert marks and not any(line.get_clip_on() for line in marks)


def test_a_name_beyond_every_font_is_named_in_the_note_and_no_warning_comes(tmp_path: Path) -> None:
    nowhere = Figure("leakage", "the \U000f0000 persona", (), 1, "4 of 4", pd.DataFrame())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_figure(nowhere, tmp_path)
    texts = [text.get_text() for text in draw(nowhere).findobj(Text)]
    said = "No font here has U+F0000: install one that has, such as Noto Sans CJK. 4 of 4"
    assert said in texts


def test_another_font_is_taken_for_what_the_usual_one_lacks() -> None:
    usual, other = (
        set(map(chr, get_font(findfont(name)).get_charmap())) for name in (USUAL, "STIXGeneral")
    )
    lacking = min(other - usual)
    families, left = fonts_for(frozenset({"a", lacking}))
    assert families[0] == USUAL and len(families) == 2 and not left
    assert fonts_for(frozenset("abc")) == ([USUAL], frozenset())
