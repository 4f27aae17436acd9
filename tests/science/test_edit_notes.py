"""A cell that ran with other settings is shown and named, and enters no number of the others."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from tests.science.builders import Row, cosine_row, design, leakage_row
from tuilab.science.analysis import Analysis, analyse
from tuilab.science.claims import declared
from tuilab.science.claims.claim import Claim, Verdict
from tuilab.science.claims.evaluate import evaluate
from tuilab.science.claims.standard import standard_claims
from tuilab.science.edit_notes import cells_set_aside, edits_notes
from tuilab.science.figures.prepare import figure
from tuilab.science.frame import measurements
from tuilab.science.headline_rows import headline, headline_frame, headline_text

SOURCES = ("villain", "pirate", "nurse")
EPOCHS, SEEDS = (0, 2, 4), (42, 137, 256)
LR = "marker.lr=0.002"


def no_edit(*_: object) -> None:
    """Leave every cell as planned."""


@cache
def experiment(
    edits: Callable[[str, int, int], str | None] = no_edit, seeds: tuple[int, ...] = SEEDS
) -> Analysis:
    """Every source rises from 1% to 40%; cosines differ by source."""
    rows: list[Row] = []
    for place, source in enumerate(SOURCES):
        for seed in seeds:
            for epoch, hits in zip(EPOCHS, (2, 60, 80), strict=True):
                told = {"seed": seed, "edits": edits(source, epoch, seed)}
                rows.append(leakage_row(source, epoch, hits, **told))
                rows.append(leakage_row(source, epoch, hits + 90, persona=source, **told))
                rows.append(cosine_row(source, epoch, hits / 200 + place / 10, **told))
    return analyse(measurements(rows), design(SOURCES, EPOCHS, seeds))


def one_cell(source: str, epoch: int, seed: int) -> str | None:
    return LR if (source, epoch, seed) == ("pirate", 4, 42) else None


def whole_source(source: str, epoch: int, seed: int) -> str | None:
    return LR if source == "villain" else None


@cache
def claims_of(analysis: Analysis) -> dict[str, Claim]:
    return {claim.key: claim for claim in standard_claims(analysis)}


def test_an_experiment_without_edits_knows_nothing_of_them() -> None:
    plain = experiment()
    assert edits_notes(plain) == [] and "settings" not in claims_of(plain)
    assert claims_of(plain)["seeds"].verdict is Verdict.HOLDS


def test_an_edited_cell_among_others_keeps_its_value_and_enters_no_number() -> None:
    analysis = experiment(one_cell, seeds=(42,))
    pirate = analysis.source("pirate")
    assert pirate is not None
    point = pirate.leakage.points[-1]
    assert (point.status, point.value, point.counted) == ("edited", 0.4, None)
    assert (pirate.leakage.peak, pirate.leakage.peak_epoch) == (0.3, 2)
    assert pirate.leakage.final is None and pirate.net.mean is None
    assert pirate.cosine.final is None
    assert cells_set_aside(analysis.frame) == [("pirate@4#42", LR)]


def test_nothing_is_replicated_across_different_settings() -> None:
    seeds = claims_of(experiment(one_cell))["seeds"]
    assert seeds.verdict is Verdict.NOT_MEASURED
    assert "no replication: pirate@4#42 (marker.lr=0.002)" in seeds.sentence
    assert seeds.numbers["left_out"] == {"pirate@4#42": LR}


def test_a_mean_over_seeds_leaves_the_edited_seed_out() -> None:
    rows = [
        leakage_row("villain", epoch, hits, seed=seed, edits=LR if hits == 192 else None)
        for seed, counts in ((42, (2, 192)), (137, (2, 20)))
        for epoch, hits in zip((0, 2), counts, strict=True)
    ]
    analysis = analyse(measurements(rows), design(["villain"], (0, 2), SEEDS))
    [villain] = analysis.sources
    assert (villain.leakage.peak, villain.leakage.points[-1].seeds) == (0.1, 1)
    assert villain.net.measured == 1


def test_the_sources_own_rate_leaves_the_edited_cell_out() -> None:
    evidence = claims_of(experiment(one_cell))["specificity"].sentence
    assert "pirate 46.0% to 85.0% in 8 cells" in evidence


def test_every_claim_about_a_source_names_what_it_left_out() -> None:
    found = claims_of(experiment(one_cell))
    assert "pirate@4#42 (marker.lr=0.002)" in found["change:pirate"].sentence
    assert "marker.lr" not in found["change:villain"].sentence
    assert found["coverage"].verdict is Verdict.NOT_MEASURED
    assert found["settings"].verdict is Verdict.FAILS
    assert "1 cell ran with settings unlike the config" in found["settings"].sentence.lower()


def test_a_source_that_ran_alike_throughout_keeps_its_numbers_and_says_so() -> None:
    analysis = experiment(whole_source)
    villain = analysis.source("villain")
    assert (
        villain is not None and villain.leakage.peak == pytest.approx(0.4) and villain.edits == LR
    )
    found = claims_of(analysis)
    assert found["change:villain"].verdict is Verdict.HOLDS
    assert "all its cells ran with marker.lr=0.002" in found["change:villain"].sentence
    assert found["seeds"].verdict is Verdict.HOLDS
    assert "all cells with marker.lr=0.002" in found["seeds"].evidence[0]


@pytest.mark.parametrize("key", ["classes", "cosine", "specificity"])
def test_what_is_said_of_all_sources_is_open_where_one_has_settings_of_its_own(key: str) -> None:
    assert claims_of(experiment())[key].verdict is Verdict.HOLDS
    claim = claims_of(experiment(whole_source))[key]
    assert claim.verdict is Verdict.NOT_MEASURED
    assert "left out because their settings differ: villain" in claim.sentence


def test_a_rank_correlation_leaves_the_source_out() -> None:
    assert claims_of(experiment())["cosine-predicts:peak"].numbers["n"] == 3
    found = claims_of(experiment(whole_source))["cosine-predicts:peak"]
    assert found.numbers["n"] == 2 and "villain (marker.lr=0.002)" in found.sentence


def test_sources_that_all_carry_the_same_edit_are_compared() -> None:
    found = claims_of(experiment(lambda *_: LR))
    assert found["classes"].verdict is Verdict.HOLDS
    assert found["cosine-predicts:peak"].numbers["n"] == 3


def test_declared_claims_follow_the_same_rule() -> None:
    text = """
        [[claim]]
        key = "all"
        says = "every source rises"
        kind = "rises"
        [[claim]]
        key = "one"
        says = "villain rises"
        kind = "rises"
        sources = ["villain"]
        [[claim]]
        key = "same"
        says = "villain and nurse begin alike"
        kind = "same"
        metric = "leakage"
        sources = ["villain", "nurse"]
    """
    every, one, same = evaluate(declared.parse(text), experiment(whole_source))
    assert every.verdict is Verdict.NOT_MEASURED
    assert every.numbers == {
        "villain": "not measured",
        "pirate": "holds",
        "nurse": "holds",
    }
    assert one.verdict is Verdict.HOLDS
    assert same.verdict is Verdict.NOT_MEASURED and "villain (marker.lr=0.002)" in same.sentence


def test_the_headline_marks_the_row_or_counts_the_cell() -> None:
    titles, cells = headline_text(headline(experiment(one_cell)))
    pirate = dict(zip(titles, cells[1], strict=True))
    assert (pirate["Source"], pirate["Left out"]) == ("pirate", "1 edited †")
    rows = headline(experiment(whole_source))
    titles, cells = headline_text(rows)
    assert cells[0][0] == "villain †" and "Left out" not in titles
    frame = headline_frame(headline(experiment(one_cell)))
    assert list(frame["edited"]) == ["", "pirate@4#42", ""]
    assert list(headline_frame(rows)["edits"]) == [LR, "", ""]


@pytest.mark.parametrize("kind", ["leakage", "grouped", "cosine-peak", "heatmap"])
def test_captions_name_the_edited_cells(kind: str) -> None:
    assert "† 1 cell ran with settings unlike the config" in figure(kind, experiment(one_cell)).note
    note = figure(kind, experiment(whole_source)).note
    assert "† whole sources ran with settings unlike the config: villain (marker.lr=0.002)" in note


def test_a_figure_tells_edited_points_from_the_others() -> None:
    drawn = figure("leakage", experiment(one_cell, seeds=(42,)))
    [pirate] = [one for one in drawn.panels[0].series if one.key == "pirate"]
    assert [point.status for point in pirate.points] == ["measured", "measured", "edited"]
    assert "Hollow points are kept out of every number: 1 edited" in drawn.note
    assert list(drawn.rows.loc[drawn.rows["status"] == "edited", "edits"]) == [LR]
    [villain] = [
        one
        for one in figure("leakage", experiment(whole_source)).panels[0].series
        if one.key == "villain"
    ]
    assert villain.label == "villain †"
    assert {point.edits for point in villain.points} == {LR}
