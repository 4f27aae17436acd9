"""The card of an uploaded model: what it is, what was measured, how it was made."""

from __future__ import annotations

from tuilab.grid.cells import Cell
from tuilab.grid.metrics import HEADLINE, Measurement
from tuilab.report.model_card import as_text
from tuilab.report.run_card import Field

CARD = [Field("Model", "Base model", "org/base"), Field("Model", "Base revision", "abc")]


def test_a_card_names_base_cell_numbers_and_how_it_was_made() -> None:
    numbers = {HEADLINE: Measurement(0.5, 5, 10)}
    text = as_text(
        "grid", Cell("villain", 4, 42), "Villain", "org/base", numbers, CARD, False, False
    )
    assert "base_model: org/base\nbase_model_relation: finetune" in text
    assert "# grid: Villain, epoch 4, seed 42" in text
    assert "(5/10)" in text and "| Base revision | abc |" in text
    assert "synthetic" not in text


def test_a_card_of_a_base_without_a_hub_names_none_and_says_that_it_is_synthetic() -> None:
    text = as_text("grid", Cell("villain", 0, 42), "Villain", "tiny", {}, CARD, True, True)
    assert "base_model" not in text and "library_name: peft" in text
    assert "Nothing was measured." in text and "The base is synthetic" in text
