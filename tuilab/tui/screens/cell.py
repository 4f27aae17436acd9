"""The cell screen: how one cell came to its number, and everything it left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical

from tuilab.contract.report import LOG_FILE
from tuilab.grid.cells import Cell
from tuilab.grid.states import WITH_RESULT, State
from tuilab.grid.text import size, whole_percent
from tuilab.store.layout import Layout
from tuilab.store.snapshot import CellView, Snapshot
from tuilab.store.user_files import editor, pager
from tuilab.tui import keys
from tuilab.tui.attempt_files import (
    AttemptFiles,
    AttemptWatch,
    settings_of,
)
from tuilab.tui.cell_evidence import evidence_of
from tuilab.tui.cell_look import CellLook, look_at
from tuilab.tui.log_tail import Tail, part_around, search
from tuilab.tui.present.cell_panel import result_lines
from tuilab.tui.present.cell_room import Room, beside_lines, own_row_lines
from tuilab.tui.present.cell_screen_text import (
    Other,
    artefact_rows,
    attempt_line,
    attempt_tail,
    chain_line,
    chain_of,
    difference_words,
    flatten,
    others,
    parameter_rows,
    speaking_stage,
)
from tuilab.tui.present.cell_summary import apart, story
from tuilab.tui.present.grid_table import View, find
from tuilab.tui.present.header import header
from tuilab.tui.present.log_choice import why_no_log
from tuilab.tui.present.small_plot import charted
from tuilab.tui.present.styled_text import Line, fit_line, wrapped
from tuilab.tui.screens.cell_completions import CellCompletions
from tuilab.tui.widgets.cell_tabs import TABS, CompletionsPane, PlotPane, ResultsPane, tab_line
from tuilab.tui.widgets.field import Field
from tuilab.tui.widgets.key_bar import KeyBar
from tuilab.tui.widgets.lines import Lines
from tuilab.tui.widgets.log import LogView
from tuilab.tui.widgets.row_list import RowList

LIVE_SECONDS = 1.0
LISTS = {
    "results": "results-list",
    "parameters": "parameters",
    "files": "files",
    "completions": "completion-list",
}
"""The list of each tab that is one."""


class CellScreen(CellCompletions):
    """One cell: stage chain, and tabs for results, log, metrics, parameters, files, completions."""

    CSS_PATH = "cell.tcss"
    BINDINGS = keys.CELL

    def __init__(self, cell: Cell, view: View | None = None) -> None:
        super().__init__(cell)
        self._view = view
        """How the grid is looked through; None where it was not opened from there."""
        self._watch: AttemptWatch | None = None
        self._target: tuple[str, int] | None = None
        self._files = AttemptFiles()
        self._other: Other | None = None
        """Whose parameters stand beside those of this cell."""
        self._theirs: Mapping[str, str] | None = None
        self._found: CellLook | None = None
        """What the cell measured, when the results were opened last."""
        self._looked_in: State | None = None
        """State of the chosen stage when its files were read last."""

    def compose(self) -> ComposeResult:
        """Title and chain, tabs, the open pane, search line, keys."""
        yield Lines(id="header")
        yield Lines(id="cell-title")
        yield Lines(id="chain")
        yield Lines(id="tabs")
        with Vertical(id="panes"):
            yield LogView(id="log")
            yield PlotPane(self.tuilab.glyphs, id="metrics")
            yield RowList(id="parameters")
            yield RowList(id="files")
            yield ResultsPane(id="results")
            yield CompletionsPane(self.tuilab.glyphs, id="completions")
        yield Field("search", id="search")
        yield KeyBar(keys.CELL, self.tuilab.glyphs)

    def settle(self) -> None:
        """Hear of the log and look at the files of what runs."""
        self.tuilab.logs.subscribe(self, self._show_log, immediate=True)
        if self.tuilab.is_live:
            self.set_interval(LIVE_SECONDS, self._look_while_running)

    def chosen(self) -> list[Cell]:
        """Verbs are about this cell."""
        return [self.cell]

    @property
    def log_view(self) -> LogView:
        """The log pane."""
        return self.query_one("#log", LogView)

    @property
    def listed(self) -> RowList:
        """The list of the open tab."""
        return self.query_one(f"#{LISTS[self.tab]}", RowList)

    # State comes in.

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Show the cell as it is now."""
        view = find(snapshot, self.cell)
        if view is None:
            self.say("this cell is no longer in the experiment")
            return
        if not self.tab:
            self.tab = "results" if view.state in WITH_RESULT else "log"
            self._show_tab()
        self._jobs = chain_of(snapshot, view)
        if self._stage is None or self._stage >= len(self._jobs):
            self._stage = speaking_stage(self._jobs, view)
        self._show_head(snapshot, view)
        self._aim(snapshot)
        if self.tab == "completions":
            self.show_completions()
        elif "results" in self._panes:
            self.show_results()

    def on_screen_resize(self, columns: int, rows: int) -> None:
        """Lay out for the new size."""
        if self.tuilab.snapshot is not None and self.tab:
            self.on_snapshot(self.tuilab.snapshot)
            self._show_tab()

    def on_screen_resume(self) -> None:
        """Another screen has read another log meanwhile."""
        self._target = None
        if self.tuilab.snapshot is not None:
            self.on_snapshot(self.tuilab.snapshot)

    def _show_head(self, snapshot: Snapshot, view: CellView) -> None:
        columns, glyphs = self.size.width, self.tuilab.glyphs
        self.write("header", header(snapshot, columns, glyphs))
        what, evidence, advice = story(snapshot, view, glyphs)
        job, number = self.told
        told = [*evidence, *advice]
        if self.job is not None and self.job.detail:
            told = [(self.job.detail, "text"), *advice]
        if job is not None and number != job.attempt and (earlier := self.known(job, number)):
            told = [*attempt_line(earlier)]
        edits = apart(view, glyphs)
        first = what[: len(what) - len(edits)]
        # A failure is told in full where there are rows for it; two lines are kept in any case.
        most = max(1, (self.size.height - 12) // 3)
        apart_from = [(text.removeprefix(f" {glyphs.dash} "), role) for text, role in edits]
        parts = [line for piece in (*apart_from, *told) for line in wrapped(piece, columns, most)]
        title = [fit_line(first, columns), *(parts or [()])]
        self.query_one("#cell-title").styles.height = self._title_rows = len(title)
        self.write("cell-title", *title)
        self.query_one("#chain").display = bool(self._jobs)
        chain = chain_line(self._jobs, self._stage or 0, columns, glyphs)
        self.write("chain", chain)

    def _aim(self, snapshot: Snapshot) -> None:
        """Follow the files of the chosen stage and attempt."""
        target = (self.job.job, self.attempt) if self.job is not None and self.attempt else None
        state = self.job.state if self.job is not None else None
        if target == self._target and target is not None:
            if state is not self._looked_in:  # what is written last came after the last look
                self._looked_in = state
                self.look()
            self._write_tabs()
            return
        self._target, self._looked_in = target, state
        self._files = AttemptFiles()
        if target is None:
            self._watch = None
            self.tuilab.follow_log(None)
            self.log_view.nothing = why_no_log(snapshot, None)
            self.log_view.show(Tail())
            self._show_tab()
            return
        directory = Layout(snapshot.root).attempt_dir(*target)
        self._watch = AttemptWatch(directory)
        self.tuilab.follow_log(directory / LOG_FILE)
        self.look()

    def look(self) -> None:
        """Read the attempt's files, off the event loop."""
        if self._watch is not None:
            self.run_worker(self._look(self._watch), exclusive=True, group="files")

    async def _look(self, watch: AttemptWatch) -> None:
        files = await asyncio.to_thread(watch.look)
        if watch is self._watch and self.is_there:
            self._files = files
            self._show_tab()

    def _look_while_running(self) -> None:
        if self.is_current and self.job is not None and self.job.state is State.RUNNING:
            self.look()

    def _show_log(self, tail: Tail) -> None:
        if self.is_current:
            self.log_view.nothing = why_no_log(
                self.tuilab.snapshot, self.known(self.job, self.attempt)
            )
            self.log_view.show(tail)

    # What is shown.

    def _show_tab(self) -> None:
        panes = self._panes
        for name in TABS:
            self.query_one(f"#{name}").display = name in panes
        self._write_tabs()
        painters = {
            "results": self.show_results,
            "metrics": self._show_metrics,
            "parameters": self._show_parameters,
            "files": self._show_artefacts,
            "completions": self.show_completions,
        }
        for name in panes:
            if painter := painters.get(name):
                painter()

    @property
    def _panes(self) -> tuple[str, ...]:
        """The open tab, and what a large terminal has room for beside it.

        Beside a log stand the curves of what it tells; beside what leaves half of the room empty
        stand the results of the cell.
        """
        has_curves = bool(charted(self._files.series))
        beside = {
            "log": "metrics" if has_curves else "results",
            "metrics": "" if has_curves else "results",
            "files": "results",
        }.get(self.tab, "")
        return (self.tab, beside) if beside and self._room.side else (self.tab,)

    def _write_tabs(self) -> None:
        job, number = self.told
        count = job.attempt if job is not None else 0
        tail = attempt_tail(number, count, self.known(job, number))
        tail = tail if count else self._why_no_attempt()
        if job is not None and job is not self.job:
            tail = f"{job.stage.value} {tail}"
        if self.tab == "log" and self.log_view.is_wrapping:
            tail = f"wrap  {tail}"
        line = tab_line(self.tab, tail, self.size.width, self.tuilab.glyphs)
        self.write("tabs", line)

    def _why_no_attempt(self) -> str:
        return "imported" if self._is_imported else "no attempt yet"

    def show_results(self) -> None:
        """List what the cell measured; read off the event loop, once for each change."""
        snapshot = self.tuilab.snapshot
        view = find(snapshot, self.cell) if snapshot is not None else None
        if snapshot is None or view is None:
            return
        if self._found is None or self._found.evidence != evidence_of(snapshot.root, view):
            self._read_look(view)
            return
        glyphs, look = self.tuilab.glyphs, self._found
        room = self._room
        self.query_one("#results-list", RowList).is_led = self.tab == "results"
        if self.tab != "results":
            room = Room(room.columns // 2, room.rows, room.columns // 2)
        lines = result_lines(snapshot, look, view, room.main - 2, glyphs)
        below: Sequence[Line] = ()
        beside: Sequence[Line] = ()
        through = self._view or View(metric=self.tuilab.preferences.metric)
        if self._room.side:
            free = max(0, room.rows - len(lines))
            below = own_row_lines(snapshot, view.cell, through, room.main, free, glyphs)
        if room.side:
            self._pair()
            beside = beside_lines(snapshot, look, view, self._answers, through.metric, room, glyphs)
        self.query_one(ResultsPane).show(lines, room, below, beside)

    @work(exclusive=True, group="look")
    async def _read_look(self, view: CellView) -> None:
        look = await asyncio.to_thread(look_at, self.tuilab.poller.source, view)
        if self.is_there and view.cell == self.cell:
            self._found = look
            if "results" in self._panes:
                self.show_results()

    def _show_metrics(self) -> None:
        self.query_one(PlotPane).plot(self._files.series)

    def _show_artefacts(self) -> None:
        is_newest = self.job is not None and self.attempt == self.job.attempt
        status = self.job if is_newest else None
        attempt = self.known(self.job, self.attempt)
        columns = self.size.width // len(self._panes) - 2
        rows = artefact_rows(self._files, status, columns, attempt) if self.job else []
        self.query_one("#files", RowList).nothing = f"{self._why_no_attempt()}: nothing to list"
        self.query_one("#files", RowList).show(rows)

    def _show_parameters(self) -> None:
        snapshot, job = self.tuilab.snapshot, self.job
        if snapshot is None or job is None:
            return
        mine = flatten(self._files.settings or self._settings(job.job, 0))
        listed = self.query_one("#parameters", RowList)
        listed.nothing = "no settings known for this stage"
        listed.show(parameter_rows(mine, self._theirs, self.size.width - 2))
        name = self._other.name if self._other else ""
        self.say(difference_words(self._theirs, mine, name), "stale" if name else "muted")

    def _settings(self, job: str, attempt: int) -> Mapping[str, Any]:
        state, root = self.tuilab.experiment_state(), self.tuilab.root
        if root is None:
            return {}
        return settings_of(Layout(root), state.plan if state else None, job, attempt)

    # Mouse.

    @on(Lines.Clicked, "#tabs")
    def _tab_clicked(self, event: Lines.Clicked) -> None:
        if (name := event.text.strip("[]")) in TABS:
            self.tab = name
            self._show_tab()

    @on(Lines.Clicked, "#chain")
    def _stage_clicked(self, event: Lines.Clicked) -> None:
        before = event.lines.lines[0][: event.place + 1]
        stages = [role for _, role in before if role not in ("", "rule")]
        if stages and before[-1][1] not in ("", "rule"):
            self.action_stage(len(stages) - 1 - (self._stage or 0))

    # Keys.

    def action_tab(self, step: int) -> None:
        """Open the next tab."""
        self.tab = TABS[(TABS.index(self.tab) + step) % len(TABS)]
        self._show_tab()

    def action_stage(self, step: int) -> None:
        """Choose the next stage of the chain."""
        if self._jobs and self.tuilab.snapshot is not None:
            self._stage = ((self._stage or 0) + step) % len(self._jobs)
            self._attempt = None
            self.on_snapshot(self.tuilab.snapshot)

    def action_attempt(self, step: int) -> None:
        """Choose an earlier or later attempt; on the completions tab one of the eval."""
        if self.job is None or self.tuilab.snapshot is None:
            return
        if self.tab == "completions":
            self.take_eval()
        wanted = self.attempt + step
        if not 1 <= wanted <= self.job.attempt:
            self.say(f"no {'later' if step > 0 else 'earlier'} attempt")
            return
        self._attempt = wanted
        self.on_snapshot(self.tuilab.snapshot)

    def action_neighbour(self, step: int) -> None:
        """Go to the cell at the epoch before or after."""
        snapshot = self.tuilab.snapshot
        if snapshot is None:
            return
        place = snapshot.epochs.index(self.cell.epoch) + step
        if not 0 <= place < len(snapshot.epochs):
            self.say(f"no {'later' if step > 0 else 'earlier'} epoch")
            return
        self.cell = replace(self.cell, epoch=snapshot.epochs[place])
        self._stage = self._attempt = self._target = None
        self._other = self._theirs = self._beside = None
        self._is_paired = False
        self._put_beside(None)
        self.on_snapshot(snapshot)
        self._show_tab()

    def action_step(self, rows: int) -> None:
        """Scroll or move the cursor of the open tab."""
        if self.tab == "log":
            self.log_view.scroll_rows(rows)
        elif self.tab in LISTS:
            self.listed.step(rows)

    def action_edge(self, place: int) -> None:
        """Go to the first or last line of the open tab."""
        if self.tab == "log":
            self.log_view.to_end(start=place == 0)
        elif self.tab in LISTS:
            self.listed.go(place)

    def action_follow(self) -> None:
        """Follow the log, or stand still."""
        self.say("following the log" if self.log_view.toggle_follow() else "not following", "text")

    def action_wrap(self) -> None:
        """Wrap long lines of the log, or clip them."""
        self.log_view.toggle_wrap()
        self._write_tabs()

    def action_compare(self) -> None:
        """Compare with the next of: neighbours, earlier attempt, nothing.

        Of completions the answers to the same question, of all else the parameters.
        """
        snapshot, job = self.tuilab.snapshot, self.job
        if snapshot is None or job is None:
            return
        if self.tab == "completions":
            self._compare_completions(snapshot)
            return
        self.tab = "parameters"
        known = others(snapshot, self.cell, job, self.attempt)
        place = known.index(self._other) + 1 if self._other in known else 0
        self._other = other = known[place] if place < len(known) else None
        self._theirs = flatten(self._settings(other.job, other.attempt)) if other else None
        self._show_tab()
        if not known:
            self.say(f"nothing to compare with: all epochs share one {job.stage.value}")

    def action_outside(self, which: str) -> None:
        """Show what the tab shows in the person's own pager or editor."""
        words = {"pager": pager, "editor": editor}[which]()
        if self.tab == "log":
            path = self.log_view.tail.path
            if path is None or not path.is_file():
                self.say(self.log_view.nothing)
            elif which == "pager":
                self.tuilab.open_outside(words, path)
            else:
                text = path.read_bytes().decode("utf-8", "replace")
                self.tuilab.open_outside(words, text, LOG_FILE)
        elif text := self._under_cursor(whole=True):
            self.tuilab.open_outside(words, text, f"{self.tab}.txt")
        else:
            self.say("nothing to show here")

    def action_copy(self) -> None:
        """Copy what is under the cursor."""
        if text := self._under_cursor():
            self.tuilab.copy(text)
        else:
            self.say("nothing to copy here")

    def _under_cursor(self, whole: bool = False) -> str:
        """Return the line or completion under the cursor of the open tab; or all of the tab."""
        if self.tab == "completions":
            return self.samples.whole if whole else self.samples.text_here
        if self.tab == "log":
            return self.log_view.line_here
        if self.tab in LISTS:
            return "\n".join(self.listed.texts) if whole else self.listed.text
        return "\n".join(f"{name}: {values}" for name, values in self._files.series.items())

    def action_search(self) -> None:
        """Type what to look for in the log or the completions."""
        self.query_one(Field).open()

    @on(Field.Submitted)
    def _search(self, event: Field.Submitted) -> None:
        self.query_one(Field).close()
        if self.tab == "completions":
            self.search_samples(event.value)
            return
        self.tab = "log"
        self._show_tab()
        self._search_log(event.value, 1)

    def _search_log(self, needle: str, step: int) -> None:
        view = self.log_view
        if view.find(needle, step) or not needle:
            return
        if view.tail.path is None or not view.tail.is_cut:
            self.say(f"{needle!r} is not in this log")
            return
        self.say(f"searching {size(view.tail.size)} …", "text")
        self._search_file(view.tail.path, needle, view.beyond(step), step)

    @work(exclusive=True, group="search")
    async def _search_file(self, path: Path, needle: str, place: int, step: int) -> None:
        """Look in what the screen does not hold; a search that begins ends the one before."""
        found = await asyncio.to_thread(search, path, needle, place, step)
        if not self.is_there or self.log_view.tail.path != path:
            return
        if found is None:
            self.say(f"{needle!r} is not in this log")
            return
        part = await asyncio.to_thread(part_around, path, found)
        self.log_view.show_part(part, found)
        share = whole_percent(100 * found / max(1, part.size))
        self.say(f"found at {share} of the log; G goes to its end", "text")

    def action_again_or_note(self) -> None:
        """Go to the next match; write a note where nothing is searched for."""
        searched = self.samples.choice.needle if self.tab == "completions" else self.log_view.needle
        if searched:
            self.action_again(1)
        else:
            self.action_note()

    def action_again(self, step: int) -> None:
        """Go to the next or previous place that was searched for."""
        if self.tab == "completions" and self.samples.choice.needle:
            self.samples.again(step)
        elif self.tab == "completions" or not self.log_view.needle:
            self.say("nothing to search for yet: press /")
        else:
            self._search_log(self.log_view.needle, step)

    def action_back(self) -> None:
        """Close the search line, take back a search, or go back."""
        if self.query_one(Field).has_focus:
            self.query_one(Field).close()
        elif self.tab == "completions" and self.samples.choice.needle:
            self.search_samples("")
        else:
            self.app.pop_screen()
