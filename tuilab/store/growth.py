"""Proposes an experiment's next plan, as its files say it or with more cells, and keeps it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from tuilab.contract import atomic
from tuilab.grid.cells import Cell
from tuilab.grid.edits import Deviation
from tuilab.grid.experiment_state import ExperimentState
from tuilab.grid.grow_config import More, with_more
from tuilab.grid.growth import Growth, edits_of_new_cells, growth, what_changed
from tuilab.grid.jobs import Plan, with_commits
from tuilab.grid.variants import lines_of
from tuilab.store.experiment import replace_plan
from tuilab.store.layout import Layout
from tuilab.store.plan_file import config_digest, planned_digest
from tuilab.store.read_state import under_plan
from tuilab.store.replan import config_of, plan_with, read_deviations, read_text


@dataclass(frozen=True, slots=True)
class Proposal:
    """Another plan, and what it would change; nothing of it is written yet."""

    text: str
    """What experiment.toml will say."""
    edits: tuple[Deviation, ...]
    """The edits of single cells, those of new cells included."""
    plan: Plan
    growth: Growth
    why: str
    """What made it another plan ("" = it is the plan as it is)."""


def propose(
    layout: Layout, before: Plan, read: Callable[[Plan], ExperimentState], more: More | None = None
) -> Proposal:
    """Plan an experiment again as its files are now, with more cells; writes nothing.

    ``read`` tells where it stands under a plan; it is asked where the plan ``before`` changes.
    Raises GrowError, ConfigError, PlanError, EditError, DeviationsError, NoTextError or OSError,
    each with what to do.
    """
    text = read_text(layout.config)
    config = config_of(layout.config, text).config
    if more:
        text = with_more(text, config, more)
        config = config_of(layout.config, text).config
    kept, old = read_deviations(layout), set(before.cells)
    lines = (line.name for line in lines_of(config))
    cells = (Cell(*place) for place in product(lines, config.epochs, config.seeds))
    edits = (*kept, *edits_of_new_cells(kept, old, [one for one in cells if one not in old]))
    plan = with_commits(plan_with(config, edits), before)
    is_edited = bool(more) or config_digest(layout) != planned_digest(layout)
    if not (why := what_changed(before, plan, is_edited)):
        return Proposal(text, edits, plan, Growth(), why)
    state = read(before)
    found = growth(state, under_plan(layout, state, plan))
    return Proposal(text, edits, plan, found, why)


def keep(layout: Layout, proposal: Proposal) -> None:
    """Write config, edits and plan of a proposal; for who holds the experiment."""
    if proposal.edits != read_deviations(layout):
        atomic.write_json(layout.deviations, [one.as_json() for one in proposal.edits])
    replace_plan(layout, proposal.text, proposal.plan)
