"""The claims that every experiment is asked."""

import json

from tuilab.science.analysis import Analysis, analyse
from tuilab.science.claims.claim import Verdict
from tuilab.science.claims.declared import parse
from tuilab.science.claims.evaluate import evaluate
from tuilab.science.claims.standard import standard_claims
from tuilab.science.frame import measurements
from tuilab.science.published import CLAIMS_FILE, read
from tuilab.study.study import Study

HOLDS, FAILS = Verdict.HOLDS, Verdict.FAILS
NOISE, UNMEASURED = Verdict.WITHIN_NOISE, Verdict.NOT_MEASURED


def test_standard_claims_say_what_the_card_should_have_said(
    published_analysis: Analysis,
) -> None:
    claims = {claim.key: claim for claim in standard_claims(published_analysis)}
    assert claims["coverage"].verdict is HOLDS
    rising = "rises beyond this run's scatter in 4 of 7 sources (Villain, Med Doctor, Comedian"
    assert f"{rising} and KT)" in claims["classes"].sentence
    assert "is not decided in 1 of 7 sources (SW Eng)" in claims["classes"].sentence
    assert claims["change:villain"].said == "holds beyond this run's scatter"
    assert claims["front-loaded"].verdict is FAILS
    assert "in 3 of 4 rising sources (Med Doctor, Comedian and KT)" in (
        claims["front-loaded"].sentence
    )
    assert claims["cosine"].verdict is FAILS
    assert "lower in 1 (KT -0.128)" in claims["cosine"].sentence
    assert "not measured for Nurse" in claims["cosine"].sentence
    assert claims["specificity"].verdict is UNMEASURED
    assert claims["seeds"].verdict is UNMEASURED
    assert claims["dispersion"].verdict is FAILS
    # A trend widens no interval.
    assert "where it is noise, binomial intervals" in claims["dispersion"].sentence
    assert claims["published-cosines"].verdict is FAILS
    assert {claims[f"cosine-predicts:{y}"].verdict for y in ("peak", "rise", "net")} == {NOISE}


def test_a_peak_is_never_given_without_how_many_it_was_picked_from(
    published_analysis: Analysis,
) -> None:
    for claim in standard_claims(published_analysis):
        if claim.key.startswith("change:"):
            for part in ("peak", "picked from 11", "net", "above epoch 0", "up and", "epoch 20"):
                assert part in claim.sentence


def test_every_claim_is_json(published_analysis: Analysis) -> None:
    claims = [
        *standard_claims(published_analysis),
        *evaluate(parse(read(CLAIMS_FILE)), published_analysis),
    ]
    records = [claim.record() for claim in claims]
    assert json.loads(json.dumps(records, allow_nan=False)) == records
    assert len({claim.key for claim in claims}) == len(claims)


def test_an_experiment_without_measurements_claims_nothing(card: Study) -> None:
    analysis = analyse(measurements([]), card.design)
    claims = [c for c in standard_claims(analysis) if c.key != "published-cosines"]
    assert {claim.verdict for claim in claims} == {UNMEASURED}
    assert "Nothing is measured yet (0 of 77 cells)" in claims[0].sentence
    assert not any("0.0%" in claim.sentence for claim in claims)
    declared = evaluate(parse(read(CLAIMS_FILE)), analysis)
    assert {claim.verdict for claim in declared} == {UNMEASURED, Verdict.UNSUPPORTED}
