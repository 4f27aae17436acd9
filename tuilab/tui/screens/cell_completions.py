"""Reads a cell's completions for its screen, and those of another epoch that stand beside them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from textual import work

from tuilab.grid.cells import Cell
from tuilab.grid.stages import Stage
from tuilab.grid.states import Attempt, JobStatus, State
from tuilab.store.snapshot import Snapshot
from tuilab.tui.attempt_files import Sampling, read_completions
from tuilab.tui.present import completions_text
from tuilab.tui.present.cell_room import Room, room_of
from tuilab.tui.present.cell_screen_text import Other, others
from tuilab.tui.present.completions_text import Asked, Beside, why_none
from tuilab.tui.screens.cell_actions import CellActions
from tuilab.tui.widgets.cell_tabs import CompletionsPane


class CellCompletions(CellActions):
    """Which job and attempt of a cell is shown, and the completions that they left."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell
        self.tab = ""
        """"" until the first snapshot: a cell opens at its results, or at its log without any."""
        self._jobs: list[JobStatus] = []
        self._stage: int | None = None
        """Place in the chain; None until the first snapshot chose the stage that speaks."""
        self._attempt: int | None = None
        """A chosen earlier attempt; None = the newest."""
        self._title_rows = 2
        self._sampling: Sampling | None = None
        """Whose completions are shown; None before the first look at them."""
        self._beside: Other | None = None
        """Whose completions are beside those of this cell."""
        self._answers: Beside | None = None
        """The completions themselves."""
        self._is_paired = False
        """Whether a person or a large terminal has chosen whose are beside them."""

    def show_results(self) -> None:
        """Show what the cell measured, where that tab is open."""

    @property
    def samples(self) -> CompletionsPane:
        """The completions pane."""
        return self.query_one(CompletionsPane)

    @property
    def _room(self) -> Room:
        """What the tabs have: header, title, chain, tabs and keys stand around them."""
        around = 3 + bool(self._jobs) + self._title_rows
        return room_of(self.size.width, self.size.height - around)

    @property
    def job(self) -> JobStatus | None:
        """The chosen stage of the chain."""
        return self._jobs[self._stage] if self._jobs and self._stage is not None else None

    @property
    def attempt(self) -> int:
        """Number of the attempt that is shown; 0 when there is none."""
        if self.job is None:
            return 0
        return self.job.attempt if self._attempt is None else self._attempt

    @property
    def _eval_place(self) -> int | None:
        """Place of the eval stage in the chain."""
        places = (n for n, job in enumerate(self._jobs) if job.stage is Stage.EVAL)
        return next(places, None)

    @property
    def told(self) -> tuple[JobStatus | None, int]:
        """The job and the attempt that the open tab shows: completions are always the eval's."""
        place = self._eval_place
        if self.tab != "completions" or place is None or place == self._stage:
            return self.job, self.attempt
        return self._jobs[place], self._jobs[place].attempt

    def known(self, job: JobStatus | None, number: int) -> Attempt | None:
        """What is known of an attempt of a job; None where there is none."""
        return None if job is None else self.tuilab.poller.attempt(job.job, number)

    @property
    def _is_imported(self) -> bool:
        snapshot = self.tuilab.snapshot
        return snapshot is not None and bool(snapshot.imported_from)

    def show_completions(self) -> None:
        """Show the completions of the attempt that is told of; read off the event loop."""
        job, number = self.told
        if job is None:
            self.samples.take((), Asked(), why_none(self._is_imported, None))
            return
        wanted = Sampling(job.job, number, job.state)
        if wanted == self._sampling:
            return
        if self._room.side:
            self._pair()
        self._sampling = wanted
        self.samples.listed.nothing = "reading"
        self._read_completions(wanted, self.known(job, number))

    @work(exclusive=True, group="completions")
    async def _read_completions(self, wanted: Sampling, attempt: Attempt | None) -> None:
        reader = self.tuilab.poller.reader
        found = await asyncio.to_thread(read_completions, reader, wanted, attempt)
        if not self.is_there:
            return
        labels = self.tuilab.snapshot.labels if self.tuilab.snapshot is not None else {}
        asked = Asked(labels, found.marker, found.questions)
        why = found.problem or ("" if found.rows else why_none(self._is_imported, attempt))
        self.samples.take(found.rows, asked, why)

    def search_samples(self, needle: str) -> None:
        """List only completions with this text; "" lists all again."""
        self.samples.look_through(replace(self.samples.choice, needle=needle))

    def take_eval(self) -> None:
        """Choose the eval stage: attempts of completions are its attempts."""
        if self._eval_place not in (None, self._stage):
            self._stage, self._attempt = self._eval_place, None

    def _pairs(self, snapshot: Snapshot) -> list[Other]:
        """Return whose completions may stand beside those of this cell."""
        job, number = self.told if self.tab == "completions" else (None, 0)
        if job is None and self._eval_place is not None:
            job = self._jobs[self._eval_place]
            number = job.attempt
        known = others(snapshot, self.cell, job, number) if job is not None else []
        return [one for one in known if one.attempt]

    def _pair(self) -> None:
        """Put a neighbouring epoch's completions beside where nobody has chosen yet."""
        snapshot = self.tuilab.snapshot
        if not self._is_paired and snapshot is not None:
            self._is_paired = True
            self._beside = next(iter(self._pairs(snapshot)), None)
            if self._beside is not None:
                self._read_beside(self._beside, is_asked=False)

    def _put_beside(self, answers: Beside | None) -> None:
        self._answers = answers
        self.samples.put_beside(answers)
        if self.tab == "results":
            self.show_results()

    def _compare_completions(self, snapshot: Snapshot) -> None:
        known = self._pairs(snapshot)
        place = known.index(self._beside) + 1 if self._beside in known else 0
        self._beside, self._is_paired = known[place] if place < len(known) else None, True
        if self._beside is None:
            self._put_beside(None)
            self.say("alone again" if known else "no other epoch has completions", "text")
        else:
            self._read_beside(self._beside)

    @work(exclusive=True, group="beside")
    async def _read_beside(self, other: Other, *, is_asked: bool = True) -> None:
        poller = self.tuilab.poller
        wanted = Sampling(other.job, other.attempt, State.DONE)
        attempt = poller.attempt(other.job, other.attempt)
        found = await asyncio.to_thread(read_completions, poller.reader, wanted, attempt)
        if not self.is_there or other != self._beside:
            return
        here = f"epoch {self.cell.epoch}"
        is_shown = is_asked or bool(found.rows)
        self._put_beside(Beside(other.name, here, found.rows) if is_shown else None)
        if is_asked:
            why = found.problem or ("" if found.rows else "no completions there")
            self.say(f"beside {other.name}{f': {why}' if why else ''}", "text")

    def action_choose(self, what: str) -> None:
        """List other completions: by persona, by question, hits only."""
        if self.tab != "completions":
            self.say("only on the completions tab: press tab")
            return
        pane = self.samples
        choice = {
            "persona": lambda: completions_text.next_persona(pane.choices, pane.choice),
            "question": lambda: completions_text.next_question(pane.choices, pane.choice),
            "hits": lambda: replace(pane.choice, hits_only=not pane.choice.hits_only),
        }[what]()
        pane.look_through(choice)
