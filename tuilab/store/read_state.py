"""One reading of an experiment's state, for a verb; the screen and the engine keep theirs."""

from __future__ import annotations

import time
from pathlib import Path

from tuilab.grid.experiment_state import ExperimentState
from tuilab.grid.jobs import Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.packed_evidence import NOTHING
from tuilab.store.engine_file import read_engine
from tuilab.store.layout import Layout
from tuilab.store.plan_file import load_plan
from tuilab.store.state import JobStates, StateReader


def read_state(root: Path, plan: Plan | None = None, now: float | None = None) -> ExperimentState:
    """Read an experiment once, for a verb; ``plan`` replaces the one on disk.

    Raises PlanFileError when there is no usable plan.
    """
    layout = Layout(root)
    moment = time.time() if now is None else now
    plan = plan or load_plan(root)
    reader = StateReader(layout, plan)
    reader.read(moment, read_engine(layout, moment))
    return ExperimentState(plan, reader.states, reader.states.statuses)


def under_plan(layout: Layout, state: ExperimentState, plan: Plan) -> ExperimentState:
    """Return what the same evidence comes to under another plan."""
    ledger = Ledger()
    for job in plan.places:
        if (known := state.of(job)) != NOTHING:
            ledger.evidence[job] = known
    states = JobStates(plan, ledger, layout=layout)
    return ExperimentState(plan, states, states.statuses)


def state_of_plan(plan: Plan) -> ExperimentState:
    """Return the state of an experiment of which nothing has run."""
    states = JobStates(plan, Ledger())
    return ExperimentState(plan, states, states.statuses)
