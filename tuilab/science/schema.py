"""What a measurement row may say: columns, metrics, statuses, and the error that lists problems."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tuilab.grid.text import count_of

COLUMNS: Final[Mapping[str, str]] = {
    "source": "string",
    "epoch": "Int64",
    "seed": "Int64",
    "metric": "string",
    "persona": "string",
    "value": "float64",
    "hits": "Int64",
    "n": "Int64",
    "layer": "Int64",
    "pool": "string",
    "model_state": "string",
    "status": "string",
    "reason": "string",
    "edits": "string",
}
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

MODEL_STATES: Final = ("base", "converged", "marked")
"""Which model a hidden state was read from: untouched, after convergence, after marker training."""

TARGET: Final = "assistant"
"""The persona whose leakage is the headline, unless a design names another."""


@dataclass(frozen=True, slots=True)
class Metric:
    """The range a metric's values must lie in."""

    low: float
    """Smallest possible value."""
    high: float
    """Largest possible value, in the unit of the frame (1 for a rate)."""
    is_rate: bool = False
    """A share of completions: 0 to 1, may carry hits and n, shown in percent."""


METRICS: Final[Mapping[str, Metric]] = {
    "leakage": Metric(0.0, 1.0, is_rate=True),
    "eos_rate": Metric(0.0, 1.0, is_rate=True),
    "cut_rate": Metric(0.0, 1.0, is_rate=True),
    "repeat_rate": Metric(0.0, 1.0, is_rate=True),
    "accuracy": Metric(0.0, 1.0, is_rate=True),
    "judge_score": Metric(0.0, 100.0),
    "cosine": Metric(-1.0, 1.0),
    "minutes": Metric(0.0, float("inf")),
}
"""Every metric a frame may hold. A source rate is ``leakage`` of the source persona itself."""


@dataclass(frozen=True, slots=True)
class Problem:
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

    def __init__(self, problems: Sequence[Problem]) -> None:
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
