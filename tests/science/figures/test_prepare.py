"""What each figure draws, decided once for every renderer."""

import pytest

from tests.science.builders import analysis_of, design, leakage_row
from tuilab.science.analysis import Analysis, analyse
from tuilab.science.figures.kinds import KINDS, kinds_of
from tuilab.science.figures.model import Figure, Panel, PlotPoint, epoch_ticks, mark, marks_of
from tuilab.science.figures.prepare import FIGURES, figure
from tuilab.science.frame import measurements
from tuilab.study.study import Study


def drawn(panel: Panel) -> list[PlotPoint]:
    return [point for one in panel.series for point in one.points if point.y is not None]


def test_every_kind_is_drawn_and_no_other() -> None:
    assert tuple(FIGURES) == KINDS


def test_trajectories_are_in_percent_with_intervals_at_real_epochs(
    published_analysis: Analysis,
) -> None:
    [panel] = figure("leakage", published_analysis).panels
    assert [one.label for one in panel.series][:2] == ["Villain", "Med Doctor"]
    assert [tick.label for tick in panel.x_ticks] == [str(epoch) for epoch in range(0, 21, 2)]
    [point] = [point for point in panel.series[0].points if point.x == 10]
    assert (point.y, point.cell, point.interval) == (pytest.approx(73.2), "villain@10#42", "Wilson")
    assert point.low is not None and round(point.low, 1) == 69.5
    assert (point.hits, point.n) == (439, 600)


def test_the_cosine_panel_names_its_scale_and_leaves_nurse_out(
    published_analysis: Analysis,
) -> None:
    shown = figure("leakage-cosine", published_analysis)
    top, bottom = shown.panels
    assert len(top.series) == 7 and len(bottom.series) == 6
    assert "nurse" not in {one.key for one in bottom.series}
    assert "layer 15, 11 personas, marked" in bottom.y_label
    assert "No cosine (n/a): Nurse" in shown.note
    assert bottom.x_range == top.x_range


def test_the_scatter_shows_rank_correlation_and_that_peaks_are_picked(
    published_analysis: Analysis,
) -> None:
    shown = figure("cosine-peak", published_analysis)
    assert len(drawn(shown.panels[0])) == 6
    for part in ("rho -0.31", "406/720", "N = 6", "Holm over 4", "without Nurse", "of 11"):
        assert part in shown.note


def test_groups_are_the_classes_on_one_axis(published_analysis: Analysis) -> None:
    shown = figure("grouped", published_analysis)
    assert [panel.title for panel in shown.panels] == ["Rises (4)", "Not decided (1)", "Flat (2)"]
    assert len({panel.y_range for panel in shown.panels}) == 1
    # A source keeps its mark from figure to figure.
    [panel] = figure("leakage", published_analysis).panels
    marks = {one.key: one.mark for one in panel.series}
    assert all(one.mark == marks[one.key] for group in shown.panels for one in group.series)


def test_baseline_against_peak_has_the_line_of_no_change(published_analysis: Analysis) -> None:
    [panel] = figure("baseline-peak", published_analysis).panels
    [line] = panel.references
    assert line.start[0] == line.start[1] and line.end[0] == line.end[1]
    assert all((point.y or 0) >= point.x for point in drawn(panel))


def test_the_heatmap_shows_gaps_as_gaps(published_analysis: Analysis) -> None:
    shown = figure("heatmap", published_analysis)
    first, last = (panel.matrix for panel in shown.panels)
    assert first is not None and last is not None
    assert first.columns[0] == "Assistant" and "Nurse" in first.columns
    column = last.columns.index("Nurse")
    assert last.cells[first.rows.index("Nurse")][column].value is None
    assert last.cells[0][0].value == pytest.approx(62.3)
    assert "154 of 168 squares are n/a" in shown.note


