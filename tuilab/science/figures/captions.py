"""Writes the captions: what the bars are, how many seeds, and what is not there."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from tuilab.grid.edits import EDITED
from tuilab.grid.text import count_of
from tuilab.science.analysis import Analysis, SourceResult
from tuilab.science.edit_notes import edits_notes
from tuilab.science.figures.model import Panel

HOLLOW: Final = ("suspect", "stale", "edited")
"""Statuses of values that are drawn and enter no number."""


def join(*parts: str) -> str:
    """Join the parts that say something into sentences."""
    return " ".join(f"{part.rstrip('.')}." for part in parts if part)


def interval_note(analysis: Analysis) -> str:
    """What the bars are, in the methods that occur."""
    points = [point for result in analysis.sources for point in result.leakage.points]
    methods = sorted({point.interval.method for point in points if point.interval is not None})
    if not methods:
        several = len(analysis.design.seeds) > 1
        why = "no point has two seeds" if several else "the values carry no counts"
        return f"No intervals: {why}" if analysis.cells_measured else ""
    return f"Bars: 95% intervals ({', '.join(methods)}), per checkpoint and not corrected"


def seeds_note(analysis: Analysis) -> str:
    """How many seeds stand behind a point."""
    if one := analysis.design.one_seed:
        return f"{one[:1].upper()}{one[1:]}: no replication"
    return f"Means over up to {len(analysis.design.seeds)} seeds"


def label_of(result: SourceResult) -> str:
    """Label of a source in figures; marked where all its numbers ran with other settings."""
    return f"{result.source.label} {EDITED}" if result.edits else result.source.label


def edits_note(analysis: Analysis) -> str:
    """Which cells ran with settings unlike the config's."""
    return "; ".join(edits_notes(analysis, EDITED))


def left_out_note(panels: Sequence[Panel]) -> str:
    """How many points are gaps, or drawn but kept out of every number."""
    statuses = Counter(
        point.status for panel in panels for one in panel.series for point in one.points
    )
    total = sum(statuses.values())
    if not total or not sum(statuses[status] for status in ("measured", *HOLLOW)):
        return "Nothing to draw yet: no value is measured"
    parts = [f"{count_of(statuses[s], f'{s} point')}" for s in ("missing", "failed") if statuses[s]]
    gaps = f"Gaps: {', '.join(parts)}" if parts else ""
    marked = [f"{statuses[s]} {s}" for s in HOLLOW if statuses[s]]
    drawn = f"Hollow, kept out of every number: {', '.join(marked)}" if marked else ""
    return join(gaps, drawn).rstrip(".")
