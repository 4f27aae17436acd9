"""``tuilab claims``: the card's own, and those of a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.small_grid import call
from tests.report.ran_here import experiment, finish
from tests.store.scene import HEADLINE
from tuilab.grid.stages import Stage

CLAIM = '[[claim]]\nkey = "v"\nsays = "Villain rises"\nkind = "rises"\nsources = ["villain"]\n'


def test_the_cards_own_claims_are_judged_and_its_wrong_ones_do_not_hold(here: Path) -> None:
    found = json.loads(call("claims", "published", "eps109", "--json").stdout)["claims"]
    verdicts = {one["claim"]: one["verdict"] for one in found}
    wrong = ("transient peak", "All six cosines", "for all sources", "identical cosine", "Nurse")
    for words in wrong:
        [verdict] = [verdict for claim, verdict in verdicts.items() if words in claim]
        assert verdict != "holds", words


def test_claims_of_a_file_are_judged(here: Path, ran: Path) -> None:
    (here / "claims.toml").write_text(CLAIM)
    found = call("claims", str(ran), "claims.toml", "--json")
    assert found.exit_code == 0
    assert [one["verdict"] for one in json.loads(found.stdout)["claims"]] == ["holds"]


@pytest.mark.parametrize(
    "content", [None, b"x = [", b"\xff\xfe", b"", b'[[claim]]\nkind = "flies"\n']
)
def test_a_claims_file_that_cannot_be_used_is_a_usage_error(
    here: Path, ran: Path, content: bytes | None
) -> None:
    if content is not None:
        (here / "claims.toml").write_bytes(content)
    found = call("claims", str(ran), "claims.toml")
    assert found.exit_code == 2
    assert "claims.toml" in found.stderr and "Traceback" not in found.stderr


LOCKED = """
[[claim]]
key = "villain-rises"
says = "Villain rises"
kind = "rises"
sources = ["villain"]
"""


def test_claims_locked_before_the_first_evaluation_are_confirmatory(here: Path) -> None:
    scene = experiment(here / "x")
    Path("c.toml").write_text(LOCKED)
    found = call("claims", "lock", "x", "c.toml")
    assert found.exit_code == 0, found.stderr
    assert "locked 1 claim of c.toml, before the first measurement" in found.stdout
    for job in scene.plan.by_id:
        finish(scene, job)
    told = call("claims", "x").stdout
    assert "Villain rises [confirmatory]" in told and "[exploratory]" in told
    assert "No deviation since." in told
    Path("c.toml").write_text(LOCKED.replace('"rises"', '"declines"'))
    after = call("claims", "x", "c.toml").stdout
    assert "Villain rises [exploratory: not as it was locked]" in after
    call("claims", "lock", "x", "c.toml")
    again = call("claims", "x", "c.toml").stdout
    assert "after the first measurement had begun" in again
    assert "[exploratory: locked after the first measurement]" in again
    assert again.count(" of c.toml, ") == 2 and "No deviation since" not in again
    record = json.loads(call("claims", "x", "--json").stdout)
    statuses = [one["status"] for one in record["claims"] if one["key"] == "villain-rises"]
    assert statuses == ["confirmatory", "exploratory: locked after the first measurement"]


def test_a_claim_that_was_locked_and_is_left_out_is_named(here: Path) -> None:
    experiment(here / "x")
    Path("c.toml").write_text(LOCKED)
    call("claims", "lock", "x", "c.toml")
    Path("c.toml").write_text(LOCKED.replace("villain-rises", "other"))
    said = "Locked, and not so in this file: villain-rises (Villain rises)."
    assert said in call("claims", "x", "c.toml").stdout


def test_whoever_locks_a_claim_and_its_contrary_shows_both(here: Path) -> None:
    """Under one key, a file with the one that came true told of no other."""
    experiment(here / "x")
    Path("up.toml").write_text(LOCKED)
    Path("down.toml").write_text(
        LOCKED.replace('"rises"', '"declines"').replace(" rises", " falls")
    )
    for name in ("up.toml", "down.toml"):
        assert call("claims", "lock", "x", name).exit_code == 0
    told = call("claims", "x", "up.toml").stdout
    assert "Villain rises [confirmatory]" in told
    assert "Locked, and not so in this file: villain-rises (Villain falls)." in told


def test_what_cannot_be_locked_is_refused_in_a_sentence(here: Path) -> None:
    experiment(here / "x")
    Path("c.toml").write_text("[[claim]]\nkey = 1\n")
    assert call("claims", "lock", "x", "c.toml").exit_code == 2
    assert call("claims", "lock", "x", "none.toml").exit_code == 2
    Path("c.toml").write_text(LOCKED.replace('"villain"]', '"vilain"]'))
    typo = call("claims", "lock", "x", "c.toml")
    assert typo.exit_code == 2 and "no source of this grid (did you mean villain?)" in typo.stderr
    assert "locked" not in call("claims", "x").stdout
    Path("c.toml").write_text(LOCKED)
    found = call("claims", "lock", "published", "c.toml")
    assert found.exit_code != 0 and "Traceback" not in found.stderr
    assert "Did you mean 'lock'?" in call("claims", "lokc", "x", "c.toml").stderr


COSINES = """
[[claim]]
key = "cosines-rise"
says = "Cosines rise"
kind = "cosine_increases"
"""


def test_a_locked_claim_of_cosines_is_exploratory_at_another_layer_than_the_plans(
    here: Path,
) -> None:
    """Else one could look through all layers, and print the best as confirmatory."""
    scene = experiment(here / "x")
    Path("c.toml").write_text(LOCKED + COSINES)
    call("claims", "lock", "x", "c.toml")
    for job, planned in scene.plan.by_id.items():
        values = [{**HEADLINE, "layer": n, "value": 0.1 * (planned.epoch or 0)} for n in (1, 3)]
        told = {"metrics": {"cosine": values}} if planned.stage is Stage.COSINE else {}
        finish(scene, job, **told)
    assert "Cosines rise [confirmatory]" in call("claims", "x", "--layer", "3").stdout
    found = json.loads(call("claims", "x", "--layer", "1", "--json").stdout)["claims"]
    status = {one["key"]: one["status"] for one in found}
    assert status["cosines-rise"].startswith("exploratory: cosines of another layer")
    assert status["villain-rises"] == "confirmatory"
