"""Numbers as people read them; they round half up, also where binary noise hides the half."""

from __future__ import annotations

import math

import pytest

from tuilab.grid.text import decimal, duration, half_up, percent_text, size


@pytest.mark.parametrize("half", [0.5, 1.5, 2.5, 12.5, 37.5, 42.5, 57.5, 59.5, 99.5])
def test_every_half_percent_goes_up_as_a_rate_too(half: float) -> None:
    up = math.ceil(half)
    assert (half_up(half), half_up(-half)) == (up, -up)
    assert percent_text(half / 100) == f"{up}%"


def test_all_counts_of_200_round_as_on_paper() -> None:
    for hits in range(201):
        assert percent_text(hits / 200) == f"{(hits + 1) // 2}%"


def test_digits_and_signs_are_kept() -> None:
    assert percent_text(0.4125, 1) == "41.3%"
    assert percent_text(0.41249, 1) == "41.2%"
    assert half_up(-0.0315, 3) == -0.032
    assert str(half_up(-0.04)) == "0.0"
    assert math.isnan(half_up(math.nan)) and half_up(math.inf) == math.inf


def test_numbers_are_written_for_people() -> None:
    assert [duration(s) for s in (None, 3.4, 75, 8040, 900_000)] == [
        "n/a",
        "3s",
        "01:15",
        "2h14",
        "10d10h",
    ]
    assert [size(s) for s in (None, 0, 999, 4096, 15_000_000_000)] == [
        "n/a",
        "0 B",
        "999 B",
        "4.1 kB",
        "15 GB",
    ]
    assert [decimal(v) for v in (0.914, -0.36, 1.0, None)] == [".91", "-.36", "1.00", "n/a"]
