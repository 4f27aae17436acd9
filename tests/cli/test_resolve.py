"""What DIR, CONFIG and CELL stand for."""

from __future__ import annotations

import pytest

from tests.cli.small_grid import call


@pytest.mark.parametrize(
    "words", [["run"], ["plan"], ["stop"], ["relaunch", "villain@2"], ["logs", "villain@2"]]
)
def test_what_acts_on_jobs_says_that_results_have_none(words: list[str]) -> None:
    found = call(words[0], "published", *words[1:])
    assert (found.exit_code, found.stdout) == (1, "")
    assert "published has results only" in found.stderr


def test_a_misspelt_published_is_known() -> None:
    assert "did you mean published?" in call("status", "pubished").stderr
