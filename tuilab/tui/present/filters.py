"""Reads the filter people type: states, names and comparisons such as ``epoch>=10``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from tuilab.grid.lines import parts_of
from tuilab.grid.metrics import METRICS
from tuilab.grid.states import State
from tuilab.store.snapshot import CellView

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    "==": operator.eq,
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}
_SIGN_AND_NUMBER = r"(>=|<=|!=|==|=|>|<)(-?(?:\d+(?:\.\d*)?|\.\d+))%?"
_LEVEL = re.compile(r"[a-z_]+(?:\.[a-z_]+)+=[^<>=]+")
EXAMPLES = "failed   villain   epoch>=10   leakage>50   cosine<0.5   #tag"


class FilterError(ValueError):
    """A filter that cannot be read; its text says what would be."""


class Comparison(NamedTuple):
    """One ``field operator number``."""

    field: str
    """epoch, seed, attempt or the key of a metric."""
    sign: str
    number: float

    def holds(self, value: float | None) -> bool:
        """Whether a value satisfies it; a missing value never does."""
        return value is not None and _OPERATORS[self.sign](value, self.number)


@dataclass(frozen=True, slots=True)
class Filter:
    """What is to be seen: all parts must hold."""

    words: tuple[str, ...] = ()
    """Parts of a label or key, lower case, or levels of an axis; each must be found."""
    states: frozenset[State] = frozenset()
    """Any of these; empty = any state."""
    comparisons: tuple[Comparison, ...] = ()
    tags: frozenset[str] = frozenset()
    """Beginnings of tags, all of which a cell has; an empty one stands for any note or tag."""
    text: str = ""
    """What was typed."""

    def __bool__(self) -> bool:
        return bool(self.words or self.states or self.comparisons or self.tags)

    def names(self, key: str, label: str) -> bool:
        """Whether a source is among those named."""
        text = name_text(key, label)
        return all(word in text for word in self.words)

    def has_epoch(self, epoch: int) -> bool:
        """Whether an epoch's column is to be seen."""
        return all(c.holds(epoch) for c in self.comparisons if c.field == "epoch")

    def wants(self, view: CellView) -> bool:
        """Whether one cell is meant, its name and epoch aside."""
        if self.states and view.state not in self.states:
            return False
        if self.tags and not (view.note and self._are_on(view.note.tags)):
            return False
        return all(c.holds(_field(c.field, view)) for c in self.comparisons if c.field != "epoch")

    def _are_on(self, tags: Collection[str]) -> bool:
        return all(not wanted or any(t.startswith(wanted) for t in tags) for wanted in self.tags)


def name_text(key: str, label: str) -> str:
    """What a word of a filter is looked for in."""
    return f"{key}\n{label}".lower()


def parse_filter(
    text: str, metrics: Iterable[str] = METRICS, names: Collection[str] = ()
) -> Filter:
    """Read a filter on numbers of these metrics; FilterError for a comparison that is not one.

    A word that is in none of the ``names`` (see ``name_text``) may be the beginning of a state.
    """
    words: list[str] = []
    states: set[State] = set()
    tags: set[str] = set()
    comparisons: list[Comparison] = []
    keys = {METRICS[key].short: key for key in metrics}
    fields = ("epoch", "seed", "attempt", *keys)
    comparison = re.compile(rf"({'|'.join(map(re.escape, fields))}){_SIGN_AND_NUMBER}")
    for token in text.lower().split():
        if match := comparison.fullmatch(token):
            comparisons.append(Comparison(keys.get(match[1], match[1]), match[2], float(match[3])))
        elif _LEVEL.fullmatch(token):
            words += parts_of(f",{token}")[2]
        elif any(sign in token for sign in "<>="):
            why = f"{token!r} is not a comparison: write epoch>=10, leakage>50 or cosine<0.5"
            raise FilterError(f"{why} ({', '.join(fields)})")
        elif token.startswith("#"):
            tags.add(token[1:])
        elif token in set(State):
            states.add(State(token))
        elif names and not any(token in name for name in names):
            begun = [state for state in State if state.startswith(token)]
            states.update(begun)
            words += [] if begun else [token]
        else:
            words.append(token)
    return Filter(
        tuple(words),
        frozenset(states),
        tuple(comparisons),
        frozenset(tags),
        " ".join(text.split()),
    )


def _field(name: str, view: CellView) -> float | None:
    if name == "seed":
        return view.cell.seed
    if name == "attempt":
        return view.attempt
    value = view.value(name)
    return None if value is None else value * METRICS[name].unit.scale
