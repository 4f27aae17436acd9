"""Small plots of one series."""

from __future__ import annotations

import math

import pytest

from tuilab.tui.present.glyphs import ASCII, UNICODE
from tuilab.tui.present.small_plot import charted, small_plot
from tuilab.tui.present.styled_text import plain


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(1.0, None)],
        [(1.0, 2.0)],
        [(1.0, math.nan), (2.0, 1.0)],
        [(1.0, 5.0), (2.0, 5.0)],
        [(0.0, -1e300), (1.0, 1e300)],
        [(1.0, math.inf)],
    ],
)
def test_small_plots_bear_whatever_comes(points: list[tuple[float, float | None]]) -> None:
    for rows in (1, 2, 3, 12):
        assert len(small_plot("loss", points, 60, rows, UNICODE)) == rows
        small_plot("loss", points, 3, rows, ASCII)


def test_a_loss_over_decades_has_a_log_axis_and_names_its_steps() -> None:
    falling = [(float(n), 100.0 * 0.5**n) for n in range(20)]
    lines = [plain(line) for line in small_plot("loss", falling, 60, 8, UNICODE)]
    assert "log axis" in lines[0]
    assert lines[-1].split() == ["step", "0", "19"]
    heights = [{row for row, line in enumerate(lines[1:-1]) if line[9 + x : 10 + x].strip()}
               for x in range(50)]  # fmt: skip
    assert len(set(map(min, filter(None, heights)))) == 6, "it falls evenly, row by row"
    assert "log" not in plain(small_plot("lr", falling, 60, 8, UNICODE)[0])


def test_a_chart_says_its_unit_and_what_only_counts_has_none() -> None:
    assert "3 steps/s" in plain(small_plot("rate", [(1.0, 3.0)], 60, 8, UNICODE)[0])
    assert charted(["lr", "epoch", "loss", "zeal"]) == ["loss", "lr", "zeal"]


def test_a_metric_that_falls_over_decades_is_drawn_on_a_logarithmic_axis() -> None:
    points: list[tuple[float, float | None]] = [(n, 10.0 ** -(n / 10)) for n in range(41)]
    lines = [plain(line) for line in small_plot("loss", points, 60, 12, UNICODE)]
    assert "log axis" in lines[0]
    assert lines[-1].split() == ["step", "0", "40"]
    halves = [line[10:].rstrip() for line in lines[1:-1]]
    assert all(len(line) for line in halves)  # a straight line, not a corner
    assert "log axis" not in plain(small_plot("rate", [(0, 3.0), (1, 4.0)], 60, 6, UNICODE)[0])
    assert "4 steps/s" in plain(small_plot("rate", [(0, 3.0), (1, 4.0)], 60, 6, UNICODE)[0])
