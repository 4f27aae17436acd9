"""Sparklines and bars."""

from __future__ import annotations

import math

import pytest

from tuilab.tui.present.glyphs import ASCII, UNICODE
from tuilab.tui.present.spark import bars, sparkline


@pytest.mark.parametrize("values", [[], [None], [0.5], [math.nan, 0.2], [math.inf, None, -1.0]])
def test_trends_bear_whatever_comes(values: list[float | None]) -> None:
    for glyphs in (UNICODE, ASCII):
        assert len(sparkline(values, 10, "assistant_leakage", glyphs)) <= 10
        assert len(bars(values, 5, 5, 12, "minutes", glyphs)) == 5