@pytest.mark.parametrize("kind", kinds_of(()))
def test_every_drawn_value_lies_inside_its_axes_and_in_the_saved_rows(
    published_analysis: Analysis, kind: str
) -> None:
    shown = figure(kind, published_analysis)
    assert shown.kind == kind
    points = [point for panel in shown.panels for point in drawn(panel)]
    for panel in shown.panels:
        for point in drawn(panel):
            assert panel.x_range[0] <= point.x <= panel.x_range[1]
            for value in (point.y, point.low, point.high):
                assert value is None or panel.y_range[0] <= value <= panel.y_range[1]
    column = "value" if kind == "heatmap" else "y"
    squares = [
        square
        for panel in shown.panels
        if panel.matrix
        for row in panel.matrix.cells
        for square in row
        if square.value is not None
    ]
    assert shown.rows[column].notna().sum() == len(points) + len(squares)
    assert len(points) + len(squares) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_an_experiment_without_values_gives_empty_figures_that_say_so(
    card: Study, kind: str
) -> None:
    shown: Figure = figure(kind, analyse(measurements([]), card.design))
    assert not any(drawn(panel) for panel in shown.panels)
    assert "Nothing" in shown.note or "168 of 168 squares are n/a" in shown.note


def test_the_bystander_band_stands_behind_the_leakage_curves() -> None:
    def row(source: str, epoch: int, persona: str, hits: int | None) -> dict[str, object]:
        return leakage_row(source, epoch, hits, persona=persona)

    rows = [
        *(row(source, epoch, "assistant", 20) for source in "ab" for epoch in (0, 4)),
        *(row(source, 4, "c", hits) for source, hits in (("a", 40), ("b", 60))),
        row("a", 4, "b", 10),
        row("a", 4, "a", 190),  # a source is no bystander of its own
        row("a", 2, "c", None),
    ]
    shown = figure("leakage", analyse(measurements(rows), design(["a", "b"], (0, 2, 4))))
    [panel] = shown.panels
    [band] = panel.bands
    ends = [(point.x, point.low, point.high) for point in band.points]
    assert ends == [(0.0, None, None), (2.0, None, None), (4.0, 5.0, 25.0)]
    assert panel.y_range[1] >= 25.0
    assert "Grey band: the bystanders" in shown.note
    assert len(shown.rows[shown.rows["source"] == "bystanders"]) == 3


def test_without_bystanders_there_is_no_band(published_analysis: Analysis) -> None:
    shown = figure("leakage", published_analysis)
    assert not shown.panels[0].bands and "band" not in shown.note


def test_a_gap_is_a_point_without_height_and_a_suspect_point_is_marked() -> None:
    rows = [leakage_row("a", 0, 10), leakage_row("a", 4, 90, status="suspect")]
    shown = figure("leakage", analyse(measurements(rows), design(["a"], (0, 2, 4))))
    points = shown.panels[0].series[0].points
    assert [point.y for point in points] == [5.0, None, 45.0]
    assert [point.status for point in points] == ["measured", "missing", "suspect"]
    assert "Gaps: 1 missing point" in shown.note
    assert "kept out of every number: 1 suspect" in shown.note


@pytest.mark.parametrize("kind", KINDS)
def test_one_source_is_enough_for_every_figure(kind: str) -> None:
    assert figure(kind, analysis_of({"a": [1, 2]}, (0, 2))).panels


def test_an_unknown_figure_names_the_nearest(published_analysis: Analysis) -> None:
    with pytest.raises(ValueError, match="did you mean leakage"):
        figure("leakages", published_analysis)


def test_marks_differ_by_more_than_colour_and_do_not_repeat_soon() -> None:
    marks = [mark(index) for index in range(56)]
    assert len(set(marks)) == 56
    assert len({one.glyph for one in marks[:7]}) == len({one.colour for one in marks[:7]}) == 7


def test_many_epochs_are_thinned_and_keep_their_ends() -> None:
    ticks = epoch_ticks(tuple(range(300)))
    assert len(ticks) <= 13
    assert (ticks[0].label, ticks[-1].label) == ("0", "299")
    assert all(float(tick.label) == tick.at for tick in ticks)


def test_a_persona_has_its_mark_whatever_stands_beside_it() -> None:
    alone, among = marks_of(["nurse"]), marks_of(["villain", "pirate", "nurse", "ghost"])
    assert alone["nurse"] == among["nurse"]
    assert marks_of(["pirate"])["pirate"] == among["pirate"]
    assert len({(one.glyph, one.colour) for one in among.values()}) == 4


def test_a_variant_has_the_colour_of_its_persona_and_a_shape_of_its_own() -> None:
    lines = ["nurse", "nurse/B0", "nurse/B0,marker.lr=0.001", "pirate/B0", "pirate"]
    found = marks_of(lines)
    assert len({found[line].colour for line in lines[:3]}) == 1
    assert found["pirate"].colour == found["pirate/B0"].colour
    assert len({(one.glyph, one.colour) for one in found.values()}) == len(lines)
