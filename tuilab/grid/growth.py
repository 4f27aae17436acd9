"""Decides what another plan changes: cells that come and go, what runs, what turns stale; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tuilab.grid.cells import Cell
from tuilab.grid.edits import Deviation, sets_for, sets_for_all
from tuilab.grid.estimate import are_known, corrected, expected, total_bytes, wall_seconds
from tuilab.grid.experiment_state import ExperimentState
from tuilab.grid.jobs import Plan
from tuilab.grid.relaunch import Expansion
from tuilab.grid.states import JobStatus, State, derive_cell
from tuilab.grid.text import count_of, duration, size

_NAMED = 4
"""Up to so many cells are named; more are counted."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What becomes of an experiment when its plan is replaced by another."""

    new: tuple[Cell, ...] = ()
    """Cells that were not planned before."""
    added: Mapping[str, tuple[str | int, ...]] = field(default_factory=dict)
    """The sources, epochs and seeds that were not planned before; {} for none."""
    gone: tuple[Cell, ...] = ()
    """Cells with files that are no longer planned."""
    kept: int = 0
    """Finished cells whose state and numbers stay as they are."""
    stale: Mapping[str, tuple[Cell, ...]] = field(default_factory=dict)
    """Finished cells that become stale, by the cause."""
    current: tuple[Cell, ...] = ()
    """Stale cells that become current again."""
    run: Expansion = field(default_factory=lambda: Expansion("run"))
    """What a run of the new cells asks for."""
    again: tuple[str, ...] = ()
    """Of that, jobs that have a result already and run again, each with the reason."""
    seconds: float | None = 0.0
    """Expected wall time of that, with the plan's workers."""
    bytes: int | None = 0
    """Disk that it will leave used."""


def growth(before: ExperimentState, now: ExperimentState) -> Growth:
    """Compare two plans of one experiment by the same evidence."""
    old, new = set(before.plan.cells), set(now.plan.cells)
    was, becomes = _cell_states(before), _cell_states(now)
    stale: dict[str, list[Cell]] = {}
    current = []
    kept = 0
    for cell in (one for one in now.plan.cells if one in old):
        first, then = was[cell].state, becomes[cell]
        if first is State.DONE and then.state is State.STALE:
            stale.setdefault(then.detail, []).append(cell)
        elif first is State.STALE and then.state is State.DONE:
            current.append(cell)
        elif first is then.state is State.DONE:
            kept += 1
    ran = {job.cell for job in before.plan.jobs if before.of(job.id).attempts}
    added = tuple(cell for cell in now.plan.cells if cell not in old)
    run = now.run(added) if added else Expansion("run")
    seconds, used = _cost(now, run.wanted)
    return Growth(
        new=added,
        added=_added(before.plan, now.plan),
        gone=tuple(cell for cell in before.plan.cells if cell not in new and cell in ran),
        kept=kept,
        stale={cause: tuple(cells) for cause, cells in stale.items()},
        current=tuple(current),
        run=run,
        again=tuple(f"{one.job} ({one.why})" for one in run.jobs if now.of(one.job).last_done),
        seconds=seconds,
        bytes=used,
    )


def what_changed(before: Plan, now: Plan, is_edited: bool) -> str:
    """Say what made the new plan another one; "" when both are the same.

    ``is_edited``: experiment.toml is another text than the one that ``before`` was made of. Where
    it is not, another tuilab fills in what it leaves open.
    """
    if before == now:
        return ""
    is_other = before.config_hash != now.config_hash
    causes = {
        "the format of plans": before.schema != now.schema,
        "experiment.toml": is_other and is_edited,
        "tuilab's defaults": is_other and not is_edited,
        "the runner code": before.code_version != now.code_version,
    }
    found = [cause for cause, is_one in causes.items() if is_one] or ["the base model"]
    *others, last = found
    named = f"{', '.join(others)} and {last}" if others else last
    has = "have" if others or last.endswith("defaults") else "has"
    return f"{named} {has} changed since this grid was planned"


