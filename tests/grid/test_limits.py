"""Times to come, and money."""

from __future__ import annotations

from datetime import datetime

import pytest

from tuilab.grid.limits import NO_LIMIT, Limit, LimitError, Price, parse_until

NOW = datetime(2026, 3, 1, 22, 30).timestamp()


@pytest.mark.parametrize(
    ("text", "day", "hour", "minute"),
    [
        ("06:00", 2, 6, 0),
        ("23:15", 1, 23, 15),
        ("22:30", 2, 22, 30),
        ("1h30m", 2, 0, 0),
        ("2026-03-03 07:05", 3, 7, 5),
    ],
)
def test_a_time_is_the_next_one(text: str, day: int, hour: int, minute: int) -> None:
    assert parse_until(text, NOW) == datetime(2026, 3, day, hour, minute).timestamp()


@pytest.mark.parametrize("text", ["", "6", "25:00", "soon", "2026-02-01", "0m"])
def test_what_is_no_time_to_come_is_refused(text: str) -> None:
    with pytest.raises(LimitError):
        parse_until(text, NOW)


def test_a_limit_says_itself() -> None:
    assert not NO_LIMIT and NO_LIMIT.said(NOW) == ""
    assert Limit(gpu_seconds=9000.0).said(NOW) == "2.50 GPU hours"
    until = datetime(2031, 1, 2, 6).timestamp()
    assert Limit(until).said(NOW) == "until 2031-01-02 06:00"
    assert Limit(until).said(until - 3600) == "until 06:00"


def test_a_price_is_written_with_its_currency() -> None:
    assert Price(2.5).of(1800) == "$1.25"
    assert Price(2.5, "EUR").of(36000) == "EUR 25.00"
