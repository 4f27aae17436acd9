"""``tuilab run``: asks for cells and makes sure that an engine works on them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuilab.cli import complete
from tuilab.cli.base_checks import as_fetched, refuse_unfit_base
from tuilab.cli.data_on_hub import read_whole
from tuilab.cli.doctor.config_fit import refuse_without_gpu
from tuilab.cli.errors import INCOMPLETE, OK, USAGE, RefusalError
from tuilab.cli.experiments import make_experiment, refuse_blocked, take_changes_in
from tuilab.cli.follow import follow
from tuilab.cli.output import document, is_interactive, plain, tell
from tuilab.cli.relaunch_preview import show_expansion, stale_lines
from tuilab.cli.requests import ask
from tuilab.cli.resolve import find_place, refuse_results, run_directory
from tuilab.cli.runner_programs import refuse_without_workers
from tuilab.cli.screen import show
from tuilab.cli.verbs.arguments import AsJson, Cells, DirOrConfig, DryRun, Headless, Where
from tuilab.engine.places import PLACES, why_no_place
from tuilab.grid.cells import Cell
from tuilab.grid.estimate import are_known, corrected, expected
from tuilab.grid.experiment_state import ExperimentState
from tuilab.grid.jobs import Plan
from tuilab.grid.limits import NO_LIMIT, Limit, parse_until
from tuilab.grid.states import WITH_RESULT
from tuilab.grid.text import count_of, duration
from tuilab.store.engine_file import read_engine
from tuilab.store.experiment_id import refuse_copy
from tuilab.store.layout import Layout
from tuilab.store.program_name import program
from tuilab.store.read_state import read_state, state_of_plan
from tuilab.store.replan import plan_with, read_config
from tuilab.store.status import lazy_status

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig


def run(
    what: DirOrConfig,
    cells: Cells = None,
    headless: Headless = False,
    where: Where = None,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Start nothing that would not finish by then: 06:00, 8h, a date."
        ),
    ] = None,
    hours: Annotated[
        float | None,
        typer.Option(
            "--gpu-hours", metavar="N", min=0.0, help="Use at most this many GPU hours from now on."
        ),
    ] = None,
    on: Annotated[
        str,
        typer.Option(
            metavar="PLACE",
            help="Where workers run, in place of resources.executor.",
            autocompletion=complete.one_of(lambda: PLACES),
        ),
    ] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> int:
    """Run what is not done yet: all cells, or those named. Results are never repeated.

    At a terminal the screen opens, unless --headless. Elsewhere the command returns and the
    engine keeps working.

    With --until or --gpu-hours nothing new starts that would not end in time; then the grid pauses
    and says what is left. The next run, or a resume, lifts the limit.

    \b
    tuilab run tiny --headless
    tuilab run configs/eps109.toml 'villain@*'
    tuilab run runs/eps109 '*@0' --dry-run
    tuilab run runs/eps109 --until 06:00
    tuilab run configs/eps109.toml --on slurm
    """
    at = None if until is None else parse_until(until, time.time())
    limit = Limit(at, None if hours is None else hours * 3600)
    place = find_place(what)
    if place.root is not None and where:
        raise RefusalError(
            f"{place.root} is already an experiment. Pass a config file; --dir sets the folder of "
            "a new one",
            USAGE,
        )
    if place.root is None and place.config is not None:
        loaded = read_whole(place.config)
        refuse_blocked(loaded.config)
        root = run_directory(loaded.config.name, where)
        if dry_run and not root.exists():
            state = state_of_plan(plan_with(loaded.config))
            show_expansion(state.run(state.cells(cells or [])), as_json, "would run")
            return OK
        if not dry_run:
            _refuse_wrong_words(loaded.config, cells or [], on)
            refuse_without_workers(loaded.config.resources.model_dump())
            refuse_without_gpu(loaded.config, on)
            refuse_unfit_base(loaded.config)
        planned = make_experiment(loaded, root, write=not dry_run)
    else:
        assert place.root is not None, "a place is an experiment or a config"
        root = place.root
        refuse_results(root)
        refuse_copy(Layout(root))
        planned = take_changes_in(root, write=not dry_run)
        if not dry_run:
            config = read_config(Layout(root).config).config
            refuse_without_gpu(config, on)
            refuse_unfit_base(as_fetched(config, planned))
    return run_cells(root, planned, cells or [], headless, dry_run, as_json, limit, on)


def _refuse_wrong_words(config: ExperimentConfig, cells: list[str], on: str) -> None:
    """Raise for a place or cells that are not, before the experiment's folder is made."""
    if why := why_no_place(config.resources.model_dump(mode="json"), on):
        raise RefusalError(why, USAGE)
    if cells:
        state_of_plan(plan_with(config)).cells(cells)