def growth_lines(found: Growth, gc_command: str) -> Iterator[str]:
    """Say in a few lines what a plan changes."""
    if not (found.new or found.stale or found.current or found.gone):
        yield "no finished cell changes"
        return
    if found.new:
        yield f"new: {_some(found.new)}"
        yield (
            f"to run for them: {count_of(len(found.run.jobs), 'job')}, about "
            f"{duration(found.seconds)}, {size(found.bytes)} of disk"
        )
    for job in found.again:
        yield f"runs again: {job}"
    if found.kept:
        yield f"stay as they are: {count_of(found.kept, 'finished cell')}"
    for cause, cells in list(found.stale.items())[:_NAMED]:
        verb = "becomes" if len(cells) == 1 else "become"
        yield f"{verb} stale, numbers kept: {_some(cells)}: {cause}"
    if rest := [cell for cells in list(found.stale.values())[_NAMED:] for cell in cells]:
        yield f"become stale for other causes: {_some(rest)}"
    if found.current:
        verb = "is" if len(found.current) == 1 else "are"
        yield f"{verb} current again: {_some(found.current)}"
    if found.gone:
        yield f"no longer planned: {_some(found.gone)}; the files stay ({gc_command} removes them)"


def as_line(found: Growth) -> dict[str, object]:
    """Return what the journal keeps of it: how many cells, and what was added."""
    return {
        "added": {name: list(values) for name, values in found.added.items()},
        "new": len(found.new),
        "gone": len(found.gone),
        "kept": found.kept,
        "stale": {cause: len(cells) for cause, cells in found.stale.items()},
    }


def as_record(found: Growth) -> dict[str, object]:
    """Return all of it as plain JSON values."""
    return {
        "new": [str(cell) for cell in found.new],
        "gone": [str(cell) for cell in found.gone],
        "kept": found.kept,
        "stale": {cause: [str(cell) for cell in cells] for cause, cells in found.stale.items()},
        "current": [str(cell) for cell in found.current],
    }


def edits_of_new_cells(
    edits: Sequence[Deviation], old: Collection[Cell], new: Collection[Cell]
) -> tuple[Deviation, ...]:
    """Return the edits that new cells must share, since a job that they share carries them.

    The convergence of a source and seed has one, and so have the answers that all cells read.
    """
    found = []
    everywhere = _shared(edits, list(old), "data.") if old else {}
    for cell in new:
        run = [one for one in old if (one.source, one.seed) == (cell.source, cell.seed)]
        later = [one for one in run if one.epoch > 0] if cell.epoch > 0 else []
        shared = everywhere | (_shared(edits, later, "convergence.") if later else {})
        has = sets_for(edits, cell)
        if sets := {key: value for key, value in shared.items() if has.get(key) != value}:
            found.append(Deviation((str(cell),), sets))
    return tuple(found)


def _shared(edits: Sequence[Deviation], cells: Sequence[Cell], block: str) -> dict[str, object]:
    return {
        key: value for key, value in sets_for_all(edits, cells).items() if key.startswith(block)
    }


def _added(before: Plan, now: Plan) -> dict[str, tuple[str | int, ...]]:
    parts = {
        name: tuple(one for one in getattr(now, name) if one not in getattr(before, name))
        for name in ("sources", "epochs", "seeds")
    }
    return {name: values for name, values in parts.items() if values}


def _cell_states(state: ExperimentState) -> dict[Cell, JobStatus]:
    own: dict[Cell, list[JobStatus]] = {cell: [] for cell in state.plan.cells}
    for job in state.plan.jobs:
        if job.cell is not None and job.cell in own:
            own[job.cell].append(state.statuses[job.id])
    return {cell: derive_cell(jobs) for cell, jobs in own.items() if jobs}


def _cost(state: ExperimentState, jobs: Collection[str]) -> tuple[float | None, int | None]:
    plan: Plan = state.plan
    costs = corrected(plan, expected(plan), state.of)
    workers = plan.resources.get("workers")
    count = workers if isinstance(workers, int) and workers > 0 else 1
    seconds = wall_seconds(plan, costs, count, jobs) if are_known(costs.values()) else None
    return seconds, total_bytes([costs[job] for job in jobs])


def _some(cells: Sequence[Cell]) -> str:
    if len(cells) <= _NAMED:
        return ", ".join(map(str, cells))
    return count_of(len(cells), "cell") + f" ({', '.join(map(str, cells[: _NAMED - 1]))}, ...)"
