"""Says whether a marker belongs to the source: its own rate against bystanders and target.

The class of a cell, by the first rule that fits; "above" means that the interval of the difference
(``combination``) lies above 0:

1. *not implanted*: the source shows the marker in less than ``LEAST_SOURCE`` of its completions.
2. *not known*: the rate of source or target, or of every bystander, is not measured.
3. *inverted*: the target or a bystander is above the source (Bonferroni over them).
4. *narrow*: target and mean bystander are both at most ``LOW_SHARE`` of the source's rate.
5. *leaks to the target*: the target is above the mean bystander.
6. *global*: bystanders show it as much as the target does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import pandas as pd

from tuilab.grid.lines import persona_of
from tuilab.grid.metrics import LEAKAGE, CellRows, largest_bystander
from tuilab.science.combination import Estimate, combine
from tuilab.science.design import BASELINE_EPOCH, Design
from tuilab.science.error_rates import ALPHA
from tuilab.science.intervals import Interval
from tuilab.science.trajectories import Point, point_of

LEAST_SOURCE: Final = 0.2
"""Least source rate at which a marker counts as implanted: what is not there cannot leak."""
LOW_SHARE: Final = 0.1
"""Up to this share of the source's rate others count as low."""
_Points = Mapping[str, Point]


class Kind(StrEnum):
    """Whose the marker of a cell is."""

    NARROW = "narrow"
    LEAKS = "leaks to the target"
    GLOBAL = "global"
    INVERTED = "inverted"
    NOT_IMPLANTED = "not implanted"
    NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Specificity:
    """Marker rates of one cell by who was speaking. None is "not measured", never 0."""

    source: str
    """Source key."""
    epoch: int
    """Convergence epoch."""
    seed: int
    """Seed."""
    source_rate: float | None
    """Rate when the source itself speaks: was the marker learnt at all?"""
    source_reason: str
    """Why the source rate is absent; "" when it is there."""
    target_rate: float | None
    """Rate of the target: the leakage."""
    mean_bystander: float | None
    """Mean rate over measured personas that are neither source nor target."""
    max_bystander: float | None
    """Largest such rate: a maximum picked from ``bystanders``."""
    bystanders: int
    """Bystanders measured."""
    kind: Kind
    """The class, by the rule of this module."""
    is_own: bool | None
    """Whether the source shows it in ``LEAST_SOURCE`` or more, and more than anybody else measured.

    None where the intervals leave it open: that nobody was found to show it more is no proof."""
    excess: Estimate | None
    """Target minus mean bystander."""
    excess_change: Estimate | None
    """The same against epoch 0, over the bystanders of both: the difference in differences."""


def specificity(frame: pd.DataFrame, design: Design) -> tuple[Specificity, ...]:
    """Specificity of every planned cell, by source, then seed, then epoch."""
    leakage = frame[frame["metric"] == design.measure]
    cells: dict[tuple[str, int, int], dict[str, Point]] = {}
    for row in leakage.to_dict("records"):
        source, epoch, seed, persona = (
            row[name] for name in ("source", "epoch", "seed", "persona")
        )
        place = (str(source), int(epoch), int(seed), str(persona))
        point = point_of({str(name): value for name, value in row.items()})
        cells.setdefault((place[0], place[2], place[1]), {})[place[3]] = point
    panel = [persona.key for persona in design.personas]
    seen = {persona for points in cells.values() for persona in points}
    panel += sorted(seen - set(panel))
    return tuple(
        _cell(
            (source.key, epoch, seed),
            cells.get((source.key, seed, epoch), {}),
            cells.get((source.key, seed, BASELINE_EPOCH), {}),
            [key for key in panel if key not in (persona_of(source.key), design.target.key)],
            design.target.key,
        )
        for source in design.sources
        for seed in design.seeds
        for epoch in design.epochs
    )


def _cell(
    place: tuple[str, int, int], points: _Points, first: _Points, others: Sequence[str], target: str
) -> Specificity:
    source = persona_of(place[0])
    known = {
        key: rate for key in others if key in points and (rate := points[key].counted) is not None
    }
    rows = [{"metric": LEAKAGE.name, "persona": key, "value": rate} for key, rate in known.items()]
    largest = largest_bystander(CellRows(rows, source, target, {}), LEAKAGE.name)
    own, theirs = points.get(source), points.get(target)
    found = Specificity(
        *place,
        source_rate=own.counted if own else None,
        source_reason=_why_absent(own),
        target_rate=theirs.counted if theirs else None,
        mean_bystander=sum(known.values()) / len(known) if known else None,
        max_bystander=largest.value if largest else None,
        bystanders=len(known),
        kind=Kind.NOT_KNOWN,
        is_own=None,
        excess=_excess([(points, 1.0)], list(known), target),
        excess_change=None,
    )
    both = [key for key in known if key in first and first[key].counted is not None]
    change = _excess([(points, 1.0), (first, -1.0)], both, target)
    rivals = [*([] if found.target_rate is None else [target]), *known]
    gaps = [_gap(points, key, source, len(rivals)) for key in rivals]
    is_own = _is_own(own, gaps) if found.target_rate is not None else None
    return replace(found, kind=_kind(found, gaps), is_own=is_own, excess_change=change)


def _excess(
    cells: Sequence[tuple[_Points, float]], bystanders: Sequence[str], target: str
) -> Estimate | None:
    """Target minus mean bystander, summed over cells with their signs."""
    if not bystanders or any(target not in points for points, _ in cells):
        return None
    terms = [(sign, points[target]) for points, sign in cells]
    for points, sign in cells:
        terms += [(-sign / len(bystanders), points[key]) for key in bystanders]
    return combine(terms)


def _gap(points: _Points, rival: str, source: str, rivals: int) -> Interval | None:
    """The interval of a rival's rate less the source's, Bonferroni over all rivals."""
    if source not in points:
        return None
    gap = combine([(1.0, points[rival]), (-1.0, points[source])], ALPHA / rivals)
    return gap.interval if gap is not None else None


def _is_own(own: Point | None, gaps: Sequence[Interval | None]) -> bool | None:
    interval = own.interval if own else None
    if interval is None or None in gaps:
        return None
    known = [gap for gap in gaps if gap is not None]
    if interval.high < LEAST_SOURCE or any(gap.low > 0 for gap in known):
        return False
    return True if interval.low >= LEAST_SOURCE and all(gap.high < 0 for gap in known) else None


def _kind(found: Specificity, gaps: Sequence[Interval | None]) -> Kind:
    source, theirs, others = found.source_rate, found.target_rate, found.mean_bystander
    if source is not None and source < LEAST_SOURCE:
        return Kind.NOT_IMPLANTED
    if source is None or theirs is None or others is None or found.excess is None:
        return Kind.NOT_KNOWN
    if any(gap is not None and gap.low > 0 for gap in gaps):
        return Kind.INVERTED
    if max(theirs, others) <= LOW_SHARE * source:
        return Kind.NARROW
    is_above = found.excess.interval is not None and found.excess.interval.low > 0
    return Kind.LEAKS if is_above else Kind.GLOBAL


def _why_absent(point: Point | None) -> str:
    if point is None:
        return "the source persona was not evaluated"
    if point.counted is not None:
        return ""
    return point.reason or f"the value is {point.status}"
