"""The app: a pure client that shows snapshots, leaves requests and owns no process."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual import events, on
from textual.app import SystemCommand
from textual.binding import Binding
from textual.screen import Screen
from textual.signal import Signal

from tuilab.contract.foreign import clean, clean_line
from tuilab.grid.notices import terminal_sequence
from tuilab.store.installed_code import code_changed
from tuilab.store.layout import Layout
from tuilab.store.plan_file import config_problem
from tuilab.store.snapshot import Snapshot
from tuilab.store.user_files import config_file, editor, remember
from tuilab.tui import keys, more_themes, themes
from tuilab.tui.analysis_cache import AnalysisCache
from tuilab.tui.later import load_in_background
from tuilab.tui.log_tail import Tail
from tuilab.tui.messages import ExperimentChosen
from tuilab.tui.poller import (
    LogRead,
    LookFailed,
    Poller,
    PollThread,
    SnapshotSource,
    SnapshotTaken,
    TerminalGone,
    terminal_is_gone,
)
from tuilab.tui.preferences import NO_PREFERENCES, THEME, THEMES, Preferences
from tuilab.tui.present.cli_equivalent import command
from tuilab.tui.present.glyphs import ASCII, UNICODE
from tuilab.tui.present.history_text import fresh_notices
from tuilab.tui.present.key_table import key_rows
from tuilab.tui.requests import RequestingApp
from tuilab.tui.screens.frame import Frame

if TYPE_CHECKING:
    from tuilab.grid.experiment_state import ExperimentState
    from tuilab.grid.limits import Price
    from tuilab.science.figures.model import Figure
    from tuilab.tui.app_protocol import AppProtocol
    from tuilab.tui.present import shell_verbs

POLL_SECONDS = 0.25
FIRST_LOOK_SECONDS = 0.1
"""So long the first picture waits for what it shows; that of a large grid comes empty at first."""
INTERRUPT_SECONDS = 2.0
"""A second Ctrl+C within this time leaves."""
NOT_BY_NAME = frozenset({"app.command_palette", "app.interrupt"})
"""Keys that are no command of the palette: it is open, and who chose to leave leaves at once."""


class TuilabApp(RequestingApp):
    """The terminal app of one experiment, or of the list of experiments below ``under``."""

    TITLE = "tuilab"
    # A default screen's own style sheet is not read by Textual: those two stand here.
    CSS_PATH = ["app.tcss", "screens/grid.tcss", "screens/experiments.tcss"]  # noqa: RUF012
    BINDINGS = keys.APP
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    _styled_for = ""
    """The theme with which the style sheets were parsed."""

    def __init__(
        self,
        root: Path | None,
        *,
        read_only: bool = False,
        ascii_only: bool = False,
        theme: str | None = None,
        preferences: Preferences = NO_PREFERENCES,
        start_engine: Callable[[Path], object] | None = None,
        answer_once: Callable[[Path, str], object] | None = None,
        export_figure: Callable[[Path, Figure], Sequence[Path]] | None = None,
        poll_seconds: float | None = POLL_SECONDS,
        source: Callable[[Path], SnapshotSource] | None = None,
        under: Path | None = None,
        now: float | None = None,
    ) -> None:
        super().__init__(root, read_only, start_engine, answer_once)
        for one in themes.TEXTUAL_THEMES:
            self.register_theme(one)
        self.theme = theme or themes.DARK
        self._styled_for = self.theme
        self.stylesheet.set_variables(self.get_css_variables())
        self.preferences = preferences
        self.set_keymap(dict(preferences.keymap))
        for name, key in preferences.command_keys.items():
            own = Binding(key, f"own({name!r})", name, id=f"app.own.{name}", tooltip=f"run: {name}")
            self._bindings.key_to_bindings[key] = [own]
        self.glyphs = ASCII if ascii_only else UNICODE
        self.under = under or Path.cwd()
        """Where experiments are looked for."""
        self._now = now
        self.snapshots: Signal[Snapshot] = Signal(self, "snapshot")
        self.logs: Signal[Tail] = Signal(self, "log")
        self.export_figure = export_figure
        """Writes a figure of an experiment as files and returns their paths."""
        self.analyses = AnalysisCache()
        self._poll_seconds = poll_seconds
        self._source = source or _reader_of
        self.poller = Poller(None if root is None else partial(self._source, root))
        self._thread: PollThread | None = None
        self._interrupted_at = 0.0
        self._cleaned = CleanLabels()
        self.set_class(ascii_only, "-ascii")

    @property
    def palette(self) -> themes.Palette:
        """Colours by role under the current theme."""
        ours = themes.PALETTES.get(self.theme) or more_themes.palette_named(self.theme)
        return ours or themes.PALETTES[themes.DARK]

    def get_css_variables(self) -> dict[str, str]:
        """Give style sheets our inks, which can be read, and the ground of a chosen row."""
        if not self._styled_for:  # Textual asks before ours is chosen, and parses nothing then
            return {}
        has_grounds = self.theme != themes.ANSI16
        mine = {
            "ink": self.palette.colour("text"),
            "quiet": self.palette.colour("muted"),
            "chosen": self.palette.colour("cursor-ground") if has_grounds else "transparent",
        }
        return {**super().get_css_variables(), **mine}

    def refresh_css(self, animate: bool = True) -> None:
        """Parse the style sheets again for another theme; Textual does so at every start too."""
        if self._styled_for != self.theme:
            self._styled_for = self.theme
            super().refresh_css(animate)

    @property
    def is_live(self) -> bool:
        """Whether the app looks by itself; in tests it looks when told to."""
        return self._poll_seconds is not None

    def time(self) -> float:
        """Unix time; a fixed one where the app was given one (tests and pictures)."""
        return time.time() if self._now is None else self._now

    def source_of(self, root: Path) -> SnapshotSource:
        """Return what reads another experiment."""
        return self._source(root)

    def get_default_screen(self) -> Frame:
        """Begin with the grid, or with the list when no experiment was named."""
        return _screen_class("grid" if self.root else "experiments")()

    def on_load(self) -> None:
        """Start looking, and wait a moment: what is read at once is in the first picture."""
        if self._poll_seconds is None:
            return
        self._thread = PollThread(self.poller, self.post_message, self._poll_seconds)
        self._thread.start()
        for message in self._thread.first_look(FIRST_LOOK_SECONDS):
            if isinstance(message, SnapshotTaken):
                self._keep_snapshot(message)
            else:
                self.post_message(message)

    def on_mount(self) -> None:
        """Leave in order when told to by a signal."""
        if trouble := self.preferences.trouble:
            self.call_after_refresh(self.say, clean_line(trouble, 300))
        # Textual does not paint again by itself after Ctrl+Z and fg.
        self.app_resume_signal.subscribe(self, self._paint_again)
        if self._poll_seconds is None:
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._leave_by_signal, number)
        if self.root is None:  # the list is no snapshot: its picture stands now
            self.call_after_refresh(load_in_background)

    def _paint_again(self, _: object) -> None:
        self.refresh(layout=True)
        self.screen.refresh(layout=True)

    def _leave_by_signal(self, number: int) -> None:
        # A terminal that is gone needs no restoring, and writing to it can block.
        force_exit(128 + number, 0.3 if terminal_is_gone() else 3.0)
        self.exit(return_code=128 + number)

    def on_unmount(self) -> None:
        """Stop looking."""
        if self._thread is not None:
            self._thread.stop()

    def look(self) -> None:
        """Look once, here and now (tests, and right after a wish)."""
        if self._thread is not None:
            self._thread.wake()
            return
        for message in self.poller.look(self.time()):
            self.post_message(message)

    def follow_log(self, path: Path | None) -> None:
        """Read another log from now on."""
        self.poller.follow(path)
        self.look()

    @on(SnapshotTaken)
    def _keep_snapshot(self, message: SnapshotTaken) -> None:
        if message.snapshot.root != self.root:
            return
        is_first = self.snapshot is None
        before = self.snapshot
        price = self.preferences.price
        self.snapshot = taken_in(message.snapshot, self.read_only, self._cleaned, price)
        if before is not None:
            self._tell_terminal(before, self.snapshot)
        self.snapshots.publish(self.snapshot)
        self.hear_answers(self.snapshot)
        if before is None or self.snapshot.other_code != before.other_code:
            self.call_after_refresh(self._tell_of_files, self.snapshot)
        if is_first and self.is_live:
            self.call_after_refresh(load_in_background)

    def _tell_of_files(self, snapshot: Snapshot) -> None:
        """Say what the header has no room for: what is unreadable, or of other runner code."""
        if self.preferences.trouble:
            return
        if snapshot.problems:
            more = len(snapshot.problems) - 1
            self.say(
                clean_line(snapshot.problems[0], 200), "failed", f"{more} more" if more else ""
            )
        elif said := code_changed(snapshot.other_code):
            said += "; what becomes stale:"
            self.say(said, "stale", f"$ {command('run', snapshot.root)} --dry-run")

    def _tell_terminal(self, before: Snapshot, now: Snapshot) -> None:
        """Ring, and ask for a desktop notification, for what the person wants to hear of."""
        mine = self.preferences
        for notice in fresh_notices(before, now):
            if notice.kind not in mine.notices:
                continue
            if mine.bell:
                self.bell()
            if mine.desktop and self._driver is not None:
                self._driver.write(terminal_sequence(notice.title, notice.text, os.environ))

    @on(LogRead)
    def _pass_log_on(self, message: LogRead) -> None:
        self.logs.publish(message.tail)

    @on(LookFailed)
    def _tell_trouble(self, message: LookFailed) -> None:
        if message.why:
            self.say(clean_line(message.why, 300), "failed")
            if self.snapshot is None:  # there may never be one
                self.call_after_refresh(load_in_background)
        else:
            self.say("its files can be read again", "done")

    @on(TerminalGone)
    def _leave_unseen(self) -> None:
        self._leave_by_signal(signal.SIGHUP)

    def experiment_state(self) -> ExperimentState | None:
        """Return what previews are made from; None before the first look, or without a plan."""
        from tuilab.grid.experiment_state import ExperimentState

        snapshot, reader = self.snapshot, self.poller.reader
        if snapshot is None or reader is None:
            return None
        statuses = snapshot.statuses
        if any(job.id not in statuses for job in reader.plan.jobs):
            return None  # the plan is newer than the picture
        return ExperimentState(reader.plan, reader, statuses)

    @on(ExperimentChosen)
    def _open_experiment(self, message: ExperimentChosen) -> None:
        self.root = message.root
        self.snapshot = None
        self.poller.open(partial(self._source, message.root))
        if message.cell is not None:  # one goes back to where it was chosen
            from tuilab.tui.screens.cell import CellScreen

            self.push_screen(CellScreen(message.cell))
        else:
            grid = _screen_class("grid")
            while len(self.screen_stack) > 1:
                self.pop_screen()
            if not isinstance(self.screen, grid):
                self.push_screen(grid())
        self.look()

    def say(self, text: str, role: str = "warn", hint: str = "") -> None:
        """Say one line at the bottom of the screen that is seen (below an open dialog)."""
        for screen in reversed(self.screen_stack):
            if isinstance(screen, Frame):
                screen.say(text, role, hint)
                return

    async def on_event(self, event: events.Event) -> None:
        """Keep what was said until the next key or click."""
        is_next = isinstance(event, events.Key | events.MouseDown)
        if is_next and isinstance(self.screen, Frame):
            self.screen.be_quiet()
        await super().on_event(event)

    def action_go(self, name: str) -> None:
        """Go to another screen; the grid (or the list) stays at the bottom."""
        if self.root is None and name != "experiments":
            self.say("open an experiment first (enter)")
            return
        wanted = _screen_class(name)
        bottom = _screen_class("experiments" if name == "experiments" else "grid")
        stack = self.screen_stack
        home = next((screen for screen in stack if isinstance(screen, bottom)), stack[0])
        while self.screen is not home:
            self.pop_screen()
        # A cell that a comparison led to may have no grid below it.
        for one in dict.fromkeys((bottom, wanted)):
            if not isinstance(home, one):
                self.push_screen(one())

    def action_help(self) -> None:
        """Show the keys of the screen that is seen."""
        from tuilab.tui.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.screen))

    def action_interrupt(self) -> None:
        """Leave at the second Ctrl+C."""
        now = time.monotonic()
        if now - self._interrupted_at < INTERRUPT_SECONDS:
            self.action_leave()
            return
        self._interrupted_at = now
        self.say("Ctrl+C again to leave; running work continues")

    def action_leave(self) -> None:
        """Leave; nothing else changes."""
        self.exit(return_code=0)

    async def action_quit(self) -> None:
        """Leave (Textual's own ctrl+q)."""
        self.action_leave()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Offer every live key by name, with the command line that does the same; then themes."""
        seen: set[str] = set()
        for active in screen.active_bindings.values():
            binding = active.binding
            is_own = binding.action.startswith("own(")  # the palette has it with its line
            if not binding.id or binding.id in NOT_BY_NAME or is_own:
                continue
            [row] = key_rows([binding])
            if row.meaning not in seen:
                seen.add(row.meaning)
                tail = f"   $ {row.twin}" if row.twin else ""
                run = partial(self.run_action, binding.action, active.node)
                is_verb = row.twin.startswith(f"tuilab {binding.description} ")
                title = _with_verb(binding.description, row.meaning) if is_verb else row.meaning
                yield SystemCommand(title, f"{row.keys}{tail}", run)
        yield from self._shell_commands(screen)
        for name in THEMES:
            yield SystemCommand(f"{name} theme", "colours", partial(self.choose_theme, name))

    def _shell_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Offer what the command line can do beyond the keys; it runs in this terminal."""
        from tuilab.tui.present import shell_verbs
        from tuilab.tui.screens.cell_actions import CellActions

        cell = _cell_of(screen)
        for one in shell_verbs.VERBS:
            if (line := shell_verbs.words_of(one, self.snapshot, cell)) is not None:
                act = partial(self._run_shell, one, cell)
                yield SystemCommand(_with_verb(one.verb, one.title), f"$ {line}", act)
        for title, own in self.preferences.commands.items():
            if (line := shell_verbs.own_command(own, self.snapshot, cell)) is not None:
                run = partial(self._run_line, line, is_ours=False)
                yield SystemCommand(clean_line(title, 60), f"$ {clean_line(line, 200)}", run)
        if isinstance(screen, CellActions):
            about = "write a note or tags on the whole experiment"
            yield SystemCommand(
                about, "$ tuilab note DIR --text TEXT", screen.action_note_experiment
            )

    def _run_shell(self, one: shell_verbs.ShellVerb, cell: str) -> None:
        """Run a verb in this terminal, after what it still asks for."""
        from tuilab.tui.present import shell_verbs
        from tuilab.tui.screens.ask import AskDialog

        def answered(added: str | None) -> None:
            if added is None:
                return
            line = shell_verbs.words_of(one, self.snapshot, cell, added)
            if line is not None:
                self._run_line(line)

        if one.asks:
            self.push_screen(AskDialog(one, self.snapshot, cell), answered)
        else:
            answered("")

    def action_own(self, name: str) -> None:
        """Run a command of the person's own."""
        from tuilab.tui.present.shell_verbs import own_command

        own = self.preferences.commands[name]
        line = own_command(own, self.snapshot, _cell_of(self.screen))
        if line is None:
            self.say(f"{clean_line(name, 60)}: open an experiment, and choose a cell, first")
        else:
            self._run_line(line, is_ours=False)

    def _run_line(self, line: str, is_ours: bool = True) -> None:
        from tuilab.tui import outside

        if why := outside.shell_outside(self, line, is_ours):
            self.say(clean_line(why, 200))
        self._paint_again(None)
        self.look()

    def open_outside(self, words: Sequence[str], what: Path | str, name: str = "") -> None:
        """Show a file, or a text under a name, in the person's own pager or editor."""
        from tuilab.tui import outside

        if isinstance(what, Path):
            why = outside.run_outside(self, words, what)
        else:
            why = outside.text_outside(self, words, name, what)
        self._paint_again(None)
        if why:
            self.say(clean_line(why, 200))
        self.look()

    def copy(self, text: str, told: str = "") -> None:
        """Put a text on the clipboard (OSC 52) and say so, with a word of what it was."""
        text = clean(text)
        self.copy_to_clipboard(text)
        self.say("copied", "done", told or clean_line(text, 160))

    def action_edit_config(self) -> None:
        """Edit experiment.toml; what it changes is told, and applied by the next run."""
        if self.root is None or self.snapshot is None:
            self.say("open an experiment first (enter)")
        elif why := self.why_not_write():
            self.say(why)
        else:
            layout, planned = Layout(self.root), self.snapshot.config_digest
            self.open_outside(editor(), layout.config)
            if why := config_problem(layout, planned):
                self.say(clean_line(why, 200))

    def choose_theme(self, name: str) -> None:
        """Change the colours, also of the next start, unless the person's config names others."""
        self.theme = name
        remember(THEME, name)
        if self.preferences.theme not in (None, name):
            config = f'theme = "{self.preferences.theme}" in {config_file()}'
            self.say(f"{name} until you leave: {config} decides the next start", "muted")

    def _fatal_error(self) -> None:
        """End with a plain traceback: locals may hold tokens, and texts may hold sequences."""
        self._exit_renderables.append(Text(clean(traceback.format_exc())))
        self._close_messages_no_wait()


if TYPE_CHECKING:
    _is_what_screens_ask: type[AppProtocol] = TuilabApp


_SCREENS = {
    "grid": "GridScreen",
    "plots": "PlotsScreen",
    "table": "TableScreen",
    "queue": "QueueScreen",
    "history": "HistoryScreen",
    "experiments": "ExperimentsScreen",
}


def _screen_class(name: str) -> type[Frame]:
    """Load a screen only when it is gone to."""
    module = importlib.import_module(f"tuilab.tui.screens.{name}")
    found: type[Frame] = getattr(module, _SCREENS[name])
    return found


def _with_verb(verb: str, title: str) -> str:
    """Write a title of the palette so that the verb of the command line finds it."""
    return title if verb in title else f"{verb}: {title}"


def _cell_of(screen: Screen[Any]) -> str:
    """Return the cell that a screen's keys are about, "" for none."""
    from tuilab.tui.screens.cell_actions import CellActions

    chosen = screen.chosen() if isinstance(screen, CellActions) else []
    return str(chosen[0]) if chosen else ""


def force_exit(code: int, seconds: float) -> None:
    """Exit after a grace time, whatever still hangs: a dead terminal can block the writer."""
    timer = threading.Timer(seconds, os._exit, (code,))
    timer.daemon = True
    timer.start()


class CleanLabels:
    """Cleans the labels of a plan once, not at every snapshot of it."""

    def __init__(self) -> None:
        self._raw: Mapping[str, str] = {}
        self._clean: Mapping[str, str] = {}

    def of(self, raw: Mapping[str, str]) -> Mapping[str, str]:
        """Return the labels without anything that a terminal would obey."""
        if raw is not self._raw:
            self._raw = raw
            self._clean = {key: clean_line(label, 80) for key, label in raw.items()}
        return self._clean


def taken_in(
    snapshot: Snapshot, read_only: bool, labels: CleanLabels, price: Price | None = None
) -> Snapshot:
    """Clean the names that stand on every screen, say when nothing may be changed, and the cost."""
    has_cost = price is not None and snapshot.gpu_seconds and not snapshot.synthetic
    return replace(
        snapshot,
        name=clean_line(snapshot.name, 80),
        labels=labels.of(snapshot.labels),
        read_only=read_only or snapshot.read_only,
        cost=price.of(snapshot.gpu_seconds) if price is not None and has_cost else "",
    )


def _reader_of(root: Path) -> SnapshotSource:
    from tuilab.store.reader import Reader

    return Reader(root)
