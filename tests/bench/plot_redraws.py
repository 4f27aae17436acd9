"""``python -m tests.bench.plot_redraws``: by how many MB 200 redraws grow the process."""

from __future__ import annotations

import gc
import sys

import psutil

from tests.tui.present.figures.test_plot import figure_of, heat_of, scatter_of
from tuilab.tui.present.figures.look import Look, Spot
from tuilab.tui.present.figures.plot import figure_pieces

MOST_MB = 10.0


def draw(times: int) -> None:
    """Draw new figures of every kind of panel, as fresh numbers would bring them."""
    values = [[float((7 * n + 13 * k) % 100) for n in range(11)] for k in range(7)]
    for number in range(times):
        figure = (
            figure_of(*values),
            scatter_of([(float(10 * k), float(9 * k)) for k in range(9)]),
            heat_of(11, 12),
        )[number % 3]
        look = Look(f"s{number % 7}", Spot(0, number % 7, 0), with_intervals=number % 2 == 0)
        figure_pieces(figure, 140, 40, look)


def growth(times: int = 200) -> float:
    """MB by which the resident memory grows after a warm-up."""
    draw(60)
    gc.collect()
    before = psutil.Process().memory_info().rss
    draw(times)
    gc.collect()
    return (psutil.Process().memory_info().rss - before) / 1e6


if __name__ == "__main__":
    grown = growth()
    print(f"200 plot redraws: {grown:.1f} MB (at most {MOST_MB:g})")
    sys.exit(grown >= MOST_MB)
