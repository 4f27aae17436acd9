"""Filters as people type them."""

from __future__ import annotations

import pytest

from tuilab.grid.states import State
from tuilab.tui.present.filters import FilterError, name_text, parse_filter


def test_filters_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(FilterError, match="not a comparison"):
        parse_filter("epoch>>3")
    assert not parse_filter("  ")


def test_the_beginning_of_a_state_is_one_unless_a_source_has_it_in_its_name() -> None:
    names = [name_text("nurse", "Nurse"), name_text("stoic", "Stoic")]
    assert parse_filter("fa", names=names).states == {State.FAILED}
    assert parse_filter("sto", names=names).words == ("sto",)
    assert parse_filter("zzz", names=names).words == ("zzz",)
