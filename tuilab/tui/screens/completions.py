"""What the cell screen shows of a stage's attempts, and the completions of its eval."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from textual import work

from tuilab.grid.stages import Stage
from tuilab.grid.states import Attempt, JobStatus
from tuilab.tui.completions import Sampling
from tuilab.tui.experiment_state import attempt_of
from tuilab.tui.present import completions_text
from tuilab.tui.present.completions_text import Asked, why_none
from tuilab.tui.screens.cell_actions import CellActions
from tuilab.tui.widgets.tabs import CompletionsPane


class CompletionsOfCell(CellActions):
    """The chosen stage and attempt of a cell, and its completions tab."""

    tab: str
    """Name of the open tab."""

    def __init__(self) -> None:
        super().__init__()
        self._jobs: list[JobStatus] = []
        self._stage: int | None = None
        """Place in the chain; None until the first snapshot chose the stage that speaks."""
        self._attempt: int | None = None
        """A chosen earlier attempt; None = the newest."""
        self._sampling: Sampling | None = None
        """Whose completions are shown; None before the first look at them."""

    @property
    def samples(self) -> CompletionsPane:
        """The completions pane."""
        return self.query_one(CompletionsPane)

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
        source = self.tuilab.poller.source
        return None if job is None else attempt_of(source, job.job, number)

    def _show_completions(self) -> None:
        job, number = self.told
        if job is None:
            self.samples.take((), Asked(), why_none(self._is_imported, None))
            return
        wanted = Sampling(job.job, number, job.state)
        if wanted == self._sampling:
            return
        self._sampling = wanted
        self.samples.listed.nothing = "reading"
        self._read_completions(wanted, self.known(job, number))

    @work(exclusive=True, group="completions")
    async def _read_completions(self, wanted: Sampling, attempt: Attempt | None) -> None:
        from tuilab.tui.completions import read_completions

        source = self.tuilab.poller.source
        found = await asyncio.to_thread(read_completions, source, wanted, attempt)
        if not self.is_there:
            return
        labels = self.tuilab.snapshot.labels if self.tuilab.snapshot is not None else {}
        asked = Asked(labels, found.marker, found.questions)
        why = found.problem or ("" if found.rows else why_none(self._is_imported, attempt))
        self.samples.take(found.rows, asked, why)

    @property
    def _is_imported(self) -> bool:
        snapshot = self.tuilab.snapshot
        return snapshot is not None and bool(snapshot.imported_from)

    def search_samples(self, needle: str) -> None:
        """List only completions with this text; "" lists all again."""
        self.samples.look_through(replace(self.samples.choice, needle=needle))

    def take_eval(self) -> None:
        """Choose the eval stage: attempts of completions are its attempts."""
        if self._eval_place not in (None, self._stage):
            self._stage, self._attempt = self._eval_place, None

    def action_choose(self, what: str) -> None:
        """List other completions: by persona, by question, hits only."""
        if self.tab != "completions":
            self.say("this is for the completions tab: tab goes there")
            return
        pane = self.samples
        choice = {
            "persona": lambda: completions_text.next_persona(pane.choices, pane.choice),
            "question": lambda: completions_text.next_question(pane.choices, pane.choice),
            "hits": lambda: replace(pane.choice, hits_only=not pane.choice.hits_only),
        }[what]()
        pane.look_through(choice)
