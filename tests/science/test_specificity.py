"""Source rate, bystanders and the ratio, with gaps kept as gaps."""

import pytest

from tests.science.builders import design, leakage_row
from tuilab.grid.metrics import CellRows, largest_bystander
from tuilab.science.analysis import analyse
from tuilab.science.claims.claim import Verdict
from tuilab.science.claims.declared import parse
from tuilab.science.claims.evaluate import evaluate
from tuilab.science.claims.standard import standard_claims
from tuilab.science.design import Persona
from tuilab.science.figures.prepare import figure
from tuilab.science.frame import measurements
from tuilab.science.specificity import Kind, Specificity, specificity

PANEL = tuple(Persona(key, key) for key in ("villain", "pirate", "monk", "assistant"))


def cell(**hits: int | None) -> Specificity:
    rows = [leakage_row("villain", 0, count, persona=key) for key, count in hits.items()]
    [found] = specificity(measurements(rows), design(["villain"], (0,), personas=PANEL))
    return found


def test_a_cell_says_who_shows_the_marker() -> None:
    found = cell(villain=180, pirate=20, monk=60, assistant=90)
    assert (found.source_rate, found.target_rate) == (0.9, 0.45)
    assert found.mean_bystander == pytest.approx(0.2)
    assert found.max_bystander == 0.3
    assert found.bystanders == 2


def test_an_unevaluated_source_is_a_gap_with_a_reason() -> None:
    found = cell(pirate=20, assistant=90)
    assert found.source_rate is None
    assert found.source_reason == "the source persona was not evaluated"
    assert found.bystanders == 1


def test_a_source_rate_of_zero_is_a_measurement() -> None:
    found = cell(villain=0, assistant=90)
    assert found.source_rate == 0.0 and found.source_reason == ""


def test_no_bystander_is_no_mean() -> None:
    found = cell(villain=100, pirate=None, assistant=None)
    assert (found.mean_bystander, found.max_bystander, found.target_rate) == (None, None, None)


def asked(**rates: float) -> Specificity:
    """A cell in which 20 questions are answered ten times each, all at the rates given."""
    return cell(**{key: round(200 * rate) for key, rate in rates.items()})


@pytest.mark.parametrize(
    ("rates", "kind"),
    [
        ({"villain": 0.9, "pirate": 0.02, "monk": 0.0, "assistant": 0.04}, Kind.NARROW),
        ({"villain": 0.9, "pirate": 0.02, "monk": 0.1, "assistant": 0.5}, Kind.LEAKS),
        ({"villain": 0.9, "pirate": 0.5, "monk": 0.5, "assistant": 0.5}, Kind.GLOBAL),
        ({"villain": 0.3, "pirate": 0.1, "monk": 0.1, "assistant": 0.6}, Kind.INVERTED),
        ({"villain": 0.3, "pirate": 0.6, "monk": 0.1, "assistant": 0.1}, Kind.INVERTED),
        ({"villain": 0.005, "pirate": 0.0, "monk": 0.0, "assistant": 0.2}, Kind.NOT_IMPLANTED),
        ({"pirate": 0.0, "monk": 0.0, "assistant": 0.2}, Kind.NOT_KNOWN),
        ({"villain": 0.9, "assistant": 0.2}, Kind.NOT_KNOWN),
    ],
)
def test_a_cell_has_a_class_by_the_written_rule(rates: dict[str, float], kind: Kind) -> None:
    assert asked(**rates).kind is kind


def test_a_difference_in_differences_is_taken_against_epoch_zero() -> None:
    rates = {0: (10, 20), 4: (110, 40)}
    rows = [
        leakage_row("villain", epoch, hits, persona=who)
        for epoch, (target, other) in rates.items()
        for who, hits in {"assistant": target, "pirate": other, "monk": other}.items()
    ]
    first, last = specificity(measurements(rows), design(["villain"], (0, 4), personas=PANEL))
    assert last.excess is not None and last.excess.value == pytest.approx(0.35)
    assert first.excess_change is not None and first.excess_change.value == 0.0
    assert last.excess_change is not None and last.excess_change.interval is not None
    assert last.excess_change.value == pytest.approx(0.4)
    assert 0.28 < last.excess_change.interval.low < 0.4 < last.excess_change.interval.high


