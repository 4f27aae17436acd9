"""Differences in differences: what a line changes more than its control, and what hides it."""

from __future__ import annotations

import random

import pytest

from tests.science.builders import design, leakage_row
from tuilab.science.against import Against, against, first_against
from tuilab.science.analysis import Analysis, analyse
from tuilab.science.claims.claim import Verdict
from tuilab.science.claims.standard import standard_claims
from tuilab.science.contrasts import Noise
from tuilab.science.figures.kinds import kinds_of
from tuilab.science.figures.prepare import figure
from tuilab.science.frame import measurements
from tuilab.science.headline_rows import headline, headline_frame, headline_text

EPOCHS = (0, 2, 4, 6, 8, 10)


def made(
    lines: dict[str, tuple[int, ...]], seeds: tuple[int, ...] = (0,), noise: float = 0.0
) -> Analysis:
    chance = random.Random(7)
    rows = [
        leakage_row(line, epoch, min(200, max(0, hits + round(chance.gauss(0, noise)))), seed=seed)
        for line, values in lines.items()
        for seed in seeds
        for epoch, hits in zip(EPOCHS, values, strict=True)
    ]
    return analyse(measurements(rows), design(list(lines), EPOCHS, seeds=seeds))


def only(analysis: Analysis) -> Against:
    [found] = against(analysis)
    return found


RISE, FLAT = (10, 60, 80, 90, 95, 100), (10, 14, 8, 12, 9, 11)


def test_a_grid_without_variants_compares_nothing_and_has_no_further_column() -> None:
    analysis = made({"villain": RISE, "nurse": FLAT})
    assert against(analysis) == () and analysis.reference is analysis
    assert "Net minus" not in headline_text(headline(analysis))[0]
    assert not any("differ" in name for name in headline_frame(headline(analysis)))
    assert "difference" not in kinds_of(["villain", "nurse"])


def test_the_difference_is_the_change_of_one_line_less_that_of_its_control() -> None:
    found = only(made({"villain": RISE, "villain/B0": (20, 30, 30, 30, 30, 30)}))
    assert found.is_control and found.epoch == 10
    assert found.value == pytest.approx((100 - 10 - 30 + 20) / 200)
    assert found.interval is not None and found.interval.low > 0


def test_what_rises_in_both_arms_alike_is_within_noise() -> None:
    analysis = made({"villain": RISE, "villain/B0": RISE})
    found = only(analysis)
    assert found.value == 0 and found.beyond is None and not found.is_open
    [claim] = [one for one in standard_claims(analysis) if one.key.startswith("against")]
    assert claim.verdict is Verdict.WITHIN_NOISE and "within noise" in claim.sentence


def test_the_noise_of_training_hides_what_counting_alone_would_show() -> None:
    jagged = (10, 120, 20, 110, 30, 90)
    found = only(made({"villain": jagged, "villain/B0": FLAT}))
    assert found.is_open and found.beyond is None
    steady = only(made({"villain": (10, 98, 101, 99, 102, 100), "villain/B0": FLAT}))
    assert steady.beyond is Noise.SCATTER


def test_seeds_are_paired_and_a_spread_between_them_is_known() -> None:
    lines = {"villain": RISE, "villain/B0": FLAT}
    found = only(made(lines, (1, 2, 3), noise=3.0))
    assert found.beyond is Noise.SEEDS and (found.seeds, found.planned) == (3, 3)
    assert found.interval is not None and "3 seeds" in found.interval.method


def test_a_missing_end_is_not_measured_and_never_zero() -> None:
    lines = {"villain": RISE[:5], "villain/B0": FLAT}
    rows = [
        leakage_row(line, epoch, hits)
        for line, values in lines.items()
        for epoch, hits in zip(EPOCHS, values, strict=False)
    ]
    analysis = analyse(measurements(rows), design(list(lines), EPOCHS))
    assert only(analysis).value is None
    [claim] = [one for one in standard_claims(analysis) if one.key.startswith("against")]
    assert claim.verdict is Verdict.NOT_MEASURED and "n/a" not in claim.claim
    [row, _] = headline_text(headline(analysis))[1]
    assert "n/a" in row


def test_a_line_is_set_against_its_control_first_and_against_the_configs_own_level() -> None:
    level = ",marker.lr=0.001"
    analysis = made(dict.fromkeys(("v", "v/B0", f"v{level}", f"v/B0{level}"), RISE))
    pairs = [(one.key, one.other.source.key) for one in against(analysis)]
    assert pairs == [
        ("v", "v/B0"),
        (f"v{level}", f"v/B0{level}"),
        (f"v{level}", "v"),
        (f"v/B0{level}", "v/B0"),
    ]
    assert [one.other.source.key for one in first_against(analysis).values()] == [
        "v/B0",
        f"v/B0{level}",
        "v/B0",
    ]
    drawn = figure("difference", analysis)
    assert [one.key for one in drawn.panels[0].series] == ["v", f"v{level}", f"v/B0{level}"]
    assert "difference" in kinds_of(["v", "v/B0"])


def test_a_difference_is_drawn_in_points() -> None:
    [panel] = figure("difference", made({"villain": RISE, "villain/B0": FLAT})).panels
    heights = [point.y for one in panel.series for point in one.points if point.y]
    assert max(map(abs, heights)) > 1 and panel.y_range[1] > 1
    assert "points" in panel.y_label


def test_a_source_in_two_arms_is_no_two_sources() -> None:
    analysis = made({"villain": RISE, "villain/B0": FLAT, "nurse": RISE, "nurse/B0": FLAT})
    assert [one.source.key for one in analysis.reference.sources] == ["villain", "nurse"]
    [classes] = [one for one in standard_claims(analysis) if one.key == "classes"]
    assert "2 of 2 sources" in classes.sentence
