"""Says which cells and sources are kept out of numbers because they ran with edits."""

from collections.abc import Sequence

import pandas as pd

from tuilab.grid.edits import LEGEND, listed
from tuilab.grid.signs import ACCEPTED, KEPT
from tuilab.grid.text import count_of
from tuilab.science.analysis import Analysis, SourceResult


def why_odd(result: SourceResult) -> str:
    """Say in one clause why a source is left out of what is said of several."""
    return f"left out: it ran with {result.edits}, unlike the other sources"


def left_out_note(named: Sequence[tuple[str, str]]) -> str:
    """Name what is left out by its edits, to go at a sentence's end; "" for none."""
    return f"; left out because their settings differ: {listed(named)}" if named else ""


def odd_note(results: Sequence[SourceResult], odd: frozenset[str]) -> str:
    """Name the sources left out, to go at a sentence's end; "" for none."""
    return left_out_note(
        [(one.source.label, one.edits) for one in results if one.source.key in odd]
    )


def cells_set_aside(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Return name and edits of every cell that is kept out of the numbers, in the frame's order."""
    rows = frame[frame["status"] == "edited"][["source", "epoch", "seed", "edits"]]
    cells = rows.itertuples(index=False, name=None)
    found = {f"{source}@{epoch}#{seed}": str(edits) for source, epoch, seed, edits in cells}
    return list(found.items())


def edits_notes(analysis: Analysis, mark: str = "") -> list[str]:
    """Say which cells ran unlike the config, what became of them, and which count though stale."""
    notes = []
    lead = f"{mark} " if mark else ""
    if aside := cells_set_aside(analysis.frame):
        verb = "is" if len(aside) == 1 else "are"
        notes.append(
            f"{lead}{count_of(len(aside), 'cell')} {LEGEND} and {verb} kept out of every number:"
            f" {listed(aside)}"
        )
    throughout = [(one.source.label, one.edits) for one in analysis.sources if one.edits]
    if throughout:
        notes.append(f"{lead}whole sources {LEGEND}: {listed(throughout)}")
    if kept := [named for one in analysis.sources for named in one.accepted]:
        verb = "is" if len(kept) == 1 else "are"
        lead = f"{ACCEPTED} " if mark else ""
        notes.append(f"{lead}{count_of(len(kept), 'cell')} {verb} {KEPT}: {listed(kept)}")
    return notes
