"""The queue and the machine: what runs, what is next, in which order, on what."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult

from tuilab.grid.jobs import parse_job_id
from tuilab.grid.request import Request
from tuilab.grid.states import JobStatus, State
from tuilab.grid.text import count_of
from tuilab.store.snapshot import Snapshot
from tuilab.tui import keys
from tuilab.tui.messages import RequestMade
from tuilab.tui.present import cli_equivalent, queue_text
from tuilab.tui.present.header import header
from tuilab.tui.present.side_pane import event_lines, last_events
from tuilab.tui.present.styled_text import fit_line, rule
from tuilab.tui.screens.frame import Frame
from tuilab.tui.widgets.key_bar import KeyBar
from tuilab.tui.widgets.lines import Lines
from tuilab.tui.widgets.row_list import RowList


class QueueScreen(Frame):
    """Reorder, hold, release and stop single jobs."""

    CSS_PATH = "queue.tcss"
    BINDINGS = keys.QUEUE

    def __init__(self) -> None:
        super().__init__()
        self._order: list[str] = []
        self._seen: tuple[str, ...] = ()
        """The queue of the last snapshot: a wished order stands until it changes."""
        self._known: dict[str, JobStatus] = {}

    def compose(self) -> ComposeResult:
        """Header, queue, machine, keys."""
        yield Lines(id="header")
        yield Lines(id="queue-rule")
        yield RowList(id="queue")
        yield Lines(id="machine")
        yield KeyBar(keys.QUEUE, self.tuilab.glyphs)

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Show queue and machine anew; the cursor stays on its job."""
        if snapshot.queue != self._seen:
            self._order, self._seen = list(snapshot.queue), snapshot.queue
        self._known = snapshot.statuses
        self._show(snapshot)

    def _show(self, snapshot: Snapshot) -> None:
        glyphs, columns = self.tuilab.glyphs, self.size.width
        self.write("header", header(snapshot, columns, glyphs))
        title = rule("queue", count_of(len(self._order), "job"), columns, glyphs.stroke)
        self.write("queue-rule", title)
        listed = self.listed
        listed.nothing = queue_text.why_empty(snapshot)
        rows = queue_text.queue_rows(snapshot, self._order, self._known, glyphs)
        listed.show(rows)
        lines = queue_text.machine_lines(snapshot, self.tuilab.time(), columns, glyphs)
        lines.append(rule("events", "v history", columns, glyphs.stroke))
        # A short queue leaves the events what it does not need.
        spare = self.size.height - 3 - len(lines) - max(1, len(rows))
        count = max(2 if self.size.height < 32 else 6, spare)
        lines += event_lines(last_events(snapshot, count), columns, count)
        machine = self.query_one("#machine", Lines)
        machine.styles.height = len(lines)
        machine.show([fit_line(line, columns) for line in lines])

    def action_shift(self, step: int) -> None:
        """Move the job under the cursor up or down the queue."""
        job = self.listed.here
        if why := queue_text.why_not_moved(job, self._order, self._known):
            self.say(why)
        elif job is not None and self._may_act():
            place = self._order.index(job)
            wished = queue_text.moved(self._order, place, step)
            self._wish_order(wished, max(place, place + step))

    def action_first(self) -> None:
        """Move the job under the cursor to the front of the queue."""
        job = self.listed.here
        if why := queue_text.why_not_moved(job, self._order, self._known):
            self.say(why)
        elif job is not None and self._may_act():
            self._wish_order([job, *(one for one in self._order if one != job)], 0)

    def _wish_order(self, wished: list[str], last: int) -> None:
        """Show the wished order at once and ask for it; jobs behind ``last`` stay as they are."""
        if wished == self._order:
            self.say("already first" if last == 0 else "already last")
            return
        self._order = wished
        if self.tuilab.snapshot is not None:
            self._show(self.tuilab.snapshot)
        jobs = tuple(wished[: last + 1])
        self._ask(Request("order", jobs=jobs), "asked for this order")

    def action_hold(self) -> None:
        """Hold the job under the cursor back, or release it."""
        job = self.listed.here
        status = self._known.get(job or "")
        if job is None or status is None or status.state is State.RUNNING:
            self.say("only a job that has not started can be held; x stops a running one")
        elif status.given_to:
            self.say(f"{job} is already next on a worker; x takes it out")
        elif self._may_act():
            if queue_text.is_held(status):
                self._ask(Request("release", jobs=(job,)), f"asked to release {job}")
            else:
                self._ask(Request("hold", jobs=(job,)), f"asked to hold {job}")

    def action_stop(self) -> None:
        """Ask whether to end the job under the cursor, or take it out of the queue."""
        from tuilab.tui.screens.stop import StopDialog

        job, root = self.listed.here, self.tuilab.root
        status = self._known.get(job or "")
        if job is None or status is None or root is None:
            self.say("nothing to stop")
        elif self._may_act():
            request = Request("stop", jobs=(job,))
            command = cli_equivalent.of_jobs(request, root)
            self.app.push_screen(StopDialog(f"Stop {job}", [status], request, command))

    def action_copy(self) -> None:
        """Copy the command for the log of the job under the cursor."""
        job, root = self.listed.here, self.tuilab.root
        if job is None or root is None:
            self.say("no job here")
            return
        text = cli_equivalent.command("logs", root, [job])
        self.tuilab.copy(text, f"$ {text}")

    @on(RowList.Opened)
    def action_open(self) -> None:
        """Open the cell of the job under the cursor."""
        from tuilab.grid.cells import Cell
        from tuilab.tui.screens.cell import CellScreen

        job = self.listed.here
        if job is None:
            self.say("no job here")
            return
        _, source, epoch, seed = parse_job_id(job)
        if epoch is None or seed is None:
            self.say("this job is shared by several cells: open one of them on the grid")
            return
        self.app.push_screen(CellScreen(Cell(source, epoch, seed)))

    def _may_act(self) -> bool:
        if why := self.tuilab.why_not_write():
            self.say(why)
            return False
        return True

    def _ask(self, request: Request, said: str) -> None:
        self.app.post_message(RequestMade(request, self._twin(request), said))

    def _twin(self, request: Request) -> str:
        return "" if self.tuilab.root is None else cli_equivalent.of_jobs(request, self.tuilab.root)
