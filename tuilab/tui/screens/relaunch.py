"""The relaunch dialog: exactly what will run, from where, with which edits, at what cost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Input

from tuilab.contract.foreign import clean_line
from tuilab.grid.cells import Cell
from tuilab.grid.deviations import EditError, parse_edits
from tuilab.grid.relaunch import Expansion, from_scratch
from tuilab.store.requests import Request
from tuilab.store.snapshot import EngineState, Snapshot
from tuilab.tui.messages import RequestMade
from tuilab.tui.present import twin
from tuilab.tui.present.pieces import Line, fit_line, wrap
from tuilab.tui.present.relaunch_text import (
    Beginning,
    beginning_words,
    beginnings,
    job_lines,
    kept_words,
    name_cells,
    summary,
)
from tuilab.tui.screens.dialog import CANCEL
from tuilab.tui.screens.frame import Dialog
from tuilab.tui.standing import Standing, changed_by
from tuilab.tui.widgets.choice import Choice
from tuilab.tui.widgets.cycle import Cycle
from tuilab.tui.widgets.lines import Lines

START = "start"
_FIXED_ROWS = 13
"""What stands around the list of jobs: border, title, choices, answers, and the space between."""
EDIT_HINT = "edit, such as marker.lr = 1e-5; eval.samples = 20"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the dialog was opened for."""

    cells: tuple[Cell, ...]
    default: Expansion
    """What runs when nothing is changed in the dialog."""
    is_all_broken: bool = False
    """Whether ``R`` asked: all that is failed, lost or suspect."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What was changed in the dialog so far."""

    begin: Beginning = field(default_factory=Beginning)
    sets: Mapping[str, object] = field(default_factory=dict)
    changed: frozenset[str] = frozenset()
    """Jobs whose settings the edits change."""


