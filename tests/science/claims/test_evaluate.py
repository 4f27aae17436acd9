"""Declared claims get the verdicts that the numbers deserve, those of the published card too."""

from dataclasses import replace

import numpy as np
import pytest

from tests.science.builders import analysis_of, cosine_row
from tuilab.science.analysis import Analysis, SourceResult
from tuilab.science.claims.claim import Claim, Verdict
from tuilab.science.claims.declared import parse
from tuilab.science.claims.evaluate import evaluate, is_beyond_noise
from tuilab.science.claims.standard import front_loading_claim
from tuilab.science.published import CLAIMS_FILE, read
from tuilab.science.trajectories import Point, Trajectory

HOLDS, FAILS = Verdict.HOLDS, Verdict.FAILS
NOISE, UNMEASURED = Verdict.WITHIN_NOISE, Verdict.NOT_MEASURED

VERDICTS = {
    "four-of-seven-rise": HOLDS,
    "five-of-seven-rise": NOISE,
    "villain-rises": HOLDS,
    "villain-peak": HOLDS,
    "medical-doctor-rises": HOLDS,
    "medical-doctor-peak": HOLDS,
    "comedian-rises": HOLDS,
    "comedian-peak": HOLDS,
    "kt-rises": HOLDS,
    "kt-peak": HOLDS,
    "sw-eng-transient": NOISE,
    "sw-eng-declines": NOISE,
    "librarian-flat": HOLDS,
    "front-loaded-for-all": FAILS,
    "front-loaded-where-it-rises": FAILS,
    "front-loaded-for-three": NOISE,
    "all-six-cosines-rise": FAILS,
    "five-cosines-end-higher": HOLDS,
    "kt-cosine-falls": HOLDS,
    "librarian-and-sw-eng-same-cosine": FAILS,
    "cosine-predicts-peak": NOISE,
    "medical-doctor-share": FAILS,
    "comedian-share": HOLDS,
    "kt-share": HOLDS,
    "villain-share": HOLDS,
    "rho-of-cosine-and-peak": UNMEASURED,
    "nurse-has-no-source-markers": UNMEASURED,
    "similarity-creates-leakage": Verdict.UNSUPPORTED,
    "kt-falls-because-it-is-close": Verdict.UNSUPPORTED,
}


def judged(text: str, analysis: Analysis) -> Claim:
    [claim] = evaluate(parse(f'[[claim]]\nkey = "k"\nsays = "s"\n{text}'), analysis)
    return claim


def test_the_cards_claims_get_the_verdicts_its_numbers_deserve(
    published_analysis: Analysis,
) -> None:
    claims = evaluate(parse(read(CLAIMS_FILE)), published_analysis)
    assert {claim.key: claim.verdict for claim in claims} == VERDICTS


def test_a_share_of_the_rise_holds_only_where_the_interval_leaves_no_less(
    published_analysis: Analysis,
) -> None:
    """KT has 78 % of its rise by epoch 2: half is sure, three quarters are not."""
    text = 'kind = "front_loaded"\nsources = ["kindergarten_teacher"]\nby_epoch = 2\nat_least = '
    half, most = (judged(f"{text}{one}", published_analysis).verdict for one in (0.5, 0.75))
    assert (half, most) == (HOLDS, NOISE)


def test_the_villain_is_not_front_loaded_because_it_goes_on_rising(
    published_analysis: Analysis,
) -> None:
    text = 'kind = "front_loaded"\nsources = ["villain"]\nby_epoch = 2'
    found = judged(text, published_analysis)
    assert found.verdict is FAILS
    assert "61.5% of the rise" in found.evidence[0]
    assert "+28.2 pp more by epoch 10" in found.evidence[0]


def test_the_share_of_med_doctor_is_told_of_peak_and_of_rise(
    published_analysis: Analysis,
) -> None:
    text = 'kind = "share"\nsources = ["medical_doctor"]\nepoch = 2\nequals = 93'
    found = judged(text, published_analysis)
    assert found.verdict is FAILS
    assert "epoch 2 has 96.6% of the peak and 94.2% of the rise" in found.evidence[0]
    right = text.replace("93", "94.2") + '\nof = "rise"'
    assert judged(right, published_analysis).verdict is HOLDS
    assert judged(text.replace("= 2", "= 3"), published_analysis).verdict is UNMEASURED


