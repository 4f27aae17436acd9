"""Writes a comparison of two experiments as lines of text and as one JSON object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tuilab.contract.foreign import clean_line
from tuilab.grid.edits import EDITED, LEGEND, listed
from tuilab.grid.metrics import METRICS
from tuilab.grid.signs import ACCEPTED
from tuilab.study.comparability import Comparability, as_record, as_sentence
from tuilab.study.comparison import SIGN, Compared, Comparison
from tuilab.study.study import SYNTHETIC
from tuilab.study.table_formats import as_text

if TYPE_CHECKING:
    from tuilab.science.replication import Replication


def as_lines(
    found: Comparison,
    apart: Comparability,
    width: int | None = None,
    outcomes: Sequence[Replication] = (),
    is_full: bool = False,
) -> list[str]:
    """Write the differences as a table, source by epoch, and what is to be said of them.

    ``is_full`` adds both values and the interval of every cell; without it, of each last epoch.
    """
    metric = METRICS[found.metric]
    unit = f", {metric.unit.change}" if metric.unit.change else ""
    lines = [f"{_title(found)}: {metric.title}{unit}"]
    if not found.cells:
        return [*lines, nothing_in_common(found)]
    return [
        *lines,
        *_table(found, width).splitlines(),
        "",
        *both_values(found, width, is_full),
        *_sentences(found, apart),
        *_outcomes(found, outcomes),
    ]


def both_values(found: Comparison, width: int | None, is_full: bool) -> list[str]:
    """Write cell by cell what both measured and how far apart that is; [] for nothing."""
    last = {(each.cell.source, each.cell.seed): each for each in found.measured}
    shown = found.measured if is_full else list(last.values())
    if not shown:
        return []
    unit = METRICS[found.metric].unit
    rows = [
        [
            clean_line(str(each.cell)),
            unit.wide(each.one.value, each.one.n),
            unit.wide(each.other.value, each.other.n),
            gap_text(each, found.metric),
        ]
        for each in shown
        if each.one is not None and each.other is not None
    ]
    titles = ["cell", *found.names, "difference [95%]"]
    return [*as_text(titles, rows, width).splitlines(), ""]


def gap_text(each: Compared, metric: str) -> str:
    """Write a difference with its interval where it has one: ``+3.0 [-1.2, 7.1]``."""
    text = _difference(each, each.difference, metric)
    if each.gap is None:
        return text
    low, high = each.gap.interval.low, each.gap.interval.high
    return f"{text} [{_difference(each, low, metric)}, {_difference(each, high, metric)}]"


def _difference(each: Compared, value: float | None, metric: str) -> str:
    return METRICS[metric].unit.difference(value, is_wide=True, n=each.n)


def _outcomes(found: Comparison, outcomes: Sequence[Replication]) -> list[str]:
    """Say of each source whether it is replicated."""
    if not outcomes:
        return []
    other, one = found.names[1], found.names[0]
    told = [
        f"  {clean_line(found.labels.get(each.source) or each.source)}: {each.outcome.value};"
        f" {each.said}"
        for each in outcomes
    ]
    counts = Counter(each.outcome.value for each in outcomes)
    total = ", ".join(f"{outcome} {count}" for outcome, count in counts.items())
    return ["", f"{other} of {one}, source by source: {total} of {len(outcomes)}.", *told]


def nothing_in_common(found: Comparison) -> str:
    """Say why no cell of the one is a cell of the other."""
    several = max(found.seeds, key=len)
    if () in found.seeds and len(several) > 1:
        without, having = found.names if found.seeds[0] == () else found.names[::-1]
        return (
            f"{without} names no seed and {having} has {len(several)}"
            f" ({', '.join(map(str, several))}): a column seed says which of them it is"
        )
    return "the two have no cell (source, epoch, seed) in common"


def _title(found: Comparison) -> str:
    one, other = found.names
    if found.seeds[0] != found.seeds[1]:
        one, other = (
            f"{name} (seed {', '.join(map(str, seeds)) or 'not given'})"
            for name, seeds in zip(found.names, found.seeds, strict=True)
        )
    return f"{other} minus {one}"


def _table(found: Comparison, width: int | None) -> str:
    rows = [[name, *(_cell_text(one, found.metric) for one in row)] for name, row in found.rows]
    return as_text(["source", *map(str, found.epochs)], rows, width)


def _cell_text(each: Compared | None, metric: str) -> str:
    if each is None:
        return ""
    if each.difference is None:
        return "n/a "
    edited = EDITED * any(map(bool, each.edits)) + ACCEPTED * each.is_accepted
    return (
        edited
        + _difference(each, each.difference, metric)
        + (SIGN if each.is_beyond_chance else " ")
    )


def _sentences(found: Comparison, apart: Comparability) -> list[str]:
    measured = found.measured
    lines = [f"{len(found.cells)} cells in both, {len(measured)} of them measured in both."]
    if found.scales:
        lines.append(scales_text(found))
    if measured:
        lines.append(_spread(found))
    if found.is_paired:
        lines.append("Both asked the same questions: the intervals are paired by question.")
    if found.is_tested:
        lines.append(_chance(found))
    if found.edited:
        lines.append(f"{edited_text(found)}.")
    lines.append(as_sentence(apart) + (" Values: --json." if apart.differing else ""))
    if found.synthetic:
        lines.append(SYNTHETIC)
    return lines


def scales_text(found: Comparison) -> str:
    """Say that two cosines are on scales that are not the same, and what would make them so."""
    told = " and ".join(
        f"{name}'s are of {clean_line(scale)}"
        for name, scale in zip(found.names, found.scales, strict=True)
    )
    return (
        f"Cosines of other layers, pools or models are not compared: {told}."
        " --layer and --state choose others."
    )


def edited_text(found: Comparison) -> str:
    """Name the numbers that ran with settings unlike their own experiment's config."""
    return f"{EDITED} {LEGEND} of their experiment: {clean_line(listed(found.edited), 2000)}"


