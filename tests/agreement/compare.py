"""Asks every reader and verb of a folder, and the engine that would take it over."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.cli.small_grid import call
from tuilab.cli.errors import RefusalError
from tuilab.cli.verbs.control import _what_stops
from tuilab.cli.verbs.export import _finished
from tuilab.cli.verbs.logs import _log_of
from tuilab.engine.decide.requests import Answer, Known, answer
from tuilab.engine.decide.tick import decide
from tuilab.engine.startup import Opened, open_experiment
from tuilab.grid.cells import Cell
from tuilab.grid.endings import short_ending
from tuilab.grid.experiment_state import ExperimentState
from tuilab.grid.plain_results import PlainResults
from tuilab.grid.relaunch import Expansion
from tuilab.grid.request import Request
from tuilab.grid.stages import CELL_STAGES, Stage
from tuilab.grid.states import BROKEN, LIVE, JobStatus, State, derive_cell
from tuilab.store.cell_views import CellViews
from tuilab.store.read_state import read_state
from tuilab.store.reader import Reader
from tuilab.store.snapshot import CellView
from tuilab.store.state import StateReader
from tuilab.store.status import status
from tuilab.tui.present import cli_equivalent
from tuilab.tui.present.relaunch_text import stoppable


def document(*words: str) -> Any:
    """Return what a verb prints with --json."""
    found = call(*words, "--json")
    assert found.exit_code == 0, (words, found.output)
    return json.loads(found.stdout)


def jobs_of(words: Sequence[str]) -> dict[str, int]:
    """Return the jobs, with attempt numbers, that a command line would touch."""
    return {one["job"]: one["attempt"] for one in document(*words, "--dry-run")["jobs"]}


def twin(command: str | Sequence[str]) -> list[str]:
    """Return the words of a command line that a dialog shows, without the program's name."""
    return (shlex.split(command) if isinstance(command, str) else list(command))[1:]


def compare_readers(root: Path) -> ExperimentState:
    """Hold all that shows states against the reading that verbs decide on; return that."""
    now = time.time()
    state = read_state(root, now=now)
    reader = Reader(root)
    snapshot = reader.poll(now)
    assert snapshot.statuses == state.statuses
    assert list(snapshot.cells) == list(_made_of_objects(reader, now))
    once = Reader(root, is_once=True).poll(now)
    assert list(once.cells) == list(snapshot.cells)
    assert (once.counts, once.engine) == (snapshot.counts, snapshot.engine)
    for job in state.statuses:
        assert reader.of(job) == state.of(job)
    _compare_status(root, state, now)
    return state


def _made_of_objects(reader: Reader, now: float) -> Sequence[CellView]:
    """The cells of a reader for which no column says that a job is plain."""
    objects = StateReader(reader.layout, reader.plan)
    objects.read(now, reader.poll(now).engine)
    objects.states._plain = PlainResults(reader.plan, is_empty=True)
    return CellViews(objects).views


def _compare_status(root: Path, state: ExperimentState, now: float) -> None:
    told = status(root, now)
    shown = {_cell_of(one): (one["state"], one["reason"]) for one in told["cells"]}
    own = _by_cell(state.statuses)
    speaks = {cell: derive_cell(statuses) for cell, statuses in own.items()}
    assert shown == {cell: (one.state.value, one.reason) for cell, one in speaks.items()}
    broken = {
        job.id: state.statuses[job.id].reason
        for job in state.plan.jobs
        if job.cell is None and state.statuses[job.id].state in BROKEN
    }
    listed = {one["job"]: one["reason"] for one in told["jobs_failed"]}
    stopped = {job for job in listed if state.statuses[job].state is State.STOPPED}
    assert {job: why for job, why in listed.items() if job not in stopped} == broken


def _cell_of(one: Mapping[str, Any]) -> Cell:
    return Cell(one["source"], one["epoch"], one["seed"])


def _by_cell(statuses: Mapping[str, JobStatus]) -> dict[Cell, list[JobStatus]]:
    order = {stage: place for place, stage in enumerate(CELL_STAGES)}
    found: dict[Cell, list[JobStatus]] = {}
    for job, one in sorted(statuses.items(), key=lambda item: order.get(item[1].stage, -1)):
        _, _, where = job.partition("/")
        if one.stage in CELL_STAGES:
            source, _, rest = where.partition("@")
            epoch, _, seed = rest.partition("#")
            found.setdefault(Cell(source, int(epoch), int(seed)), []).append(one)
    return found


