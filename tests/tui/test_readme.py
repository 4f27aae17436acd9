"""The README's keys are the live ones; ``make picture`` writes them."""

from __future__ import annotations

from tests.tui.readme import README, keys_table, with_keys


def test_the_keys_in_the_readme_are_the_live_ones() -> None:
    text = README.read_text(encoding="utf-8")
    assert keys_table() in text, "run `make picture`"
    assert with_keys(text) == text
