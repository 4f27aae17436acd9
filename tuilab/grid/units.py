"""The units that numbers are in: how they are bounded, written and drawn; missing is never zero."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from tuilab.grid.text import MISSING, decimal, half_up, number, rate_digits


@dataclass(frozen=True, slots=True)
class Unit:
    """How numbers of a kind are bounded, written and drawn."""

    low: float = 0.0
    high: float = math.inf
    """Bounds of a possible value."""
    scale: float = 1.0
    """People read and type the value times this: 100 for a rate."""
    sign: str = ""
    """Stands behind every value."""
    change: str = ""
    """Unit of a difference, where that is another."""
    digits: tuple[int, int] = (1, 1)
    """Decimals in a cell of the grid, and where there is room."""
    full: float = 1.0
    """Value at full height or colour, where there is no upper bound."""
    is_diverging: bool = False
    """Whether both signs mean something: written with a sign, coloured from 0 both ways."""

    @property
    def is_rate(self) -> bool:
        """A share of completions: 0 to 1, may carry hits and n, shown in percent."""
        return self == RATE

    def narrow(self, value: float | None) -> str:
        """Write a value in at most four columns: ``73%``, ``-.36``, ``12.3``.

        A sign that is a word stands over the numbers alone: ``44 pp`` has no room for it.
        """
        if value is None:
            return MISSING
        write = decimal if self.is_diverging else number
        text = write(value * self.scale, self.digits[0]) + self.sign * (len(self.sign) == 1)
        return text if len(text) <= 4 else number(min(9999.0, value * self.scale))

    def said(self, value: float | None) -> str:
        """Write a value in a sentence: ``73%``, ``-.36``, ``+44 pp``."""
        return self.difference(value) + self.sign if self == POINTS else self.narrow(value)

    def wide(self, value: float | None, n: int | None = None) -> str:
        """Write a value with the decimals that ``n`` completions bear: ``73.2%``, ``-0.362``."""
        if value is None:
            return MISSING
        text = number(value * self.scale, self._decimals(n), "+" * self.is_diverging)
        return text + self.sign

    def _decimals(self, n: int | None) -> int:
        return rate_digits(n) if self.change else self.digits[1]

    def digits_alone(self, value: float) -> str:
        """Write a value in two or three digits: percent, hundredths, or whole units."""
        whole = int(half_up(abs(value) * (100 / self.high if self.high < math.inf else 1)))
        return f"-{min(whole, 99)}" if value < 0 else str(min(whole, 999))

    def difference(
        self, value: float | None, *, is_wide: bool = False, n: int | None = None
    ) -> str:
        """Write how far two values are apart, in points for a rate: ``+3``, ``-.05``.

        ``n`` completions, the fewer of the two, bear the decimals of a wide one.
        """
        if value is None:
            return MISSING
        write = decimal if self.is_diverging and not is_wide else number
        return write(value * self.scale, self._decimals(n) if is_wide else self.digits[0], "+")

    def axis(self, values: Iterable[float | None] = ()) -> tuple[float, float]:
        """Return (low, high) of an axis: the bounds, or up to the largest of the values."""
        if self.high < math.inf:
            return self.low, self.high
        known = [value for value in values if value is not None and math.isfinite(value)]
        return self.low, max(known, default=self.full) or self.full

    def height(self, value: float) -> float:
        """Return where a value is between the bounds, from 0 to 1."""
        low, high = self.axis()
        return min(1.0, max(0.0, (value - low) / (high - low)))


RATE = Unit(high=1.0, scale=100.0, sign="%", change="percentage points", digits=(0, 1))
COSINE = Unit(low=-1.0, high=1.0, digits=(2, 3), is_diverging=True)
MINUTES = Unit(full=60.0)
POINTS = Unit(-1.0, 1.0, 100.0, " pp", "percentage points", (0, 1), is_diverging=True)
"""The difference of two rates."""
