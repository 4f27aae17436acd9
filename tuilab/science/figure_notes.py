"""Writes the captions: what the bars are, how many seeds, and what is not there."""

from collections import Counter
from collections.abc import Sequence

from tuilab.science.analysis import Analysis
from tuilab.science.figure_model import Panel
from tuilab.science.wording import count


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
    seeds = analysis.design.seeds
    if len(seeds) == 1:
        return f"One seed ({seeds[0]}): no replication"
    return f"Means over up to {len(seeds)} seeds"


def left_out_note(panels: Sequence[Panel]) -> str:
    """How many points are gaps, or drawn but kept out of every number."""
    statuses = Counter(
        point.status for panel in panels for one in panel.series for point in one.points
    )
    total = sum(statuses.values())
    if not total or not statuses["measured"] + statuses["suspect"] + statuses["stale"]:
        return "Nothing to draw yet: no value is measured"
    parts = [f"{count(statuses[s], f'{s} point')}" for s in ("missing", "failed") if statuses[s]]
    gaps = f"Gaps: {', '.join(parts)}" if parts else ""
    marked = [f"{statuses[s]} {s}" for s in ("suspect", "stale") if statuses[s]]
    drawn = f"Hollow, kept out of every number: {', '.join(marked)}" if marked else ""
    return join(gaps, drawn).rstrip(".")
