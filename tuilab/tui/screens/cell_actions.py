"""The verbs that screens share: relaunch, stop, accept, grow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuilab.contract.foreign import clean_line
from tuilab.grid.cells import Cell
from tuilab.grid.text import count_of
from tuilab.grid.why_not import RESULTS_ONLY
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present import cli_equivalent
from tuilab.tui.screens.frame import Frame

if TYPE_CHECKING:
    from tuilab.grid.experiment_state import ExperimentState


class CellActions(Frame):
    """A screen on which cells can be relaunched and stopped."""

    def chosen(self) -> list[Cell]:
        """The cells that a verb is about."""
        return []

    def _state(self) -> tuple[Snapshot, ExperimentState] | None:
        """Return what a verb is decided on, or say why there is none."""
        snapshot = self.tuilab.snapshot
        if snapshot is None:
            self.say("still reading the experiment")
            return None
        state = self.tuilab.experiment_state()
        if state is None:
            self.say(RESULTS_ONLY)
            return None
        if why := self.tuilab.why_not_write():
            self.say(why)
            return None
        return snapshot, state

    def action_relaunch(self) -> None:
        """Ask what to relaunch of the chosen cells."""
        from tuilab.grid.relaunch import STOP_FIRST

        if (found := self._state()) is None:
            return
        snapshot, state = found
        cells = self.chosen()
        if not cells:
            self.say("no cell selected: move to one, or mark cells with space")
            return
        refused = state.relaunch(cells).refused
        why = next(iter(refused.values()), "").replace(STOP_FIRST, f"{STOP_FIRST} (x)")
        able = [cell for cell in cells if str(cell) not in refused]
        if not able:
            self.say(why)
            return
        self._ask(snapshot, state, able)
        if refused:
            left = count_of(len(refused), "cell is", "cells are")
            self.say(f"{left} left out: {why}")

    def action_relaunch_failed(self) -> None:
        """Ask whether to relaunch all that failed; where nothing did, all that is stale."""
        if (found := self._state()) is not None:
            self._ask(*found)

    def _ask(self, snapshot: Snapshot, state: ExperimentState, cells: Sequence[Cell] = ()) -> None:
        from tuilab.tui.screens.relaunch import RelaunchDialog, Scope, everything

        scopes = [*([Scope(tuple(cells))] if cells else []), *everything(state)]
        if not scopes:
            self.say("no cell is failed, lost, suspect or stale", "done")
            return
        answer = scopes[0].expand(state)
        if not answer.jobs:
            self.say(clean_line("; ".join(answer.refused.values()), 300) or "nothing would run")
            return
        if held := state.held([one.job for one in answer.jobs]):
            self.say(f"held: {clean_line(held, 300)}")
        self.app.push_screen(RelaunchDialog(snapshot, state, scopes))

    def action_stop(self) -> None:
        """Ask whether to stop what runs or waits of the chosen cells."""
        from tuilab.grid.request import Request
        from tuilab.tui.present.relaunch_text import name_cells, stoppable
        from tuilab.tui.screens.stop import StopDialog

        if (found := self._state()) is None:
            return
        snapshot, state = found
        cells = self.chosen()
        jobs = stoppable(state.statuses, cells)
        if not jobs:
            self.say("none of these is running, queued or waiting")
            return
        names = cli_equivalent.selectors(cells, [view.cell for view in snapshot.cells])
        command = cli_equivalent.command("stop", snapshot.root, names)
        request = Request("stop", cells=tuple(map(str, cells)), jobs=tuple(job.job for job in jobs))
        title = f"Stop {name_cells(cells, snapshot.labels)}"
        self.app.push_screen(StopDialog(title, jobs, request, command))

    def action_accept(self) -> None:
        """Ask why stale results of the chosen cells still count."""
        from tuilab.grid.acceptance import why_not_accept
        from tuilab.tui.screens.accept import AcceptDialog

        if (found := self._state()) is None:
            return
        snapshot, state = found
        cells = self.chosen()
        if why := why_not_accept(state.plan, state.statuses, cells):
            self.say(why)
        else:
            stale = [cell for cell in state.stale_cells() if cell in set(cells)]
            self.app.push_screen(AcceptDialog(snapshot, stale))

    def action_note(self) -> None:
        """Ask what to write down about the chosen cells."""
        from tuilab.tui.screens.note import NoteDialog

        if (found := self._state()) is not None and (cells := self.chosen()):
            self.app.push_screen(NoteDialog(found[0], cells))

    def action_note_experiment(self) -> None:
        """Ask what to write down about the experiment."""
        from tuilab.tui.screens.note import NoteDialog

        if (found := self._state()) is not None:
            self.app.push_screen(NoteDialog(found[0], ()))

    def action_grow(self) -> None:
        """Ask for sources, epochs and seeds to add."""
        from tuilab.tui.screens.grow import GrowDialog

        if (found := self._state()) is not None:
            self.app.push_screen(GrowDialog(found[0]))