def refuse_place(root: Path, resources: Mapping[str, Any], on: str) -> None:
    """Raise RefusalError where no workers can run, or an engine runs them elsewhere already."""
    if why := why_no_place(resources, on):
        raise RefusalError(why, USAGE)
    engine = read_engine(Layout(root), time.time())
    if on and engine.is_alive and engine.place and engine.place.lower() != on:
        raise RefusalError(
            f"the engine's workers run on {engine.place}; `{program()} stop {root} --yes` ends it, "
            f"then run --on {on} again"
        )


def run_cells(
    root: Path,
    planned: Plan,
    selectors: list[str],
    headless: bool,
    dry_run: bool = False,
    as_json: bool = False,
    limit: Limit = NO_LIMIT,
    on: str = "",
) -> int:
    """Ask for the cells of an experiment and show the work as asked."""
    state = read_state(root, planned)
    chosen = state.cells(selectors)
    answer = state.run(chosen)
    stale = stale_lines(root, state, set(chosen))
    if dry_run:
        show_expansion(answer, as_json, "would run")
    if limit and not as_json:
        tell(_outlook(state, limit))
    for line in stale:
        tell(plain(line))
    if dry_run:
        return OK
    if not answer.jobs and not _is_under_way(state, chosen):
        code = INCOMPLETE if stale else OK
        done = f"everything is done. `{program()} relaunch` runs cells again"
        tell(f"{count_of(len(chosen), 'cell')}: {'nothing is missing' if stale else done}")
        if headless or not (as_json or is_interactive()):
            return code
        return _show(root, chosen, headless, as_json, 0)
    refuse_without_workers(state.plan.resources)
    refuse_place(root, state.plan.resources, on)
    options = {"until": limit.until, "gpu_hours": limit.gpu_seconds and limit.gpu_seconds / 3600}
    reply = ask(
        root,
        "run",
        on=on,
        cells=tuple(map(str, chosen)) if selectors else (),
        options=options if limit else {},
    )
    if reply.why:
        tell(plain(reply.why))
    return reply.code or _show(root, chosen, headless, as_json, reply.since)


def _outlook(state: ExperimentState, limit: Limit) -> str:
    """Say how much there is to do, and how much of it the limit lets start."""
    costs = corrected(state.plan, expected(state.plan), state.of)
    left = [job for job in state.plan.by_id if state.statuses[job].state not in WITH_RESULT]
    is_known = are_known(costs[job] for job in left)
    work = duration(sum(costs[job].seconds for job in left) if is_known else None)
    now = time.time()
    time_left = "" if limit.until is None else f", {duration(limit.until - now)} from now"
    return (
        f"limit: {limit.said(now)}{time_left}; {count_of(len(left), 'open job')} of the grid take "
        f"about {work} in all. What would not end within the limit stays queued"
    )


def _show(root: Path, chosen: list[Cell], headless: bool, as_json: bool, offset: int) -> int:
    if as_json and not headless:
        document(lazy_status(root))
        return OK
    if is_interactive() and not headless:
        return show(root)
    return follow(root, chosen, headless, as_json, offset)


def _is_under_way(state: ExperimentState, chosen: list[Cell]) -> bool:
    wanted = set(chosen)
    return any(
        state.statuses[job.id].is_live
        for job in state.plan.jobs
        if job.cell is None or job.cell in wanted
    )
