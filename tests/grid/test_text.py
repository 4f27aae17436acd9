"""Numbers for people: rounded half up, in one form each, n/a where there is none."""

from __future__ import annotations

import math
from datetime import datetime

import pytest

from tuilab.grid.text import (
    ago,
    clock,
    count_of,
    decimal,
    duration,
    gibibytes,
    half_up,
    moment,
    percent_text,
    points,
    signed,
    size,
    whole_percent,
)


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


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "n/a"),
        (math.inf, "n/a"),
        (0.0, "0s"),
        (0.31, "0.3s"),
        (0.97, "1s"),
        (41.4, "41s"),
        (59.6, "1m00s"),
        (200, "3m20s"),
        (8040, "2h14m"),
        (86_399.7, "1d0h"),
        (273_600, "3d4h"),
        (4e9, "over 100 years"),
        (1e300, "over 100 years"),
    ],
)
def test_a_duration_is_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_an_age_is_a_duration_ago() -> None:
    assert [ago(seconds) for seconds in (None, 0.4, 192)] == ["never", "just now", "3m12s ago"]


def test_bytes_have_a_decimal_below_ten() -> None:
    shown = [size(count) for count in (None, 0, 999, 1500, 9_960, 999_600, 47.7e9, 1.5e12)]
    assert shown == ["n/a", "0 B", "999 B", "1.5 kB", "10 kB", "1.0 MB", "48 GB", "1.5 TB"]
    shown = [gibibytes(count) for count in (None, 9.94 * 2**30, 9.96 * 2**30, 140 * 2**30)]
    assert shown == ["n/a", "9.9", "10", "140"]


def test_counts_agree_with_their_nouns() -> None:
    assert [count_of(n, "job") for n in (0, 1, 2)] == ["0 jobs", "1 job", "2 jobs"]
    assert [count_of(n, "cell waits", "cells wait") for n in (1, 2)] == [
        "1 cell waits",
        "2 cells wait",
    ]


def test_progress_is_100_percent_at_the_end_only() -> None:
    assert [whole_percent(p) for p in (None, 0.0, 62.7, 99.9, 100)] == [
        "",
        "0%",
        "62%",
        "99%",
        "100%",
    ]


def test_signed_numbers_differences_and_narrow_decimals() -> None:
    assert [signed(value) for value in (0.0155, -0.2, None)] == ["+0.016", "-0.200", "n/a"]
    assert [points(change) for change in (-0.22, 0.0, None)] == ["-22.0 pp", "+0.0 pp", "n/a"]
    shown = [decimal(value) for value in (0.914, -0.36, 1.0, 10.5, None, math.nan)]
    assert shown == [".91", "-.36", "1.00", "10.50", "n/a", "n/a"]
    assert decimal(0.05, 2, "+") == "+.05"


def test_an_end_that_is_days_away_has_its_date() -> None:
    now = datetime(2026, 3, 1, 22, 0).timestamp()
    assert moment(now + 5 * 3600, now) == "03:00"
    assert moment(now + 13 * 86400, now) == "2026-03-14 22:00"


@pytest.mark.parametrize("at", [1e308, -1e308, 1e18])
def test_a_time_that_no_calendar_has_is_said_so(at: float) -> None:
    assert clock(at) == "--:--:--"
    assert moment(at, 0.0) == "a time beyond the calendar"
    assert (clock(None), len(clock(0.0))) == ("--:--:--", 8)