def test_the_printed_rho_mixes_scales_and_cannot_be_had_on_one(
    published_analysis: Analysis,
) -> None:
    found = judged('kind = "correlates"\ny = "peak"\nrho = -0.34\nn = 7', published_analysis)
    assert found.verdict is UNMEASURED
    assert "rho -0.31, p = 0.564 (406/720 permutations), N = 6, without Nurse" in found.sentence
    assert "columns give rho -0.34, p = 0.459, N = 7, on 2 scales that cannot" in found.sentence
    six = 'kind = "correlates"\ny = "peak"\nrho = {rho}\nn = 6'
    assert judged(six.format(rho=-0.31), published_analysis).verdict is HOLDS
    assert judged(six.format(rho=-0.34), published_analysis).verdict is FAILS


def test_the_scatter_of_checkpoints_keeps_a_small_cosine_change_open(
    published_analysis: Analysis,
) -> None:
    text = 'kind = "cosine_increases"\nsources = ["librarian"]'
    assert judged(text, published_analysis).verdict is NOISE
    assert judged(f"{text}\nbeyond_scatter = false", published_analysis).verdict is HOLDS


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('kind = "rises"\nsources = ["software_engineer"]', NOISE),
        ('kind = "rises"\nsources = ["librarian"]', NOISE),
        ('kind = "rises"\nsources = ["villain"]\nat_least_pp = 70', FAILS),
        ('kind = "rises"\nsources = ["villain"]\nat_least_pp = 65', NOISE),
        ('kind = "rises"\nsources = ["villain"]\nat_least_pp = 62.3', NOISE),
        ('kind = "rises"\nsources = ["villain"]\nat_least_pp = 58', HOLDS),
        ('kind = "rises"\nsources = ["villain"]\nby = "peak"\nat_least_pp = 73', NOISE),
        ('kind = "rises"\nsources = ["villain"]\nby = "peak"\nat_least_pp = 77', FAILS),
        ('kind = "declines"\nsources = ["villain"]', FAILS),
        ('kind = "flat"\nsources = ["villain"]', FAILS),
        ('kind = "flat"\nsources = ["nurse"]', HOLDS),
        ('kind = "transient"\nsources = ["villain"]', FAILS),
        ('kind = "transient"\nsources = ["librarian"]', NOISE),
        ('kind = "rises"\nsources = "rising"', HOLDS),
        ('kind = "rises"\nexactly = 7', NOISE),
        ('kind = "rises"\nexactly = 3', FAILS),
        ('kind = "predicts"\ny = "baseline"\ndirection = "positive"', NOISE),
        ('kind = "same"\nsources = ["villain", "comedian"]\nmetric = "leakage"', HOLDS),
        ('kind = "same"\nsources = ["villain", "nurse"]\nmetric = "leakage"', FAILS),
        ('kind = "same"\nsources = ["nurse", "medical_doctor"]\nmetric = "cosine"', UNMEASURED),
        ('kind = "value"\nsources = ["villain"]\nepoch = 10\nequals = 73.2', HOLDS),
        ('kind = "value"\nsources = ["villain"]\nepoch = 10\nequals = 75', NOISE),
        ('kind = "value"\nsources = ["villain"]\nepoch = 10\nequals = 80', FAILS),
        ('kind = "value"\nsources = ["villain"]\nepoch = 11\nequals = 80', UNMEASURED),
        (
            'kind = "value"\nmetric = "cosine"\nsources = ["kindergarten_teacher"]\nepoch = 0\n'
            "equals = 0.28",
            HOLDS,
        ),
    ],
)
def test_declared_claims_are_judged(
    published_analysis: Analysis, text: str, verdict: Verdict
) -> None:
    assert judged(text, published_analysis).verdict is verdict