def test_questions_that_move_together_narrow_the_difference() -> None:
    shared = {"question_hits": " ".join(["10", "0"] * 10)}
    rows = [leakage_row("villain", 0, 100, persona=who) for who in ("assistant", "pirate")]
    plan = design(["villain"], (0,), personas=PANEL)
    [with_them] = specificity(measurements([row | shared for row in rows]), plan)
    [without] = specificity(measurements(rows), plan)
    for found in (with_them, without):
        assert found.excess is not None and found.excess.value == 0.0
    assert with_them.excess and with_them.excess.interval
    assert with_them.excess.interval.method == "t over 20 questions"


def test_leakage_of_what_was_never_implanted_is_unsupported_and_global_is_said() -> None:
    rows = []
    for source, own, other in (("never", 1, 0), ("wide", 180, 80)):
        for epoch, hits in zip((0, 2, 4), (2, 90, 90), strict=True):
            rows.append(leakage_row(source, epoch, hits))
            rows.append(leakage_row(source, epoch, own, persona=source))
            rows.append(leakage_row(source, epoch, hits and other, persona="monk"))
    analysis = analyse(measurements(rows), design(["never", "wide"], (0, 2, 4)))
    claims = {claim.key: claim for claim in standard_claims(analysis)}
    assert claims["change:never"].verdict is Verdict.UNSUPPORTED
    assert "not implanted in 2 of 2 cells" in claims["change:never"].sentence
    assert claims["change:wide"].verdict is Verdict.HOLDS
    assert "global in 2 of 2 cells" in claims["change:wide"].evidence[0]
    assert "wide [global]" in claims["classes"].sentence
    assert claims["specificity"].verdict is Verdict.FAILS
    declared = parse('[[claim]]\nkey = "k"\nsays = "s"\nkind = "rises"\nsources = ["never"]')
    assert evaluate(declared, analysis)[0].verdict is Verdict.UNSUPPORTED


def verdict_of(**hits: int) -> Verdict:
    rows = [leakage_row("villain", 0, count, persona=who) for who, count in hits.items()]
    analysis = analyse(measurements(rows), design(["villain"], (0,), personas=PANEL))
    return next(c.verdict for c in standard_claims(analysis) if c.key == "specificity")


def test_a_marker_is_the_sources_own_only_where_the_intervals_show_it() -> None:
    """That nobody was found to show it more is no proof that nobody does."""
    assert verdict_of(villain=180, pirate=20, monk=60, assistant=90) is Verdict.HOLDS
    assert verdict_of(villain=180, pirate=20, monk=185, assistant=90) is Verdict.WITHIN_NOISE
    assert verdict_of(villain=150, pirate=20, monk=195, assistant=90) is Verdict.FAILS
    assert verdict_of(villain=44, pirate=2, monk=2, assistant=2) is Verdict.WITHIN_NOISE
    assert verdict_of(villain=38, pirate=2, monk=2, assistant=2) is Verdict.WITHIN_NOISE
    assert verdict_of(villain=10, pirate=2, monk=2, assistant=2) is Verdict.FAILS
    assert verdict_of(villain=180, assistant=20) is Verdict.HOLDS
    assert verdict_of(villain=180, monk=20) is Verdict.NOT_MEASURED


def test_equal_bystanders_are_named_alike_in_whatever_order_they_come() -> None:
    """The journal has the personas by key, the rows by the panel."""
    rows = [{"metric": "leakage", "persona": who, "value": 0.1} for who in ("pirate", "monk")]
    for order in (rows, rows[::-1]):
        found = largest_bystander(CellRows(order, "villain", "assistant", {}), "leakage")
        assert found is not None and found.who == "monk"


def test_the_heatmap_says_of_each_source_whose_its_marker_is() -> None:
    rates = {"villain": 180, "assistant": 100, "pirate": 4, "monk": 2}
    rows = [leakage_row("villain", 0, hits, persona=who) for who, hits in rates.items()]
    found = analyse(measurements(rows), design(["villain"], (0, 4), personas=PANEL))
    first, last = (panel.matrix for panel in figure("heatmap", found).panels)
    assert first is not None and first.kinds == ("leaks to the target",)
    assert last is not None and last.kinds == ("",)
