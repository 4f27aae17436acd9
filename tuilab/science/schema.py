"""What a measurement row may say: columns, metrics, statuses, and the error that lists problems."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tuilab.grid import metrics
from tuilab.grid.text import count_of

_DTYPES = {str: "string", int: "Int64", float: "float64"}
COLUMNS: Final[Mapping[str, str]] = {name: _DTYPES[kind] for name, kind in metrics.COLUMNS.items()}
"""Column of a measurements frame -> pandas dtype. One row is one measured (or missing) value."""

KEY: Final = (
    "source",
    "epoch",
    "seed",
    "metric",
    "persona",
    "layer",
    "pool",
    "model_state",
)
"""The columns that together name one value; no two rows may share them."""

STATUSES: Final = ("measured", "missing", "failed", "suspect", "stale", "edited")
"""Only ``measured`` enters an aggregate; the last three are shown, marked and kept out."""

TARGET: Final = "assistant"
"""The persona whose leakage is the headline, unless a design names another."""


@dataclass(frozen=True, slots=True)
class RowProblem:
    """One thing wrong with one row of a table."""

    row: int
    """Row number as counted by whoever supplied the table; 0 when the whole table is meant."""
    column: str
    """Column name, or "" when the row as a whole is meant."""
    message: str
    """What is wrong and what would be right, without a final full stop."""

    def __str__(self) -> str:
        """Place first, then the message: ``row 4, value: ...``."""
        place = [f"row {self.row}"] * (self.row > 0) + [self.column] * bool(self.column)
        return f"{', '.join(place)}: {self.message}" if place else self.message


class MeasurementsError(ValueError):
    """A table is no measurements frame; ``problems`` lists everything wrong with it at once."""

    def __init__(self, problems: Sequence[RowProblem]) -> None:
        """Keep the problems in row order and say the first twenty of them."""
        self.problems = tuple(sorted(problems, key=lambda problem: problem.row))
        shown = [str(problem) for problem in self.problems[:20]]
        if len(self.problems) > len(shown):
            shown.append(f"and {len(self.problems) - len(shown)} more")
        super().__init__(
            f"{count_of(len(self.problems), 'problem')} in the measurements: "
            + "; ".join(shown)
            + "."
        )
