"""Source rate, bystanders and the ratio, with gaps kept as gaps."""

import pytest

from tests.science.builders import design, leakage_row
from tuilab.science.design import Persona
from tuilab.science.frame import measurements
from tuilab.science.specificity import Specificity, specificity

PANEL = tuple(Persona(key, key) for key in ("villain", "pirate", "monk", "assistant"))


def cell(**hits: int | None) -> Specificity:
    rows = [leakage_row("villain", 0, count, persona=key) for key, count in hits.items()]
    [found] = specificity(measurements(rows), design(["villain"], (0,), personas=PANEL))
    return found


def test_a_cell_says_who_shows_the_marker() -> None:
    found = cell(villain=180, pirate=20, monk=60, assistant=90)
    assert (found.source_rate, found.target_rate) == (0.9, 0.45)
    assert found.mean_bystander == pytest.approx(0.2)
    assert (found.max_bystander, found.max_bystander_persona) == (0.3, "monk")
    assert (found.bystanders, found.bystanders_planned) == (2, 2)


def test_an_unevaluated_source_is_a_gap_with_a_reason() -> None:
    found = cell(pirate=20, assistant=90)
    assert found.source_rate is None
    assert found.source_reason == "the source persona was not evaluated"
    assert (found.bystanders, found.bystanders_planned) == (1, 2)


def test_a_source_rate_of_zero_is_a_measurement() -> None:
    found = cell(villain=0, assistant=90)
    assert found.source_rate == 0.0 and found.source_reason == ""


def test_no_bystander_is_no_mean() -> None:
    found = cell(villain=100, pirate=None, assistant=None)
    assert (found.mean_bystander, found.max_bystander, found.target_rate) == (None, None, None)
