"""``tuilab claims``: the card's own, and those of a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.small_grid import call

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
