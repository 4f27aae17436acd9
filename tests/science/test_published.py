"""Every recomputed number of the published experiment, straight from its table."""

import pytest

from tuilab.science.analysis import Analysis
from tuilab.science.classify import Change
from tuilab.science.correlation import spearman
from tuilab.science.cosine import Scale
from tuilab.science.headline_rows import headline
from tuilab.study.study import Study

# source: baseline, peak, peak epoch, final, rise, net (percent)
HEADLINE = {
    "villain": (0.0, 73.2, 10, 62.3, 73.2, 62.3),
    "medical_doctor": (25.0, 59.5, 4, 43.0, 34.5, 18.0),
    "comedian": (0.0, 42.5, 6, 41.5, 42.5, 41.5),
    "kindergarten_teacher": (2.5, 32.5, 14, 26.0, 30.0, 23.5),
    "software_engineer": (30.0, 37.5, 4, 8.0, 7.5, -22.0),
    "nurse": (12.5, 23.0, 2, 12.5, 10.5, 0.0),
    "librarian": (3.0, 5.0, 20, 5.0, 2.0, 2.0),
}
# source: above baseline, ties, epoch 2 as % of peak, as % of rise, significantly up, down
RECOMPUTED = {
    "villain": (10, 0, 61.5, 61.5, 10, 0),
    "medical_doctor": (10, 0, 96.6, 94.2, 9, 0),
    "comedian": (10, 0, 87.5, 87.5, 10, 0),
    "kindergarten_teacher": (10, 0, 80.0, 78.3, 10, 0),
    "software_engineer": (1, 1, 65.3, -73.3, 0, 6),
    "nurse": (5, 1, 100.0, 100.0, 0, 0),
    "librarian": (3, 0, 40.0, -50.0, 0, 0),
}
COSINE_CHANGE = {
    "villain": 0.489,
    "medical_doctor": 0.077,
    "comedian": 0.137,
    "software_engineer": 0.143,
    "librarian": 0.016,
    "kindergarten_teacher": -0.128,
}


@pytest.mark.parametrize("source", HEADLINE)
def test_the_headline_of_the_card_comes_out(published_analysis: Analysis, source: str) -> None:
    baseline, peak, epoch, final, rise, net = HEADLINE[source]
    row = next(row for row in headline(published_analysis) if row.source == source)
    ours = (row.baseline, row.peak, row.final, row.rise, row.net)
    assert ours == pytest.approx([x / 100 for x in (baseline, peak, final, rise, net)], abs=1e-9)
    assert (row.peak_epoch, row.picked_from) == (epoch, 11)


@pytest.mark.parametrize("source", RECOMPUTED)
def test_the_recomputed_table_comes_out(published_analysis: Analysis, source: str) -> None:
    above, ties, of_peak, of_rise, up, down = RECOMPUTED[source]
    row = next(row for row in headline(published_analysis) if row.source == source)
    assert (row.above_baseline, row.ties, row.later_measured) == (above, ties, 10)
    assert row.early_epoch == 2
    assert row.fraction_of_peak == pytest.approx(of_peak / 100, abs=0.0005)
    assert row.fraction_of_rise == pytest.approx(of_rise / 100, abs=0.0005)
    assert (row.up, row.down) == (up, down)


def test_four_rise_one_is_not_decided_two_are_flat(published_analysis: Analysis) -> None:
    classes = {result.source.key: result.change for result in published_analysis.sources}
    assert classes == {
        "villain": Change.RISES,
        "medical_doctor": Change.RISES,
        "comedian": Change.RISES,
        "kindergarten_teacher": Change.RISES,
        "software_engineer": Change.NOT_DECIDED,
        "nurse": Change.FLAT,
        "librarian": Change.FLAT,
    }


def test_the_peak_of_sw_eng_is_within_noise(published_analysis: Analysis) -> None:
    result = published_analysis.source("software_engineer")
    assert result is not None
    [test] = [test for test in result.runs[0].tests if test.epoch == 4]
    assert round(test.p, 2) == 0.14
    assert test.family == 10
    assert not test.is_up


@pytest.mark.parametrize(("source", "change"), COSINE_CHANGE.items())
def test_cosine_changes_come_out(published_analysis: Analysis, source: str, change: float) -> None:
    result = published_analysis.source(source)
    assert result is not None
    assert result.cosine_change.mean == pytest.approx(change, abs=1e-9)


def test_wilson_intervals_come_out(published_analysis: Analysis) -> None:
    rows = {row.source: row for row in headline(published_analysis)}
    peak, baseline = rows["villain"].peak_interval, rows["kindergarten_teacher"].baseline_interval
    assert peak is not None and baseline is not None
    assert (round(peak.low * 100, 1), round(peak.high * 100, 1)) == (69.5, 76.6)
    assert (round(baseline.low * 100, 1), round(baseline.high * 100, 1)) == (1.1, 5.7)


def test_the_cards_own_correlation_is_2312_of_5040(card: Study) -> None:
    rows = [card.design.published[source.key] for source in card.design.sources]
    found = spearman([row.cosine or 0.0 for row in rows], [row.peak or 0.0 for row in rows])
    assert (found.extreme, found.permutations, found.method) == (2312, 5040, "exact")
    assert found.rho == pytest.approx(-0.34, abs=0.005)
    assert round(found.p or 0.0, 3) == 0.459


def test_n_per_cell_is_what_was_sampled(published_analysis: Analysis) -> None:
    sizes = {row.source: (row.n_low, row.n_high) for row in headline(published_analysis)}
    for source, found in sizes.items():
        assert found == ((600, 600) if source in {"villain", "comedian"} else (200, 200))


def test_nurse_has_no_cosine_and_no_source_rate_rather_than_zero(
    card: Study, published_analysis: Analysis
) -> None:
    result = published_analysis.source("nurse")
    assert result is not None
    assert all(point.value is None for point in result.cosine.points)
    cells = [cell for cell in published_analysis.specificity if cell.source == "nurse"]
    assert len(cells) == 11
    assert {cell.source_rate for cell in cells} == {None}
    assert all("not in the evaluated panel" in cell.source_reason for cell in cells)
    others = [cell for cell in published_analysis.specificity if cell.source == "villain"]
    assert all("did not publish" in cell.source_reason for cell in others)
    frame = card.frame
    assert frame.loc[frame["status"] == "missing", "value"].isna().all()


def test_the_published_cosines_are_on_one_scale_and_the_printed_column_on_two(
    card: Study, published_analysis: Analysis
) -> None:
    scale = Scale(15, "11 personas", "marked")
    assert published_analysis.scales == (scale,)
    printed = [row.cosine_scale for row in card.design.published.values()]
    assert printed.count(scale) == 4
    assert printed.count(Scale(15, "111 personas", "base")) == 3
    rows = {row.source: row for row in headline(published_analysis)}
    assert rows["villain"].versus("cosine") == pytest.approx(0.005)
    assert rows["librarian"].versus("cosine") is None


def test_the_first_checkpoint_of_villain_is_no_plateau_and_of_kt_is(
    published_analysis: Analysis,
) -> None:
    from tuilab.science.significance import after

    ups = {
        result.source.key: [test.epoch for test in after(result.leakage, 2) if test.is_up]
        for result in published_analysis.sources
    }
    assert 10 in ups["villain"]
    assert ups["kindergarten_teacher"] == ups["comedian"] == ups["medical_doctor"] == []
