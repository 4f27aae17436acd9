"""Names cells and reads the selectors people type: villain@10, *@0, villain/B0@10#42."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tuilab.grid.lines import fits

_SELECTOR = re.compile(
    r"(?P<source>[^@#]*)(?:@(?P<epoch>[^@#,]*))?(?:#(?P<seed>[^@#,]*))?(?P<levels>,[^@#]*)?"
)


class SelectorError(ValueError):
    """A selector that names no cell; its text says what would."""


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One place of the grid."""

    source: str
    """Persona key, or the name of a line that is in another arm or at other levels of axes."""
    epoch: int
    """Convergence epoch of the checkpoint; 0 is the untouched base."""
    seed: int
    """Training seed."""

    def __str__(self) -> str:
        return f"{self.source}@{self.epoch}#{self.seed}"


def select(text: str, cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells a selector names, in grid order; SelectorError when there is none.

    ``*`` or a missing part matches all: ``villain``, ``villain@*``, ``*@0``, ``villain@10#42``.
    Arm and levels may stand behind the source or at the end: ``villain/B0@4#42,marker.lr=1e-5``;
    alone they mean every source: ``/B0@4``.
    """
    match = _SELECTOR.fullmatch(text.strip())
    if match is None:
        raise SelectorError(f"{text!r} is not a selector: write villain@10, villain@*, *@0")
    source, epoch, seed = match["source"] + (match["levels"] or ""), match["epoch"], match["seed"]
    chosen = {line: fits(source, line) for line in {cell.source for cell in cells}}
    found = [
        cell
        for cell in cells
        if chosen[cell.source]
        and epoch in (None, "", "*", str(cell.epoch))
        and seed in (None, "", "*", str(cell.seed))
    ]
    if not found:
        from tuilab.grid.text import nearest  # difflib costs what `tuilab status` may not

        is_known = source.rpartition("/")[2] in chosen or source in chosen  # a job's id has one too
        near = "" if is_known else nearest(source, chosen)
        raise SelectorError(f"{text!r} names no cell of this grid ({_what_exists(cells)}){near}")
    return found


def select_all(texts: Iterable[str], cells: Sequence[Cell]) -> list[Cell]:
    """Return the union of several selectors in grid order; all cells when there is none."""
    wanted = {cell for text in texts for cell in select(text, cells)}
    return [cell for cell in cells if cell in wanted] if wanted else list(cells)


def _what_exists(cells: Sequence[Cell]) -> str:
    sources = list(dict.fromkeys(cell.source for cell in cells))
    epochs = sorted({cell.epoch for cell in cells})
    seeds = sorted({cell.seed for cell in cells})
    shown = ", ".join(sources[:8]) + (", ..." if len(sources) > 8 else "")
    return f"sources {shown}; epochs {_span(epochs)}; seeds {_span(seeds)}"


def _span(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:12])) + (", ..." if len(numbers) > 12 else "")
