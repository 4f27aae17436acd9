"""``tuilab rescore``: new or changed measures over completions that are stored; no GPU."""

from __future__ import annotations

from collections.abc import Iterator

from tuilab.cli.errors import OK
from tuilab.cli.experiments import take_changes_in
from tuilab.cli.follow import follow
from tuilab.cli.output import plain, tell
from tuilab.cli.relaunch_preview import show_expansion
from tuilab.cli.requests import agreed, ask
from tuilab.cli.resolve import find_own_grid
from tuilab.cli.runner_programs import refuse_without_workers
from tuilab.cli.verbs.arguments import Dir, DryRun, Headless, Yes
from tuilab.grid.cells import Cell
from tuilab.grid.experiment_state import ExperimentState
from tuilab.grid.jobs import job_id
from tuilab.grid.stages import MEASURE_STAGES, Stage
from tuilab.grid.states import State
from tuilab.grid.text import count_of
from tuilab.store.program_name import program, quoted
from tuilab.store.read_state import read_state

WITHOUT_SAMPLING = (Stage.SCORE, Stage.JUDGE)


def rescore(
    directory: Dir, dry_run: DryRun = False, yes: Yes = False, headless: Headless = False
) -> int:
    """Score stored completions by the measures that experiment.toml names now.

    Edit [[measures]] there first. Only measures that are new or have changed are scored again.
    Nothing is sampled or trained, and a judge is asked only what it has not answered yet.

    \b
    tuilab rescore runs/refusal --dry-run
    tuilab rescore runs/refusal --yes --headless
    """
    root = find_own_grid(directory)
    state = read_state(root, take_changes_in(root, not dry_run))
    for line in _not_from_completions(state):
        tell(f"{line}: `{program()} run {quoted(root)}`")
    due = {stage: cells for stage in WITHOUT_SAMPLING if (cells := _due(state, stage))}
    if not due:
        tell("no measure of stored completions is new or has changed")
        return OK
    if any(_needs_base(state, cell) for cell in due.get(Stage.JUDGE, ())):
        tell("a measure is judged by the base itself (self), which is loaded for that")
    answers = {stage: state.relaunch(cells, stage) for stage, cells in due.items()}
    for answer in answers.values():
        show_expansion(answer, False, "would score" if dry_run else "score")
    if dry_run or not agreed("start these jobs?", yes):
        return OK
    refuse_without_workers(state.plan.resources)
    replies = []
    for stage, answer in answers.items():
        reply = ask(
            root,
            "relaunch",
            cells=tuple(map(str, due[stage])),
            jobs=tuple(one.job for one in answer.jobs),
            from_stage=stage.value,
        )
        if reply.why:
            tell(plain(reply.why))
        replies.append(reply)
    if code := max(reply.code for reply in replies):
        return code
    cells = list(dict.fromkeys(cell for several in due.values() for cell in several))
    return follow(root, cells, headless, False, replies[0].since)


def _due(state: ExperimentState, stage: Stage) -> list[Cell]:
    """Cells whose completions are there and current, and whose stage is not."""
    return [
        cell
        for cell in state.plan.cells
        if _state(state, stage, cell) not in (None, State.DONE, State.RUNNING, State.QUEUED)
        and _state(state, Stage.EVAL, cell) is State.DONE
    ]


def _needs_base(state: ExperimentState, cell: Cell) -> bool:
    job = state.plan.by_id[job_id(Stage.JUDGE, cell.source, cell.epoch, cell.seed)]
    return "base" in state.plan.settings[job.settings]


def _not_from_completions(state: ExperimentState) -> Iterator[str]:
    """Say what needs the model again."""
    sampled = [c for c in state.plan.cells if _state(state, Stage.EVAL, c) is not State.DONE]
    if sampled:
        yield f"{count_of(len(sampled), 'cell has', 'cells have')} no current completions to score"
    for stage in MEASURE_STAGES:
        if stage in WITHOUT_SAMPLING:
            continue
        open_cells = [
            cell
            for cell in state.plan.cells
            if _state(state, stage, cell) not in (None, State.DONE)
        ]
        if open_cells:
            yield f"{stage.value} needs the model in {count_of(len(open_cells), 'cell')}"


def _state(state: ExperimentState, stage: Stage, cell: Cell) -> State | None:
    found = state.statuses.get(job_id(stage, cell.source, cell.epoch, cell.seed))
    return found.state if found is not None else None
