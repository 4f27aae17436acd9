"""Odd experiments give sentences, never tracebacks and never invented numbers."""

import re

import pytest

from tests.science.builders import analysis_of, cosine_row, design, leakage_row
from tuilab.science.analysis import Analysis, analyse
from tuilab.science.claims.standard import standard_claims
from tuilab.science.design import Design, DesignError, Persona, design_of
from tuilab.science.figures.kinds import KINDS
from tuilab.science.figures.prepare import figure
from tuilab.science.frame import measurements
from tuilab.science.headline_rows import headline, headline_frame, headline_text


def everything(analysis: Analysis) -> str:
    """Compute all there is to compute and return what is said."""
    rows = headline(analysis)
    headline_frame(rows)
    _, cells = headline_text(rows, full=True)
    figures = [figure(kind, analysis) for kind in KINDS]
    claims = standard_claims(analysis)
    said = [claim.sentence for claim in claims] + [shown.note for shown in figures]
    said += [cell for row in cells for cell in row]
    text = "\n".join(said)
    assert not re.search(r"\bnan\b|\bnone\b of|None|inf\b", text)
    return text


def test_one_source_alone() -> None:
    text = everything(analysis_of({"villain": [0, 100, 120]}, (0, 2, 4)))
    assert "rises beyond counting noise in 1 of 1 sources" in text
    assert "at least three" in text


def test_everything_missing() -> None:
    text = everything(analysis_of({"villain": [None, None]}, (0, 2)))
    assert "0 of 2 cells" in text and "0.0%" not in text


def test_only_epoch_zero() -> None:
    text = everything(analysis_of({"villain": [5]}, (0,)))
    assert "no checkpoint after epoch 0" in text


def test_no_epoch_zero_in_the_plan() -> None:
    text = everything(analysis_of({"villain": [5, 50]}, (2, 4)))
    assert "epoch 0 is not measured, and without it no change can be tested" in text


def test_nothing_ever_hits() -> None:
    text = everything(analysis_of({"a": [0, 0, 0], "b": [0, 0, 0]}, (0, 2, 4)))
    assert "does not change beyond noise in 2 of 2 sources" in text
    assert "undefined" in text


def test_everything_always_hits() -> None:
    everything(analysis_of({"a": [200, 200, 200]}, (0, 2, 4)))


def test_values_without_counts() -> None:
    rows = [
        {"source": "a", "epoch": epoch, "metric": "leakage", "value": 0.1 * epoch}
        for epoch in (0, 2, 4)
    ]
    text = everything(analyse(measurements(rows), design(["a"], (0, 2, 4))))
    assert "the values have no n, so they cannot be tested" in text


def test_several_seeds_with_holes() -> None:
    rows = [leakage_row("a", 0, 1, seed=1), leakage_row("a", 2, 90, seed=2)]
    text = everything(analyse(measurements(rows), design(["a"], (0, 2), (1, 2))))
    assert "0/2" in text


def test_unsorted_epochs_are_the_same_experiment() -> None:
    rows = [leakage_row("a", epoch, 10 * epoch) for epoch in (10, 2, 0, 4)]
    one = analyse(measurements(rows), design(["a"], (10, 2, 0, 4)))
    two = analyse(measurements(rows[::-1]), design(["a"], (0, 2, 4, 10)))
    assert one.sources == two.sources
    assert one.sources[0].leakage.final == 0.5


def test_cells_outside_the_plan_do_not_enter() -> None:
    rows = [leakage_row("a", 0, 10), leakage_row("a", 2, 20), leakage_row("a", 99, 190)]
    analysis = analyse(measurements(rows), design(["a"], (0, 2)))
    assert analysis.sources[0].leakage.peak == 0.1


def test_a_plan_with_nothing_in_it_is_refused() -> None:
    with pytest.raises(DesignError, match="no sources"):
        design([], (0, 2))
    with pytest.raises(DesignError, match="no epochs"):
        design(["a"], ())
    with pytest.raises(DesignError, match="named twice"):
        design(["a", "a"], (0,))
    with pytest.raises(DesignError, match="both target and source"):
        Design((Persona("assistant", "Assistant"),), (0,))
    with pytest.raises(DesignError, match="no sources"):
        design_of(measurements([]))


def test_a_plan_is_read_off_a_table() -> None:
    rows = [
        leakage_row("villain", 2, 3, seed=7),
        leakage_row("nurse", 0, 3, seed=8, persona="monk"),
        cosine_row("villain", 0, 0.5, seed=7),
    ]
    plan = design_of(measurements(rows))
    assert [one.label for one in plan.sources] == ["Nurse", "Villain"]
    assert (plan.epochs, plan.seeds) == ((0, 2), (7, 8))
    assert [one.key for one in plan.personas] == ["monk", "assistant"]


def test_questions_widen_wilson_only_where_they_are_of_the_same_completions() -> None:
    asked = {"question_hits": "10 10 10 10 10 0 0 0 0 0"}
    plan = design(["a"], (0, 2))
    frame = measurements([leakage_row("a", 0, 50, 100) | asked, leakage_row("a", 2, 60, 100)])
    with_them = analyse(frame, plan).sources[0].leakage.points
    assert [point.interval.method for point in with_them if point.interval] == [
        "Wilson over 10 questions",
        "Wilson",
    ]
    other = measurements([leakage_row("a", 0, 51, 100) | asked, leakage_row("a", 2, 60, 100)])
    [first, _] = analyse(other, plan).sources[0].leakage.points
    assert first.interval is not None and first.interval.method == "Wilson"
