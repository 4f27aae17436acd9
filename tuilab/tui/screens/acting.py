"""The verbs that screens share: relaunch, relaunch all that failed, stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuilab.contract.foreign import clean_line
from tuilab.grid.cells import Cell
from tuilab.grid.why_not import RESULTS_ONLY
from tuilab.store.requests import Request
from tuilab.store.snapshot import Snapshot
from tuilab.tui.messages import RequestMade
from tuilab.tui.present import twin
from tuilab.tui.screens.frame import Frame

if TYPE_CHECKING:
    from tuilab.grid.relaunch import Expansion
    from tuilab.tui.standing import Standing


class Acting(Frame):
    """A screen on which cells can be relaunched and stopped."""

    def chosen(self) -> list[Cell]:
        """The cells that a verb is about."""
        return []

    def _standing(self) -> tuple[Snapshot, Standing] | None:
        """Return what a verb is decided on, or say why there is none."""
        snapshot = self.lab.snapshot
        if snapshot is None:
            self.say("the experiment has not been read yet")
            return None
        standing = self.lab.standing()
        if standing is None:
            self.say(RESULTS_ONLY)
            return None
        if why := self.lab.why_not_write():
            self.say(why)
            return None
        return snapshot, standing

    def action_relaunch(self) -> None:
        """Ask what to relaunch of the chosen cells."""
        if (found := self._standing()) is None:
            return
        snapshot, standing = found
        cells = self.chosen()
        if not cells:
            self.say("no cell is selected: move to one, or mark cells with space")
            return
        refused = {cell: standing.why_not_relaunch(cell) for cell in cells}
        able = [cell for cell in cells if not refused[cell]]
        if not able:
            self.say(next(iter(refused.values())))
            return
        self._ask(snapshot, standing, able, standing.relaunch(able, None))
        if len(able) < len(cells):
            why = next(why for why in refused.values() if why)
            self.say(f"{len(cells) - len(able)} cells are left out: {why}")

    def action_relaunch_failed(self) -> None:
        """Ask whether to relaunch all that is failed, lost or suspect."""
        from tuilab.grid.relaunch import broken_cells
        from tuilab.grid.why_not import why_not_relaunch_failed

        if (found := self._standing()) is None:
            return
        snapshot, standing = found
        if why := why_not_relaunch_failed(list(standing.states.values())):
            self.say(why, "done")
            return
        cells = broken_cells(standing.plan, standing.states)
        self._ask(snapshot, standing, cells, standing.relaunch_failed(), is_all_broken=True)

    def _ask(
        self,
        snapshot: Snapshot,
        standing: Standing,
        cells: list[Cell],
        answer: Expansion,
        is_all_broken: bool = False,
    ) -> None:
        from tuilab.tui.screens.relaunch import Asked, RelaunchDialog

        if not answer.jobs:
            self.say(clean_line("; ".join(answer.refused.values()), 300) or "nothing would run")
            return
        if held := standing.held([one.job for one in answer.jobs]):
            self.say(f"held: {clean_line(held, 300)}")
        asked = Asked(tuple(cells), answer, is_all_broken)
        self.app.push_screen(RelaunchDialog(snapshot, standing, asked))

    def action_stop(self) -> None:
        """Ask whether to stop what runs or waits of the chosen cells."""
        from tuilab.tui.present.relaunch_text import name_cells, stop_lines, stoppable
        from tuilab.tui.screens.dialog import Question

        if (found := self._standing()) is None:
            return
        snapshot, standing = found
        cells = self.chosen()
        jobs = stoppable(standing.states, cells)
        if not jobs:
            self.say("nothing of it is running, queued or waiting")
            return
        names = twin.selectors(cells, [view.cell for view in snapshot.cells])
        command = twin.command("stop", snapshot.root, names)
        request = Request("stop", cells=tuple(map(str, cells)), jobs=tuple(job.job for job in jobs))

        def answered(answer: str | None) -> None:
            if answer == "stop":
                said = f"asked to stop {len(jobs)} job{'s' if len(jobs) > 1 else ''}"
                self.app.post_message(RequestMade(request, command, said))

        title = f"Stop {name_cells(cells, snapshot.labels)}"
        foot = [((f" $ {command}", "muted"),)]
        question = Question(
            title, stop_lines(jobs, min(68, self.size.width - 8)), [("stop", "Stop")], foot
        )
        self.app.push_screen(question, answered)
