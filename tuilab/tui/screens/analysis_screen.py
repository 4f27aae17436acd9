"""A screen that shows computed numbers: opened in a thread, again only when evidence changed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tuilab.contract.foreign import clean_line
from tuilab.grid.cells import Cell
from tuilab.grid.text import count_of
from tuilab.store.snapshot import Snapshot
from tuilab.tui.analysis_cache import AnalysisCache, evidence_of
from tuilab.tui.present.header import header
from tuilab.tui.screens.frame import Frame
from tuilab.tui.screens.grid import GridScreen

if TYPE_CHECKING:
    from tuilab.study.study import Study


class AnalysisScreen(Frame):
    """What the plots and the table share."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble = ""
        """Why there are no numbers; "" while they are computed or there."""
        self._is_computing = False
        self._refused: object = None
        """The evidence that could not be computed: it is not tried again."""

    @property
    def analyses(self) -> AnalysisCache:
        """Where the numbers lie."""
        return self.tuilab.analyses

    @property
    def study(self) -> Study | None:
        """The newest numbers of the open experiment; None before the first."""
        study = self.analyses.study
        return study if study is not None and study.root == self.tuilab.root else None

    @property
    def is_busy(self) -> bool:
        """Whether something newer than what is shown is on its way."""
        return self._is_computing

    def on_study(self) -> None:
        """Show new numbers, or why there are none."""

    def show_numbers(self) -> None:
        """Draw what is there for the size of the screen."""

    def on_state(self, snapshot: Snapshot) -> None:
        """Write the header; the rest waits for numbers."""
        self.write("header", header(snapshot, self.size.width, self.tuilab.glyphs))

    def on_screen_resize(self, columns: int, rows: int) -> None:
        """Lay out for the new size."""
        if self.tuilab.snapshot is not None:
            self.on_state(self.tuilab.snapshot)
        self.show_numbers()

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Compute again when something was measured, not at every sign of progress."""
        self.on_state(snapshot)
        evidence = evidence_of(snapshot)
        is_known = evidence in (self.analyses.evidence, self._refused)
        if not is_known and not self._is_computing:
            self._is_computing = True
            self.run_worker(self._compute(snapshot), group="numbers")

    async def _compute(self, snapshot: Snapshot) -> None:
        evidence = evidence_of(snapshot)
        opened = asyncio.wrap_future(self.analyses.opened(snapshot))
        opened.add_done_callback(_look_at)
        try:
            study = await asyncio.shield(opened)
        except Exception as error:  # whatever keeps the numbers away is told to the person
            self.trouble = clean_line(str(error), 300) or type(error).__name__
            self._refused = evidence
        else:
            self.trouble = ""
            self.analyses.keep(evidence, study)
        finally:
            self._is_computing = False
        if not self.is_there:  # left while the numbers were computed: they are kept, not shown
            return
        self.on_study()
        if self.tuilab.snapshot is not None and self.tuilab.snapshot is not snapshot:
            self.on_snapshot(self.tuilab.snapshot)

    def waiting_words(self) -> str:
        """Say why there is nothing to see yet."""
        if self.trouble:
            return f"nothing yet: {self.trouble}"
        cells = len(self.tuilab.snapshot.cells) if self.tuilab.snapshot is not None else 0
        return f"computing the numbers for {count_of(cells, 'cell')}"

    # The grid below.

    def grid_below(self) -> GridScreen | None:
        """Return the grid screen under this one."""
        return next((one for one in self.app.screen_stack if isinstance(one, GridScreen)), None)

    def show_on_grid(self, cell: Cell) -> None:
        """Go back to the grid with the cursor on a cell."""
        home = self.grid_below()
        place = home.grid.table.place(cell) if home is not None else None
        if home is None or place is None:
            self.say("this cell is hidden by the grid's filter or seed")
            return
        while self.app.screen is not home:
            self.app.pop_screen()
        home.grid.move_to(*place)

    def seed_on_grid(self, source: str) -> int:
        """The seed to go to for a value that is a mean: the first one the grid shows."""
        home, snapshot = self.grid_below(), self.tuilab.snapshot
        rows = home.grid.table.rows if home is not None else ()
        seeds = [row.seed for row in rows if row.source == source]
        known = snapshot.seeds if snapshot is not None else ()
        return next(iter([*seeds, *known]), 0)


def _look_at(done: asyncio.Future[Study]) -> None:
    """Take note of a failure, or asyncio complains when the screen was left before it came."""
    if not done.cancelled():
        done.exception()
