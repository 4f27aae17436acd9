"""The stop dialog: what becomes of each job that runs, queues or waits."""

from __future__ import annotations

from collections.abc import Sequence

from tuilab.grid.request import Request
from tuilab.grid.states import JobStatus
from tuilab.grid.text import count_of
from tuilab.tui.messages import RequestMade
from tuilab.tui.present.relaunch_text import stop_lines
from tuilab.tui.screens.dialog import Question


class StopDialog(Question):
    """Nothing is stopped before Stop."""

    def __init__(
        self, title: str, jobs: Sequence[JobStatus], request: Request, command: str
    ) -> None:
        super().__init__(title, (), [("stop", "Stop")], [command])
        self._jobs = tuple(jobs)
        what = jobs[0].job if len(jobs) == 1 else count_of(len(jobs), "job")
        self._wish = RequestMade(request, command, f"asked to stop {what}")

    def settle(self) -> None:
        """Say what will happen."""
        self.show_body(stop_lines(self._jobs, self.columns - 2))

    def take(self, answer: str) -> None:
        """Ask for it."""
        self.app.post_message(self._wish)
        self.dismiss(answer)
