"""What the author writes is kept and shown; takeaways are chosen by rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.ran_here import whole
from tuilab.grid.report_text import ReportTextError, read_report_text
from tuilab.report.folder import write_files
from tuilab.report.markdown import takeaways
from tuilab.report.recipe import recipe_for
from tuilab.science.claims.claim import Claim, Verdict
from tuilab.study.study import open_study

TEXT = """
background = "Cosine was said to predict leakage."
rationale = "20 epochs, since villain began to leak at epoch 3 only."
parents = ["#91: four sources, five epochs"]
next_steps = ["Ask for three seeds."]
consumers = ["Aim 3 of the paper"]
"""


def test_what_the_author_wrote_stands_in_every_report(tmp_path: Path) -> None:
    scene = whole(tmp_path / "x")
    (scene.root / "report.toml").write_text(TEXT)
    study = open_study(scene.root)
    for folder in ("one", "again"):
        made = write_files(study, tmp_path / folder, recipe_for(study, kinds=()), draw=False)
        report = made.report.read_text()
    assert "To be written" not in report
    for words in ("Cosine was said", "since villain began", "Follows: #91", "Used by: Aim 3"):
        assert words in report
    assert "- Ask for three seeds.\n- Repeat with more seeds" in report
    assert "## All claims" in report
    chosen = report.split("Main takeaways")[1].split("**Confidence")[0]
    assert 2 <= chosen.count("\n- ") <= 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("backgroud = 'x'", "backgroud: unknown key (did you mean background?)"),
        ("parents = 'x'", "parents: must be a list"),
        ("parents = [", "is not valid TOML"),
    ],
)
def test_a_report_text_that_cannot_be_used_says_why(text: str, words: str) -> None:
    with pytest.raises(ReportTextError) as caught:
        read_report_text(text)
    assert words in str(caught.value)


def claim(key: str, verdict: Verdict = Verdict.HOLDS, status: str = "") -> Claim:
    return Claim(key, key, verdict, "", status=status)


def test_takeaways_are_five_at_most_locked_ones_first_and_none_of_one_source() -> None:
    standard = [
        claim("coverage"),
        claim("change:villain"),
        claim("cosine-predicts:peak", Verdict.UNDECIDABLE),
        claim("cosine"),
        claim("front-loaded", Verdict.NOT_MEASURED),
        claim("specificity", Verdict.WITHIN_NOISE),
        claim("classes", Verdict.NOT_MEASURED),
    ]
    keys = [one.key for one in takeaways(standard)]
    assert keys == ["classes", "cosine", "specificity", "front-loaded", "cosine-predicts:peak"]
    locked = [claim(f"mine-{n}", status="confirmatory") for n in range(4)]
    later = claim("later", status="exploratory: locked after the first measurement")
    keys = [one.key for one in takeaways([*locked, later, *standard])]
    assert keys == ["mine-0", "mine-1", "mine-2", "mine-3", "classes"]


def test_a_report_names_the_seed_of_its_samples(tmp_path: Path) -> None:
    """Who tries several could pick the nicest: the number tells a reader."""
    study = open_study(whole(tmp_path / "x").root)
    made = write_files(study, tmp_path / "r", recipe_for(study, seed=7, kinds=()), draw=False)
    assert "Drawn at random by seed 7 from all completions" in made.report.read_text()
