"""Filters as people type them."""

from __future__ import annotations

import pytest

from tuilab.tui.present.filters import FilterError, parse_filter


def test_filters_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(FilterError, match="not a comparison"):
        parse_filter("epoch>>3")
    assert not parse_filter("  ")