def _spread(found: Comparison) -> str:
    at, write = found.largest, METRICS[found.metric].unit.difference
    size = write(found.mean_size, is_wide=True).lstrip("+")
    return (
        f"Mean size of a difference {size}; the largest, picked from {len(found.measured)}, is "
        f"{gap_text(at, found.metric)} at {clean_line(str(at.cell))}."
    )


def _chance(found: Comparison) -> str:
    beyond = found.beyond_chance
    return (
        f"{SIGN} {len(beyond)} of them lie further apart than counting completions explains "
        f"(Fisher exact, Holm over {len(found.cells)} cells, 5%); training runs of other seeds "
        "or data differ by more than that."
    )


def as_document(
    found: Comparison, apart: Comparability, outcomes: Sequence[Replication] = ()
) -> dict[str, Any]:
    """Return the comparison as one JSON object; what was not measured is null."""
    return {
        "one": {"experiment": found.names[0], "seeds": list(found.seeds[0])},
        "other": {"experiment": found.names[1], "seeds": list(found.seeds[1])},
        "metric": found.metric,
        "cells_in_both": len(found.cells),
        "measured_in_both": len(found.measured),
        "beyond_chance": len(found.beyond_chance),
        "settings": as_record(apart),
        "sources": [_as_outcome(each) for each in outcomes],
        "cells": [_as_record(each) for each in found.cells],
    }


def _as_outcome(each: Replication) -> dict[str, Any]:
    interval = each.interval
    return {
        "source": each.source,
        "outcome": each.outcome.value,
        "one": each.one,
        "other": each.other,
        "interval_90": None if interval is None else [interval.low, interval.high],
        "margin": each.margin,
        "why": each.why or None,
    }


def _as_record(each: Compared) -> dict[str, Any]:
    gap = each.gap
    return {
        "source": each.cell.source,
        "epoch": each.cell.epoch,
        "seed": each.cell.seed,
        "one": each.one and each.one.shown,
        "other": each.other and each.other.shown,
        "difference": each.difference,
        "interval": None if gap is None else [gap.interval.low, gap.interval.high],
        "method": None if gap is None else gap.interval.method,
        "edits": dict(zip(("one", "other"), (text or None for text in each.edits), strict=True)),
        "p_holm": None if gap is None else gap.p_holm,
    }