def compare_quick_verbs(root: Path, state: ExperimentState) -> None:
    """What stop, queue, logs and export make of it, and the command line of the stop dialog."""
    words = {State.RUNNING, State.QUEUED, State.WAITING}
    running = [job for job, one in state.statuses.items() if one.state is State.RUNNING]
    due = [job for job, one in state.statuses.items() if one.state in words - {State.RUNNING}]
    stops = document("stop", str(root), "--dry-run")
    assert (stops["ends"], stops["takes_back"]) == (running, due)
    queued = document("queue", str(root))
    assert {one["job"] for one in queued["running"]} == set(running)
    assert {one["job"] for one in queued["due"]} == set(due)
    for cell in state.plan.cells:
        names = cli_equivalent.selectors([cell], state.plan.cells)
        here = [one.job for one in stoppable(state.statuses, [cell])]
        ends, takes_back = _what_stops(root, names)
        assert sorted(ends + takes_back) == sorted(here)
        _compare_export(root, state, cell)
    for job in state.statuses:
        _compare_log(root, state, job)


def _compare_export(root: Path, state: ExperimentState, cell: Cell) -> None:
    job = f"{Stage.TRAIN.value}/{cell}"
    try:
        found = _finished(root, str(cell), Stage.TRAIN)[1].name
    except RefusalError as error:
        assert state.statuses[job].state is not State.DONE
        assert state.statuses[job].state.value in str(error)
    else:
        assert state.statuses[job].state is State.DONE
        assert found == f"attempt-{state.statuses[job].attempt}"


def _compare_log(root: Path, state: ExperimentState, job: str) -> None:
    last = state.of(job).last
    try:
        _, _, ending = _log_of(root, job, None, None)
    except RefusalError:
        assert last is None
        return
    assert last is not None
    assert bool(ending) == bool(short_ending(last))
    assert (last.reason or "") in ending


def compare_acting_verbs(root: Path, state: ExperimentState) -> None:
    """What run and relaunch would do is what the dialogs list, and all that is shown as broken."""
    where = str(root)
    assert jobs_of(["run", where]) == state.run(state.plan.cells).wanted
    failed = state.relaunch_failed()
    command = cli_equivalent.relaunch(root, ["--failed"])
    assert jobs_of(twin(command)) == failed.wanted
    compare_broken(state, failed)
    for cell in state.plan.cells:
        names = cli_equivalent.selectors([cell], state.plan.cells)
        assert jobs_of(twin(cli_equivalent.relaunch(root, names))) == state.relaunch([cell]).wanted
    for stage in (Stage.CONVERGE, Stage.EVAL):
        command = cli_equivalent.relaunch(root, ["--failed"], stage.value)
        shown = state.relaunch(state.broken_cells(), stage)
        assert jobs_of(twin(command)) == shown.wanted


def compare_broken(state: ExperimentState, failed: Expansion) -> None:
    """All that is shown as failed, lost or suspect is relaunched, or its cell says why not."""
    for job, one in state.statuses.items():
        if one.state in BROKEN and job not in failed.wanted:
            cell = state.plan.by_id[job].cell
            assert cell is not None, job
            assert failed.refused[str(cell)], job


def compare_engine(root: Path, state: ExperimentState) -> None:
    """An engine that comes records what was shown, and does then what it is asked for."""
    opened = open_experiment(root, go=False, takeover=False)
    try:
        _settle_all(opened)
        states = opened.states
        for job in state.statuses:
            shown, made = state.of(job).last, states.of(job).last
            assert (shown is None) == (made is None), job
            if shown is not None and made is not None:
                told = (made.number, made.verdict, made.reason, made.output_hash)
                assert told == (shown.number, shown.verdict, shown.reason, shown.output_hash), job
        ours = ExperimentState(states.plan, states, states.statuses)
        _compare_answers(state, Known(ours, states.ledger))
    finally:
        opened.gatherer.watcher.close()
        opened.lease.release(time.time())


def _settle_all(opened: Opened) -> None:
    """Let the engine do all but start something."""
    for _ in range(200):
        facts = opened.gatherer.facts()
        for action in decide(facts, may_start=False):
            opened.performer.perform(action)
        watches = opened.gatherer.watcher.watches
        waiting = [
            one
            for one in facts.attempts
            if (watch := watches.get((one.job, one.number))) and watch.files.has_outcome
        ]
        live = {job for job, _ in opened.ended} & opened.states.live
        if not waiting and not live:
            return
    raise AssertionError("it never came to rest")


def _compare_answers(shown: ExperimentState, known: Known) -> None:
    everything = answer(Request("run", id="r"), known)
    assert _wanted(everything) == shown.run(shown.plan.cells).wanted
    dialogs = [shown.relaunch_failed(), *(shown.relaunch([cell]) for cell in shown.plan.cells)]
    for listed in [one.wanted for one in dialogs if one.jobs]:
        asked = Request("relaunch", jobs=tuple(listed), id="r")
        assert _wanted(answer(asked, known)) == listed
    live = {job for job, one in shown.statuses.items() if one.is_live}
    assert set(answer(Request("stop", id="r"), known).stops) == live
    assert {job for job in shown.statuses if (last := known.state.of(job).last)
            and last.verdict in LIVE} == live  # fmt: skip


def _wanted(given: Answer) -> dict[str, int]:
    found: dict[str, int] = {}
    for entry in given.entries:
        found |= entry["jobs"]
    return found
