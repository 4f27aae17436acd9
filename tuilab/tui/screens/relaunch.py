"""The relaunch dialog: exactly what will run, from where, with which edits, at what cost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Input

from tuilab.contract.foreign import clean_line
from tuilab.grid.cells import Cell
from tuilab.grid.edits import EditError, cell_edits, edited_before, parse_edits
from tuilab.grid.engine_view import EngineState
from tuilab.grid.experiment_state import ExperimentState
from tuilab.grid.relaunch import Expansion, from_scratch, stale_cells, stale_words
from tuilab.grid.request import Request
from tuilab.grid.text import count_of
from tuilab.grid.why_not import why_not_relaunch_failed
from tuilab.store.replan import changed_by
from tuilab.store.snapshot import Snapshot
from tuilab.tui import keys
from tuilab.tui.messages import RequestMade
from tuilab.tui.present import cli_equivalent
from tuilab.tui.present.relaunch_text import (
    Beginning,
    beginning_words,
    beginnings,
    edit_hint,
    edit_words,
    ending_words,
    job_lines,
    kept_words,
    name_cells,
    summary,
)
from tuilab.tui.present.styled_text import Line, fit_line, wrap
from tuilab.tui.screens.dialog import CANCEL
from tuilab.tui.screens.frame import Dialog
from tuilab.tui.widgets.choice import Choice, Cycle
from tuilab.tui.widgets.key_bar import KeyBar
from tuilab.tui.widgets.lines import Lines

START = "start"
_FIXED_ROWS = 14
"""What stands around the list of jobs: border, title, choices, answers, keys, and the space."""
_TIGHT_ROWS, _TIGHT_FIXED = 20, 9
"""Below so many rows it goes without the space, the keys and the word on what is kept."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which cells a relaunch is about."""

    cells: tuple[Cell, ...]
    option: str = ""
    """``--failed`` or ``--stale`` where all of these are meant."""

    def expand(self, state: ExperimentState) -> Expansion:
        """Return what runs when nothing is changed in the dialog."""
        is_failed = self.option == "--failed"
        return state.relaunch_failed() if is_failed else state.relaunch(self.cells)


def everything(state: ExperimentState) -> list[Scope]:
    """Return all that failed and all that is stale, as far as there is any."""
    found = []
    if not why_not_relaunch_failed(list(state.statuses.values())):
        found.append(Scope(tuple(state.broken_cells()), "--failed"))
    if stale := stale_cells(state.plan, state.statuses):
        found.append(Scope(tuple(stale), "--stale"))
    return found


@dataclass(frozen=True, slots=True)
class Choices:
    """What was changed in the dialog so far."""

    begin: Beginning = field(default_factory=Beginning)
    sets: Mapping[str, object] = field(default_factory=dict)
    changed: frozenset[str] = frozenset()
    """Jobs whose settings the edits change."""
    as_planned: bool = False
    """Whether the edits that the cells carry are taken back first."""


