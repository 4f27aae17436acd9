"""What is said under the grid."""

from __future__ import annotations

import pytest

from tuilab.tui.present.grid_view import spread_words


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.06, 0.96], "mean 51% over 2 of 3 seeds, 6% to 96%, sd 64 points"),
        ([0.06], "mean 6% over 1 of 3 seeds, spread n/a"),
        ([], "n/a: none of 3 seeds is measured"),
    ],
)
def test_the_spread_is_told_with_n(values: list[float], said: str) -> None:
    assert spread_words(values, 3, "assistant_leakage") == said