class RelaunchDialog(Dialog):
    """Nothing is touched before Start, and Start does exactly what is listed."""

    CSS_PATH = "relaunch.tcss"
    BINDINGS = [  # noqa: RUF012
        Binding("escape,q", "cancel", "no", tooltip="change nothing", id="relaunch.cancel"),
        Binding("f", "stage", "from", tooltip="begin at another stage", id="relaunch.stage"),
        Binding("e", "edit", "edit", tooltip="edit a setting for these cells", id="relaunch.edit"),
        Binding("pagedown,j,down", "scroll(1)", "down", tooltip="read on", id="relaunch.down"),
        Binding("pageup,k,up", "scroll(-1)", "up", tooltip="read back", id="relaunch.up"),
    ]

    def __init__(self, snapshot: Snapshot, standing: Standing, asked: Asked) -> None:
        super().__init__()
        self._snapshot = snapshot
        self._standing = standing
        self._asked = asked
        self._choices = Choices()
        self._answer = asked.default
        self._problem = ""
        self._is_checking = False
        self._beginnings = beginnings([job.stage for job in standing.plan.jobs])

    def compose(self) -> ComposeResult:
        """Title and sum, the jobs, what is kept, the choices, the twin, the answers."""
        names = [beginning_words(one, self._asked.default) for one in self._beginnings]
        with Vertical(classes="window"):
            yield Lines(id="relaunch-title")
            with VerticalScroll(id="relaunch-scroll", can_focus=False):
                yield Lines(id="relaunch-jobs")
            yield Lines(id="relaunch-kept")
            yield Cycle("from ", names, id="relaunch-from")
            yield Input(placeholder=EDIT_HINT, id="relaunch-edit")
            yield Lines(id="relaunch-verdict")
            yield Lines(id="relaunch-twin")
            yield Choice([(CANCEL, "Cancel"), (START, "Start")])

    def on_mount(self) -> None:
        """Show what would run; the cursor stands on Cancel."""
        self.query_one(Input).cursor_blink = False
        self._show()
        self.query_one(Choice).focus()

    def on_resize(self) -> None:
        """Fit the list to the new height."""
        self._show()

    # What is said.

    def _show(self) -> None:
        columns = min(76, self.app.size.width) - 4
        title = f" Relaunch {name_cells(self._asked.cells, self._snapshot.labels)}"
        self._say("title", [((title, "title"),), summary(self._answer)])
        jobs = job_lines(self._answer, columns - 2)
        self.query_one("#relaunch-jobs").styles.height = max(1, len(jobs))
        self._say("jobs", jobs)
        kept = kept_words(self._answer, self._standing.states, self._asked.cells)
        rows = wrap(kept, columns - 2)[:2]
        self.query_one("#relaunch-kept").styles.height = len(rows)
        room = max(2, self.app.size.height - _FIXED_ROWS - len(rows))
        self.query_one("#relaunch-scroll").styles.height = min(room, max(1, len(jobs)))
        self._say("kept", [((f" {row}", "muted"),) for row in rows])
        self._say("verdict", [fit_line(self._verdict(), columns)])
        command = ((" $ ", "muted"), (self._twin(), "muted"))
        self._say("twin", [fit_line(command, columns)])

    def _say(self, part: str, lines: list[Line]) -> None:
        self.query_one(f"#relaunch-{part}", Lines).show(lines)

    def _verdict(self) -> Line:
        """One line of judgement on the edits, a breaker, or a missing engine."""
        if self._problem:
            return ((f" {clean_line(self._problem, 300)}", "failed"),)
        if self._is_checking:
            return ((" checking the edit", "muted"),)
        if self._choices.sets:
            count = len(self._choices.changed)
            return ((f" the edit changes {count} jobs and is kept for these cells", "done"),)
        if held := self._standing.held([one.job for one in self._answer.jobs]):
            return ((f" held: {clean_line(held, 300)}", "warn"),)
        if self._snapshot.engine.state is EngineState.STOPPED:
            return ((" no engine is running: it is started with them", "warn"),)
        return ((" e edits a setting, f changes the stage, tab goes round", "muted"),)

    def _twin(self) -> str:
        everything = [view.cell for view in self._snapshot.cells]
        begin, sets = self._choices.begin, self._choices.sets
        names = ["--failed"]
        if not self._asked.is_all_broken:
            names = twin.selectors(self._asked.cells, everything)
        stage = begin.stage.value if begin.stage else None
        return twin.relaunch(self._snapshot.root, names, stage, sets, begin.restart)

    # What is chosen.

    def action_scroll(self, step: int) -> None:
        """Read on in the list of jobs."""
        self.query_one("#relaunch-scroll").scroll_relative(y=step * 3, animate=False)

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

    @on(Input.Submitted)
    def _edit_submitted(self) -> None:
        self.query_one(Choice).focus()

    @on(Input.Changed)
    def _edit_typed(self, event: Input.Changed) -> None:
        texts = [part for part in event.value.split(";") if part.strip()]
        self._choices = Choices(self._choices.begin)
        self._problem = ""
        self._is_checking = False
        self.workers.cancel_group(self, "edits")
        try:
            sets = parse_edits(texts)
        except EditError as error:
            self._problem = str(error)
            self._show()
            return
        if not sets:
            self._expand()
            return
        self._is_checking = True
        self._show()
        self.run_worker(self._check(sets), group="edits", exclusive=True)

    async def _check(self, sets: Mapping[str, object]) -> None:
        """Plan the cells under the edits, off the event loop, and show what it changes."""
        try:
            changed = await asyncio.to_thread(
                changed_by, self._snapshot.root, self._standing.plan, list(self._asked.cells), sets
            )
        except Exception as error:  # a config, a plan or an edit that cannot be: told as it is
            why = str(error).replace(f"{self._snapshot.root}/", "")
            self._is_checking, self._problem = False, why
            if self.is_there:
                self._show()
            return
        if not self.is_there:
            return
        self._is_checking = False
        if not changed:
            self._problem = "the edit changes no job of these cells: they have that value already"
        self._choices = replace(self._choices, sets=sets, changed=changed)
        self._expand()

    def _expand(self) -> None:
        chosen, begin = self._choices, self._choices.begin
        answer = self._asked.default
        if begin.stage or chosen.sets:
            cells = list(self._asked.cells)
            answer = self._standing.relaunch(cells, begin.stage, chosen.changed)
        self._answer = from_scratch(answer) if begin.restart else answer
        self._show()

    # What is answered.

    @on(Choice.Taken)
    def _answered(self, event: Choice.Taken) -> None:
        if event.name == CANCEL:
            self.action_cancel()
        elif not (self._problem or self._is_checking) and self._answer.jobs:
            self._start()

    def action_cancel(self) -> None:
        """Change nothing."""
        self.dismiss(False)

    def _start(self) -> None:
        jobs = tuple(one.job for one in self._answer.jobs)
        begin = self._choices.begin
        request = Request(
            "relaunch",
            cells=tuple(map(str, self._asked.cells)),
            jobs=jobs,
            from_stage=begin.stage.value if begin.stage else None,
            sets=dict(self._choices.sets),
            options={"restart": True} if begin.restart else {},
        )
        said = "asked for 1 job" if len(jobs) == 1 else f"asked for {len(jobs)} jobs"
        self.app.post_message(RequestMade(request, self._twin(), said))
        self.dismiss(True)