class RelaunchDialog(Dialog):
    """Nothing is touched before Start, and Start does exactly what is listed."""

    CSS_PATH = "relaunch.tcss"
    BINDINGS = keys.RELAUNCH

    def __init__(self, snapshot: Snapshot, state: ExperimentState, scopes: Sequence[Scope]) -> None:
        super().__init__()
        self._snapshot = snapshot
        self._state = state
        self._scopes = scopes
        self._choices = Choices()
        self._problem = ""
        self._is_checking = False
        self._beginnings = beginnings([job.stage for job in state.plan.jobs])
        self._take(scopes[0])

    def _take(self, scope: Scope) -> None:
        self._scope = scope
        self._default = self._unstaged = self._answer = scope.expand(self._state)
        """What runs: when nothing is changed, when no other stage is chosen, as chosen."""
        self._carried = cell_edits(self._state.plan, scope.cells)

    def compose(self) -> ComposeResult:
        """Title and sum, the jobs, what is kept, the choices, the twin, the answers."""
        with Vertical(classes="window"):
            yield Lines(id="relaunch-title")
            with VerticalScroll(id="relaunch-scroll", can_focus=False):
                yield Lines(id="relaunch-jobs")
            yield Lines(id="relaunch-kept")
            yield Cycle("f  from", self._beginning_names(), id="relaunch-from")
            yield Input(placeholder=edit_hint(self._state.plan), id="relaunch-edit")
            yield Lines(id="relaunch-verdict")
            yield Lines(id="relaunch-twin")
            yield Choice([(CANCEL, "Cancel"), (START, "Start")])
        yield KeyBar(self.BINDINGS, self.tuilab.glyphs)

    def on_mount(self) -> None:
        """Show what would run; the cursor stands on Cancel."""
        self.query_one(Input).cursor_blink = False
        if len(self._scopes) < 2:
            self.query_one(KeyBar).leave_out({"relaunch.scope"})
        self._show()
        self.query_one(Choice).focus()

    def on_resize(self) -> None:
        """Fit the list to the new height."""
        self._show()

    # What is said.

    def _show(self) -> None:
        columns = self.columns
        scope = self._scope
        named = name_cells(scope.cells, self._snapshot.labels, scope.option)
        self._say("title", [((f" Relaunch {named}", "title"),), summary(self._answer)])
        jobs = job_lines(self._answer, columns - 2)
        self.query_one("#relaunch-jobs").styles.height = max(1, len(jobs))
        self._say("jobs", jobs)
        kept = kept_words(self._answer, self._state.statuses, self._scope.cells)
        is_tight = self.app.size.height < _TIGHT_ROWS
        self.set_class(is_tight, "-tight")
        told = [] if is_tight else wrap(kept, columns - 2, 2)
        why = ending_words(self._snapshot, scope.cells)
        ended = (
            []
            if is_tight or not why
            else wrap(f"{'it' if len(scope.cells) == 1 else 'they'} ended: {why}", columns - 2, 2)
        )
        rows: list[Line] = [((f" {row}", "failed"),) for row in ended]
        rows += [((f" {row}", "muted"),) for row in told]
        if words := stale_words(self._answer, self._state.statuses):
            said = wrap(f"{words}; A in the grid accepts stale results instead", columns - 2)
            rows += [((f" {row}", "stale"),) for row in said[: 1 if is_tight else 2]]
        if edited := self._edited_words():
            rows.append(fit_line(((f" {edited}", "stale"),), columns))
        self.query_one("#relaunch-kept").styles.height = len(rows)
        fixed = _TIGHT_FIXED if is_tight else _FIXED_ROWS
        room = max(2, self.app.size.height - fixed - len(rows))
        command = self.command_lines(room - 1, self._twin())
        room = max(2, room - len(command) + 1)
        self.query_one("#relaunch-scroll").styles.height = min(room, max(1, len(jobs)))
        self._say("kept", rows)
        self.query_one(Cycle).rename(self._beginning_names())
        self._say("verdict", [fit_line(self._verdict(), columns)])
        self.query_one("#relaunch-twin").styles.height = len(command)
        self._say("twin", command)

    def _say(self, part: str, lines: list[Line]) -> None:
        self.query_one(f"#relaunch-{part}", Lines).show(lines)

    def _beginning_names(self) -> list[str]:
        default, changed = self._unstaged, self._choices.changed
        return [beginning_words(one, default, changed) for one in self._beginnings]

    def _edited_words(self) -> str:
        """Say which earlier edits these cells carry, and whether they stay."""
        words = edited_before(self._carried, self._scope.cells)
        if not words:
            return ""
        is_taken_back = self._choices.as_planned
        return f"takes back what was {words}" if is_taken_back else f"{words} (a takes it back)"

    def _verdict(self) -> Line:
        """One line of judgement on the edits, a breaker, or a missing engine."""
        if self._problem:
            return ((f" {clean_line(self._problem, 300)}", "failed"),)
        if self._is_checking:
            return ((" checking the edit", "muted"),)
        if self._choices.sets or self._choices.as_planned:
            return ((f" {edit_words(len(self._choices.changed), self._choices.sets)}", "done"),)
        if held := self._state.held([one.job for one in self._answer.jobs]):
            return ((f" held: {clean_line(held, 300)}", "warn"),)
        if self._snapshot.engine.state is EngineState.STOPPED:
            return ((" no engine is running; Start starts one", "warn"),)
        return ()

    def _twin(self) -> str:
        planned = [view.cell for view in self._snapshot.cells]
        begin, sets = self._choices.begin, self._choices.sets
        names = [self._scope.option]
        if not self._scope.option:
            names = cli_equivalent.selectors(self._scope.cells, planned)
        stage = begin.stage.value if begin.stage else None
        as_planned = self._choices.as_planned
        return cli_equivalent.relaunch(
            self._snapshot.root, names, stage, sets, begin.restart, as_planned
        )

    # What is chosen.

    def action_scroll(self, step: int) -> None:
        """Read on in the list of jobs."""
        self.query_one("#relaunch-scroll").scroll_relative(y=step * 3, animate=False)

    def action_scope(self) -> None:
        """Go on to all that failed, then all that is stale, then back."""
        if len(self._scopes) < 2:
            self._say("verdict", [((" nothing else is failed or stale", "warn"),)])
            return
        self._take(self._scopes[(self._scopes.index(self._scope) + 1) % len(self._scopes)])
        self._judge()

    def action_stage(self) -> None:
        """Begin at the next stage."""
        self.query_one(Cycle).action_step(1)

    def action_edit(self) -> None:
        """Type an edit."""
        self.query_one(Input).focus()

    @on(Cycle.Changed)
    def _stage_changed(self, event: Cycle.Changed) -> None:
        self._choices = replace(self._choices, begin=self._beginnings[event.place])
        self._expand()

    def action_as_planned(self) -> None:
        """Take back the edits that the cells carry, or keep them after all."""
        if not self._carried:
            self._say("verdict", [((" these cells have no edits to take back", "warn"),)])
            return
        self._choices = replace(self._choices, as_planned=not self._choices.as_planned)
        self._judge()

    @on(Input.Submitted)
    def _edit_submitted(self) -> None:
        """Go on to Start; an edit that cannot be stays under the cursor, with why."""
        if not self._problem:
            choice = self.query_one(Choice)
            choice.go(START)
            choice.focus()

    @on(Input.Changed)
    def _judge(self) -> None:
        """Judge the edit as it stands."""
        texts = [part for part in self.query_one(Input).value.split(";") if part.strip()]
        as_planned = self._choices.as_planned
        self._choices = Choices(self._choices.begin, as_planned=as_planned)
        self._problem = ""
        self._is_checking = False
        self.workers.cancel_group(self, "edits")
        try:
            sets = parse_edits(texts)
        except EditError as error:
            self._problem = str(error)
            self._show()
            return
        if not (sets or as_planned):
            self._expand()
            return
        self._is_checking = True
        self._show()
        # A coroutine that is overtaken before it began would be reported as never awaited.
        begin: Any = partial(self._check, sets)  # Textual takes one, and its types do not say so
        self.run_worker(begin, group="edits", exclusive=True)

    async def _check(self, sets: Mapping[str, object]) -> None:
        """Plan the cells under the edits, off the event loop, and show what it changes."""
        cells, as_planned = list(self._scope.cells), self._choices.as_planned
        root, plan = self._snapshot.root, self._state.plan
        try:
            changed = await asyncio.to_thread(changed_by, root, plan, cells, sets, as_planned)
        except Exception as error:  # a config, a plan or an edit that cannot be: told as it is
            why = str(error).replace(f"{root}/", "")
            self._is_checking, self._problem = False, why
            if self.is_there:
                self._show()
                self._back_to_the_edit()
            return
        if not self.is_there:
            return
        self._is_checking = False
        if not changed:
            self._problem = "this edit changes nothing: these cells already have that value"
        self._choices = replace(self._choices, sets=sets, changed=changed)
        self._expand()
        if self._problem:
            self._back_to_the_edit()

    def _back_to_the_edit(self) -> None:
        """Whoever went on to Start while the edit was judged has it to change."""
        choice = self.query_one(Choice)
        if choice.has_focus and choice.here == START:
            self.query_one(Input).focus()

    def _expand(self) -> None:
        chosen, begin = self._choices, self._choices.begin
        cells = list(self._scope.cells)
        answer = self._unstaged = self._default
        if chosen.sets or chosen.as_planned:
            answer = self._unstaged = self._state.relaunch(cells, None, chosen.changed)
        if begin.stage:
            answer = self._state.relaunch(cells, begin.stage, chosen.changed)
        self._answer = from_scratch(answer) if begin.restart else answer
        self._show()

    # What is answered.

    @on(Choice.Taken)
    def _answered(self, event: Choice.Taken) -> None:
        if event.name == CANCEL:
            self.action_cancel()
        elif self._problem:
            self.query_one(Input).focus()
        elif self._is_checking:
            self._say("verdict", [((" still checking the edit; nothing started yet", "warn"),)])
        elif self._answer.jobs:
            self._start()

    def action_cancel(self) -> None:
        """Change nothing."""
        self.dismiss(False)

    def _start(self) -> None:
        jobs = tuple(one.job for one in self._answer.jobs)
        begin = self._choices.begin
        request = Request(
            "relaunch",
            cells=tuple(map(str, self._scope.cells)),
            jobs=jobs,
            from_stage=begin.stage.value if begin.stage else None,
            sets=dict(self._choices.sets),
            options=self._options(),
        )
        said = f"asked for {count_of(len(jobs), 'job')}"
        self.app.post_message(RequestMade(request, self._twin(), said))
        self.dismiss(True)

    def _options(self) -> dict[str, bool]:
        chosen = {"restart": self._choices.begin.restart, "as_planned": self._choices.as_planned}
        return {name: True for name, is_chosen in chosen.items() if is_chosen}
