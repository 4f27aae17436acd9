"""Sparklines and bars."""

from __future__ import annotations

import pytest

from tuilab.tui.present.glyphs import ASCII, UNICODE
from tuilab.tui.present.spark import bars, sparkline


@pytest.mark.parametrize("values", [[], [None], [0.5], [0.2, None, -1.0]])
def test_trends_bear_whatever_comes(values: list[float | None]) -> None:
    for glyphs in (UNICODE, ASCII):
        assert len(sparkline(values, 10, "assistant_leakage", glyphs)) <= 10
        assert len(bars(values, 5, 5, 12, "minutes", glyphs)) == 5


def test_a_sparkline_takes_the_range_of_its_own_row() -> None:
    [(low, _)] = sparkline([0.01, 0.02, 0.05], 10, "assistant_leakage", UNICODE)
    [(high, _)] = sparkline([0.2, 0.4, 1.0], 10, "assistant_leakage", UNICODE)
    assert low == high


def test_what_is_below_0_hangs_from_the_line_in_a_colour_of_its_own() -> None:
    drawn = sparkline([0.2, -0.2], 10, "cosine", UNICODE)
    assert [role for _, role in drawn] == ["trend", "below hang"]
    assert sparkline([-0.2, 0.2], 10, "cosine", ASCII)[0][1] == "below"


def test_bars_grow_from_0_both_ways() -> None:
    lines = bars([0.5, -0.5], 6, 5, 6, "cosine", UNICODE)
    up = [line[2][0].strip() != "" for line in lines]
    down = [line[5][0].strip() != "" for line in lines]
    assert up == [True, True, True, False, False, False]
    assert down == [False, False, False, True, True, True]
    assert [line[0][0].strip() for line in lines] == [".50", "", ".00", "", "", "-.50"]
