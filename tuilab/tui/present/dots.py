"""Draws lines out of the dots of braille signs, two across and four down in each."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator

ACROSS, DOWN = 2, 4
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))

Point = tuple[float, float]
Place = tuple[int, int]
"""Column and row, from the top left, of a dot or of a sign."""


def point(x: float, y: float | None) -> Point | None:
    """Return a point where there is one to draw, else the gap."""
    return (x, y) if y is not None and math.isfinite(y) and math.isfinite(x) else None


def dot_at(point: Point, x_range: Point, y_range: Point, size: Place) -> Place:
    """Dot on which a point lies in ``size`` signs; the middle one where both ends are one."""
    columns, lines = size
    tall = lines * DOWN
    return _share(point[0], x_range, columns * ACROSS), tall - 1 - _share(point[1], y_range, tall)


def _share(value: float, ends: Point, dots: int) -> int:
    low, high = ends
    if high <= low:
        return (dots - 1) // 2
    return math.floor(0.5 + round((dots - 1) * (value - low) / (high - low), 8))


def runs(points: Iterable[Point | None]) -> Iterator[list[Point]]:
    """Split at gaps: a line never bridges what was not measured."""
    run: list[Point] = []
    for point in itertools.chain(points, [None]):
        if point is not None:
            run.append(point)
        elif run:
            yield run
            run = []


def line(dots: list[Place]) -> set[Place]:
    """Join dots by straight lines."""
    found = set(dots[:1])
    for (x, y), (to_x, to_y) in itertools.pairwise(dots):
        steps = max(abs(to_x - x), abs(to_y - y), 1)
        found |= {
            (round(x + (to_x - x) * step / steps), round(y + (to_y - y) * step / steps))
            for step in range(steps + 1)
        }
    return found


def signs(dots: Iterable[Place], instead: str = "") -> dict[Place, str]:
    """Every sign that holds a dot; ``instead`` is what terminals without braille show."""
    bits: dict[Place, int] = defaultdict(int)
    for x, y in dots:
        bits[x // ACROSS, y // DOWN] |= _BITS[y % DOWN][x % ACROSS]
    return {place: instead or chr(0x2800 + found) for place, found in bits.items()}