def test_that_nothing_was_found_is_no_proof_that_nothing_changes() -> None:
    text = 'kind = "flat"\nsources = ["a"]'
    few, many = (analysis_of({"a": [n // 20, n // 20]}, (0, 2), n=n) for n in (40, 4000))
    assert judged(text, few).verdict is NOISE
    assert "does not exclude 10.0 pp" in judged(text, few).evidence[0]
    assert judged(text, many).verdict is HOLDS


def test_a_claim_about_nobody_is_not_measured_and_names_the_nearest(
    published_analysis: Analysis,
) -> None:
    found = judged('kind = "rises"\nsources = ["vilain"]', published_analysis)
    assert found.verdict is UNMEASURED
    assert "did you mean villain" in found.sentence


def test_prediction_holds_only_after_correction_and_in_the_right_direction() -> None:
    keys = [f"s{index}" for index in range(8)]
    table = {key: [10, 20 * (index + 1)] for index, key in enumerate(keys)}
    cosines = [cosine_row(key, 0, 0.1 * index) for index, key in enumerate(keys)]
    analysis = analysis_of(table, (0, 2), extra=cosines)
    text = 'kind = "predicts"\ny = "peak"'
    assert judged(f'{text}\ndirection = "positive"', analysis).verdict is HOLDS
    assert judged(f'{text}\ndirection = "negative"', analysis).verdict is FAILS


def test_at_least_with_one_seed_has_beaten_counting_noise_alone(
    published_analysis: Analysis,
) -> None:
    """Its class is tested against the run's scatter, the size of its rise is not."""
    text = 'kind = "rises"\nsources = ["villain"]'
    assert judged(text, published_analysis).said == "holds beyond this run's scatter"
    assert judged(f"{text}\nat_least_pp = 50", published_analysis).said == (
        "holds beyond counting noise"
    )


def test_a_cosine_whose_scatter_nobody_knows_is_not_called_changed() -> None:
    rows = [cosine_row("villain", epoch, value) for epoch, value in ((0, -0.3), (4, 0.5))]
    analysis = analysis_of({"villain": (0, 90)}, (0, 4), extra=rows)
    text = 'kind = "cosine_increases"\nsources = ["villain"]'
    found = judged(text, analysis)
    assert found.verdict is NOISE
    assert "(how far checkpoints scatter is not known)" in found.evidence[0]
    assert judged(f"{text}\nbeyond_scatter = false", analysis).verdict is HOLDS


def test_how_early_a_rise_comes_needs_a_checkpoint_that_follows() -> None:
    """By the only later checkpoint all of a rise is there, whatever it is."""
    analysis = analysis_of({"villain": (0, 90)}, (0, 4))
    text = 'kind = "front_loaded"\nsources = ["villain"]\nby_epoch = 4'
    assert judged(text, analysis).verdict is UNMEASURED
    standard = front_loading_claim(analysis)
    assert standard.verdict is UNMEASURED
    assert standard.sentence == (
        "It is not known how early leakage rises: a single checkpoint follows epoch 0."
    )


@pytest.mark.parametrize("checkpoints", [4, 11])
def test_a_cosine_that_only_scatters_is_seldom_called_changed(checkpoints: int) -> None:
    """By twice the scatter, whatever its degrees of freedom, it was in 18 and 8 of 100."""
    random, times = np.random.default_rng(3), 2000
    rows = [cosine_row("villain", epoch, 0.1) for epoch in range(checkpoints)]
    analysis = analysis_of({"villain": [5] * checkpoints}, range(checkpoints), extra=rows)
    [result] = analysis.sources

    def drawn() -> SourceResult:
        values = 0.1 * random.standard_normal(checkpoints)
        points = tuple(Point(epoch, float(value)) for epoch, value in enumerate(values))
        cosine = Trajectory("villain", 0, points, "cosine")
        return replace(result, cosine=cosine, cosine_runs=(cosine,))

    assert sum(bool(is_beyond_noise(drawn())) for _ in range(times)) <= 0.06 * times
