"""Says exactly what a relaunch or a stop will do, before it is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tuilab.contract.foreign import clean_line
from tuilab.grid.cells import Cell
from tuilab.grid.jobs import Plan
from tuilab.grid.relaunch import Expansion
from tuilab.grid.settings_apart import learned_in
from tuilab.grid.stages import ORDER, Stage
from tuilab.grid.states import BROKEN, WITH_RESULT, JobStatus, State
from tuilab.grid.text import count_of, duration, whole_percent
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.grid_table import find
from tuilab.tui.present.styled_text import Line, fit, fit_line

_BROKEN_WORDS = {state.value for state in (*BROKEN, State.STOPPED)}


def edit_hint(plan: Plan) -> str:
    """Return an example of an edit that changes something in this grid."""
    return f"e  edit, e.g. {learned_in(plan.settings)}.lr = 1e-5; eval.samples = 20"


def edit_words(count: int, sets: Mapping[str, object]) -> str:
    """Say how many jobs the edits change and what becomes of them."""
    jobs = count_of(count, "job")
    if not sets:
        return f"this changes {jobs}; these cells run as planned again"
    return f"the edit changes {jobs} and stays with these cells"


def name_cells(cells: Sequence[Cell], labels: Mapping[str, str], option: str = "") -> str:
    """Name one cell by its label, several by their number, or all that an option means."""
    if option:
        what = {"--failed": "all that failed", "--stale": "all that is stale"}[option]
        return f"{what}: {count_of(len(cells), 'cell')}"
    if len(cells) == 1:
        cell = cells[0]
        return f"{clean_line(labels.get(cell.source, cell.source), 30)}, epoch {cell.epoch}"
    return f"{len(cells)} cells"


def summary(answer: Expansion) -> Line:
    """Say how many jobs will run and what they took last time."""
    count = len(answer.jobs)
    if not count:
        return ((" nothing will run", "warn"),)
    jobs = count_of(count, "job runs as a new attempt", "jobs run as new attempts")
    timed = count - answer.never_ran
    took = f", {duration(answer.seconds)} last time" if timed else ""
    rest = f", {answer.never_ran} never timed" if timed and answer.never_ran else ""
    never = ", none timed yet" if not timed else ""
    return ((f" {jobs}", "strong"), (f"{took}{rest}{never}", "text"))


def job_lines(answer: Expansion, columns: int) -> list[Line]:
    """List every job with its attempt number, time before and reason; then what is refused."""
    name = max((len(one.job) for one in answer.jobs), default=10)
    name = min(name, max(20, columns - 36))
    lines: list[Line] = []
    for one in answer.jobs:
        resumed = f", resumes {one.resumes}" if one.resumes else ""
        took = "never ran" if one.seconds is None else f"took {duration(one.seconds)}"
        lines.append(
            fit_line(
                (
                    (f"  {fit(one.job, name)}", "label"),
                    (f"  attempt {one.attempt}", "text"),
                    (f"  {fit(took, 10)}", "muted"),
                    (f"  {one.why}{resumed}", "muted"),
                ),
                columns,
            )
        )
    lines += [
        fit_line(((f"  not {clean_line(cell, 60)}: {why}", "warn"),), columns)
        for cell, why in answer.refused.items()
    ]
    return lines


def kept_words(answer: Expansion, states: Mapping[str, JobStatus], cells: Sequence[Cell]) -> str:
    """Say which results of these cells stay in use, and what turns stale."""
    touched = {one.job for one in answer.jobs}
    chosen = {str(cell) for cell in cells}
    stages = sorted(
        {
            status.stage
            for job, status in states.items()
            if job.partition("/")[2] in chosen
            and job not in touched
            and status.state in WITH_RESULT
        },
        key=ORDER.__getitem__,
    )
    kept = f"results of {', '.join(stages)}, and " if stages else ""
    others = count_of(len(answer.turns_stale), "other cell")
    stale = f"; {others} will be stale but keep their results" if answer.turns_stale else ""
    return f"kept: {kept}all earlier attempts{stale}"


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a relaunch begins."""

    stage: Stage | None = None
    """None = the first broken stage of each cell."""
    restart: bool = False
    """Whether an unfinished training begins from scratch instead of going on."""


def beginnings(stages: Sequence[Stage]) -> list[Beginning]:
    """Return what the choice offers: the first broken stage, the same from scratch, each stage."""
    ordered = sorted(set(stages), key=ORDER.__getitem__)
    return [Beginning(), Beginning(restart=True), *map(Beginning, ordered)]


def beginning_words(
    chosen: Beginning, default: Expansion, changed: Collection[str] = frozenset()
) -> str:
    """Name a choice; the default says at which stage it begins.

    ``default`` is what runs without another stage, under the edits that change ``changed``.
    """
    if chosen.stage is not None:
        return chosen.stage.value
    return _first_stage(default, changed) + (", from scratch" if chosen.restart else "")


def _first_stage(default: Expansion, changed: Collection[str]) -> str:
    first = min((one.stage for one in default.jobs), key=ORDER.__getitem__, default=None)
    if first is not None and any(job.partition("/")[0] == first.value for job in changed):
        return f"the first edited stage ({first.value})"
    whys = {one.why for one in default.jobs}
    kind = "first broken" if whys & _BROKEN_WORDS else "first stale" if "stale" in whys else "first"
    return f"the {kind} stage ({first.value})" if first else f"the {kind} stage"


def stop_lines(states: Sequence[JobStatus], columns: int) -> list[Line]:
    """Say what becomes of each job that is stopped."""
    lines: list[Line] = []
    for status in states:
        if status.state is State.RUNNING:
            percent = f" at {whole_percent(status.percent)}" if status.percent is not None else ""
            what, role = f"stops now{percent}", "running"
        else:
            what, role = "leaves the queue", "queued"
        lines.append(fit_line(((f"  {status.job}  ", role), (what, "text")), columns))
    return lines


def stoppable(states: Mapping[str, JobStatus], cells: Sequence[Cell]) -> list[JobStatus]:
    """Return the jobs of these cells that run, queue or wait."""
    chosen = {str(cell) for cell in cells}
    return [
        status
        for job, status in states.items()
        if job.partition("/")[2] in chosen
        and status.state in (State.RUNNING, State.QUEUED, State.WAITING)
    ]


def ending_words(snapshot: Snapshot, cells: Sequence[Cell]) -> str:
    """Say why the broken ones among these cells ended: one in full, several by reason; or ""."""
    found = [find(snapshot, cell) for cell in cells]
    broken = [view for view in found if view is not None and view.state in BROKEN]
    if len(broken) == 1:
        return ": ".join(filter(None, (broken[0].reason, clean_line(broken[0].detail, 300))))
    reasons = Counter(view.reason or view.state.value for view in broken)
    return ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())


def cause_lines(snapshot: Snapshot, cells: Sequence[Cell]) -> Iterator[str]:
    """Say why the stale ones among these cells are stale, cells of one cause together."""
    causes: dict[str, list[str]] = {}
    for cell in cells:
        view = find(snapshot, cell)
        if view is not None and view.state is State.STALE:
            causes.setdefault(view.detail, []).append(str(cell))
    for cause, names in causes.items():
        named = ", ".join(names) if len(names) < 5 else count_of(len(names), "cell")
        yield f"{named}: {cause}"
