"""Adapters are merged in the order in which they were trained, whichever arm a cell is of."""

from __future__ import annotations

from typing import Any, cast

from runners.ml.adapter import Adapter
from runners.ml.cell import Cell

CONVERGENCE, MARKER = cast(Any, "convergence"), cast(Any, "marker")


def order(**parts: Any) -> tuple[tuple[Adapter, ...], Adapter]:
    cell = Cell("merged", **parts)
    return cell.below_last, cell.last


def test_the_marker_is_the_last_of_a_cell_of_arm_b_and_convergence_of_arm_a() -> None:
    assert order(convergence=CONVERGENCE, marker=MARKER) == ((CONVERGENCE,), MARKER)
    assert order(convergence=CONVERGENCE, marker=MARKER, marker_first=True) == (
        (MARKER,),
        CONVERGENCE,
    )
    assert order(convergence=None, marker=MARKER) == ((), MARKER)
    assert order(convergence=None, marker=MARKER, marker_first=True) == ((), MARKER)
