"""The table of deviations from the published experiment is made of the plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tuilab.grid.jobs import Plan
from tuilab.grid.reference import Difference, as_lines, differences
from tuilab.store.replan import plan_with, read_config

CONFIGS = Path(__file__).parents[2] / "configs"


def plan_of(name: str) -> Plan:
    return plan_with(read_config(CONFIGS / name).config)


@pytest.fixture(scope="module")
def found() -> dict[str, Difference]:
    return {one.what: one for one in differences(plan_of("eps109.toml"))}


def test_what_card_and_code_say_otherwise_is_listed_with_all_three(
    found: dict[str, Difference],
) -> None:
    batch = found["batch x accumulation, marker"]
    assert (batch.here, batch.card, batch.code) == ("4 x 1", "4 x 1", "4 x 4")
    assert found["negatives learn"].here == "the end of turn"
    assert "line break" in found["negatives learn"].code
    assert found["evaluated"].here == "12 personas"
    assert found["dropout, marker"].code == "0.05"
    assert found["cosine pool"].here == "12 personas"
    assert {"convergence learns", "choice of rows", "negative personas"} <= found.keys()


def test_what_is_as_the_card_and_its_code_say_is_not_listed(found: dict[str, Difference]) -> None:
    assert not {"LoRA, marker", "learning rate, marker", "model"} & found.keys()


def test_variants_show_all_their_values_and_cut_answers_are_counted() -> None:
    plan = plan_of("eps109-negatives.toml")
    found = {one.what: one for one in differences(plan, {"data/villain": 3, "data/nurse": 4})}
    assert found["negatives learn"].here == (
        "the end of turn; the line break after the end of turn; nothing"
    )
    assert found["answers cut at the limit"].here == (
        "taught as if they ended there (7 of the answers here)"
    )


def test_an_experiment_of_ones_own_deviates_from_nothing() -> None:
    plan = replace(plan_of("eps109-negatives.toml"), reference=None)
    assert differences(plan) == () and list(as_lines(())) == []
