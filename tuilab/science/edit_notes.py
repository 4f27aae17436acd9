"""Keeps cells that ran with settings of their own out of what is said about others.

The rule, for the measured cells of one source (over its epochs and seeds, rates and cosines each):
all ran with the same edits, then all of them enter; otherwise those with edits get the status
``edited``, which is shown, marked and kept out of every number. What is said of several sources
together leaves out a source whose cells all ran with edits that the other sources' did not.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from tuilab.grid.edits import LEGEND, apart, listed
from tuilab.grid.text import count_of
from tuilab.science.trajectories import Trajectory

if TYPE_CHECKING:
    from tuilab.science.analysis import Analysis, SourceResult

_CELL: Final = ["source", "epoch", "seed"]


def set_aside(frame: pd.DataFrame) -> pd.DataFrame:
    """Give the status ``edited`` to measured rows that must not be put together with the rest."""
    has_edits = frame["edits"].notna() & (frame["status"] == "measured")
    if not has_edits.any():
        return frame
    is_cosine = frame["metric"] == "cosine"
    taken = pd.Series(False, index=frame.index)
    measured = (frame["status"] == "measured") & (frame["metric"] != "minutes")
    for _, rows in frame[measured].groupby([frame["source"], is_cosine], sort=False):
        odd = apart(_ran(rows))
        keys = rows[_CELL].itertuples(index=False, name=None)
        taken.loc[rows.index] = np.array([key in odd for key in keys], dtype=bool)
    if not taken.any():
        return frame
    marked = frame.copy()
    marked.loc[taken, "status"] = "edited"
    said = "ran with " + marked["edits"] + ", unlike the rest of its source"
    marked["reason"] = marked["reason"].mask(taken, said)
    return marked


def _ran(rows: pd.DataFrame) -> dict[Hashable, tuple[int, str]]:
    edits = rows["edits"].fillna("")
    keys = rows[_CELL].itertuples(index=False, name=None)
    return {key: (int(key[1]), text) for key, text in zip(keys, edits, strict=True)}


def edits_of(runs: Sequence[Trajectory]) -> str:
    """Return the edits that the measured points of a source share; "" where there are none."""
    found = {point.edits for run in runs for point in run.measured}
    return max(found, key=len, default="")


def odd_sources(results: Sequence["SourceResult"]) -> frozenset[str]:
    """Return the keys of sources that must not be judged together with the others."""
    ran = {one.source.key: (1, one.edits) for one in results if one.leakage.measured}
    return apart(ran)


def why_odd(result: "SourceResult") -> str:
    """Say in one clause why a source is left out of what is said of several."""
    return f"left out, it ran with {result.edits}, unlike other sources"


def left_out_note(named: Sequence[tuple[str, str]]) -> str:
    """Name what is left out by its edits, to go at a sentence's end; "" for none."""
    return f"; left out, since other settings are no comparison: {listed(named)}" if named else ""


def odd_note(results: Sequence["SourceResult"], odd: frozenset[str]) -> str:
    """Name the sources left out, to go at a sentence's end; "" for none."""
    return left_out_note(
        [(one.source.label, one.edits) for one in results if one.source.key in odd]
    )


def cells_set_aside(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Return name and edits of every cell that is kept out of the numbers, in the frame's order."""
    rows = frame[frame["status"] == "edited"]
    found: Mapping[tuple[str, int, int], str] = {
        (str(row["source"]), int(row["epoch"]), int(row["seed"])): str(row["edits"])
        for row in rows.to_dict("records")
    }
    return [(f"{source}@{epoch}#{seed}", edits) for (source, epoch, seed), edits in found.items()]


def edits_notes(analysis: "Analysis", mark: str = "") -> list[str]:
    """Say which cells ran with other settings than the config's, and what became of them."""
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
    return notes
