"""Takes edits of single cells into the plan: kept as deviations, and the plan made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuilab.contract import atomic
from tuilab.grid.jobs import Plan
from tuilab.store.layout import Layout


class EditRefusedError(Exception):
    """The edits cannot be made; the text says why."""


def plan_with_edits(
    layout: Layout, plan: Plan, cells: Sequence[str], sets: Mapping[str, Any], as_planned: bool
) -> tuple[Plan, frozenset[str]]:
    """Return the plan under further edits and the jobs that they change; writes nothing.

    With ``as_planned`` the cells first lose the edits that they carry.
    Imports the config schema (pydantic), which nothing else in the engine needs.
    Raises EditRefusedError.
    """
    from tuilab.grid.config_text import ConfigError
    from tuilab.grid.edits import Deviation, EditError
    from tuilab.grid.planning import PlanError
    from tuilab.store.replan import DeviationsError, plan_of

    try:
        made = plan_of(
            layout.root, [Deviation(tuple(cells), dict(sets))], cells if as_planned else ()
        )
    except (ConfigError, EditError, PlanError, DeviationsError, OSError) as error:
        raise EditRefusedError(str(error)) from error
    changed = {
        job.id
        for job in made.jobs
        if job.id not in plan.by_id or plan.by_id[job.id].fingerprint != job.fingerprint
    }
    return made, frozenset(changed)


def keep_edits(
    layout: Layout, plan: Plan, cells: Sequence[str], sets: Mapping[str, Any], as_planned: bool
) -> None:
    """Write the edits to deviations.json, then the plan that was made with them."""
    from tuilab.grid.edits import without
    from tuilab.store.plan_file import save_plan
    from tuilab.store.replan import read_deviations

    before = [deviation.as_json() for deviation in read_deviations(layout)]
    kept = without(read_deviations(layout), cells if as_planned else ())
    known = [deviation.as_json() for deviation in kept]
    entry = {"cells": list(cells), "sets": dict(sets)}
    # The last one only: a repeated request adds nothing, but a value may come back after another.
    if sets and known[-1:] != [entry]:
        known.append(entry)
    if known != before:
        atomic.write_json(layout.deviations, known)
    save_plan(layout, plan)
