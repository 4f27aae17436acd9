"""The app: a pure client that shows snapshots, leaves requests and owns no process."""

from __future__ import annotations

import asyncio
import getpass
import signal
import socket
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual import events, on
from textual.app import App
from textual.signal import Signal

from tuilab.contract.foreign import clean, clean_line
from tuilab.store.layout import Layout
from tuilab.store.requests import Request
from tuilab.store.snapshot import EngineState, Snapshot
from tuilab.tui import keys, themes
from tuilab.tui.log_tail import Tail
from tuilab.tui.messages import (
    ExperimentChosen,
    LogRead,
    LookFailed,
    RequestMade,
    SnapshotTaken,
    TerminalGone,
)
from tuilab.tui.polling import Lookout, PollThread, SnapshotSource
from tuilab.tui.present.glyphs import ASCII, UNICODE
from tuilab.tui.present.twin import shown_path
from tuilab.tui.screens.frame import Frame
from tuilab.tui.standing import Standing, standing_of
from tuilab.tui.study_desk import StudyDesk

if TYPE_CHECKING:
    from tuilab.science.figure_model import Figure

POLL_SECONDS = 0.25
_NEED_ENGINE = frozenset({"run", "relaunch", "resume"})
INTERRUPT_SECONDS = 2.0
"""A second Ctrl+C within this time leaves."""


class TuilabApp(App[int]):
    """The terminal app of one experiment, or of the list of experiments below ``under``."""

    TITLE = "tuilab"
    # A default screen's own style sheet is not read by Textual: those two stand here.
    CSS_PATH = ["app.tcss", "screens/grid.tcss", "screens/experiments.tcss"]  # noqa: RUF012
    BINDINGS = keys.APP
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"

    def __init__(
        self,
        root: Path | None,
        *,
        read_only: bool = False,
        ascii_only: bool = False,
        theme: str | None = None,
        start_engine: Callable[[Path], object] | None = None,
        export_figure: Callable[[Path, Figure], Sequence[Path]] | None = None,
        poll_seconds: float | None = POLL_SECONDS,
        source: Callable[[Path], SnapshotSource] | None = None,
        under: Path | None = None,
        now: float | None = None,
    ) -> None:
        super().__init__()
        for one in themes.TEXTUAL_THEMES:
            self.register_theme(one)
        self.theme = theme or themes.DARK
        self.glyphs = ASCII if ascii_only else UNICODE
        self.read_only = read_only
        self.under = under or Path.cwd()
        """Where experiments are looked for."""
        self._now = now
        self.root = root
        self.snapshot: Snapshot | None = None
        self.snapshots: Signal[Snapshot] = Signal(self, "snapshot")
        self.logs: Signal[Tail] = Signal(self, "log")
        self._start_engine = start_engine
        self.export_figure = export_figure
        """Writes a figure of an experiment as files and returns their paths."""
        self.desk = StudyDesk()
        self._poll_seconds = poll_seconds
        self._source = source or _reader_of
        self.lookout = Lookout(self._source(root) if root is not None else None)
        self._thread: PollThread | None = None
        self._interrupted_at = 0.0
        self.set_class(ascii_only, "-ascii")

    @property
    def palette(self) -> themes.Palette:
        """Colours by role under the current theme."""
        return themes.PALETTES.get(self.theme, themes.PALETTES[themes.DARK])

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

    @property
    def layout_of_files(self) -> Layout:
        """Paths of the open experiment; RuntimeError when none is open."""
        if self.root is None:
            raise RuntimeError("no experiment is open")
        return Layout(self.root)

    def get_default_screen(self) -> Frame:
        """Begin with the grid, or with the list when no experiment was named."""
        if self.root is None:
            from tuilab.tui.screens.experiments import ExperimentsScreen

            return ExperimentsScreen()
        from tuilab.tui.screens.grid import GridScreen

        return GridScreen()

    def on_mount(self) -> None:
        """Start looking, and leave in order when told to by a signal."""
        # Textual does not paint again by itself after Ctrl+Z and fg.
        self.app_resume_signal.subscribe(self, self._paint_again)
        if self._poll_seconds is None:
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._leave_by_signal, number)
        self._thread = PollThread(self.lookout, self.post_message, self._poll_seconds)
        self._thread.start()

    def _paint_again(self, _: object) -> None:
        self.refresh(layout=True)
        self.screen.refresh(layout=True)

    def _leave_by_signal(self, number: int) -> None:
        from tuilab.tui.last_resort import leave_anyway

        leave_anyway(128 + number)
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
        for message in self.lookout.look(self.time()):
            self.post_message(message)

    def follow_log(self, path: Path | None) -> None:
        """Read another log from now on."""
        self.lookout.follow(path)
        self.look()

    @on(SnapshotTaken)
    def _keep_snapshot(self, message: SnapshotTaken) -> None:
        if message.snapshot.root != self.root:
            return
        self.snapshot = taken_in(message.snapshot, self.read_only)
        self.snapshots.publish(self.snapshot)

    @on(LogRead)
    def _pass_log_on(self, message: LogRead) -> None:
        self.logs.publish(message.tail)

    @on(LookFailed)
    def _tell_trouble(self, message: LookFailed) -> None:
        self.say(clean_line(message.why, 300), "failed")

    @on(TerminalGone)
    def _leave_unseen(self) -> None:
        self._leave_by_signal(signal.SIGHUP)

    @on(RequestMade)
    def _leave_request(self, message: RequestMade) -> None:
        from tuilab.store.requests import leave

        if self.read_only:
            self.say("read-only: nothing was asked for")
            return
        try:
            leave(self.layout_of_files, replace(message.request, by=asked_by(message.twin)))
        except OSError as error:
            self.say(f"the wish could not be left: {error.strerror}", "failed")
            return
        self.say(message.said, "done", f"$ {message.twin}" if message.twin else "")
        if message.request.verb in _NEED_ENGINE:
            self._see_to_the_engine()
        self.look()

    def _see_to_the_engine(self) -> None:
        """Start the engine when there is none to read the wish."""
        gone = self.snapshot is None or self.snapshot.engine.state is EngineState.STOPPED
        if gone and self._start_engine is not None:
            self.run_worker(self._begin(self._start_engine), exclusive=True, group="engine")

    def standing(self) -> Standing | None:
        """Return what previews are made from; None before the first look, or without a plan."""
        if self.snapshot is None:
            return None
        return standing_of(self.lookout.source, self.snapshot)

    @on(ExperimentChosen)
    def _open_experiment(self, message: ExperimentChosen) -> None:
        from tuilab.tui.screens.grid import GridScreen

        self.root = message.root
        self.snapshot = None
        self.lookout.open(self._source(message.root))
        while len(self.screen_stack) > 1:
            self.pop_screen()
        if not isinstance(self.screen, GridScreen):
            self.push_screen(GridScreen())
        self.look()

    def say(self, text: str, role: str = "warn", hint: str = "") -> None:
        """Say one line at the bottom of the screen that is seen (below an open dialog)."""
        for screen in reversed(self.screen_stack):
            if isinstance(screen, Frame):
                screen.say(text, role, hint)
                return

    async def on_event(self, event: events.Event) -> None:
        """What was said stays until the next key."""
        if isinstance(event, events.Key) and isinstance(self.screen, Frame):
            self.screen.be_quiet()
        await super().on_event(event)

    def why_not_write(self) -> str:
        """Say why nothing may be changed; "" when it may."""
        from tuilab.grid.why_not import why_not_write

        return why_not_write(self.read_only or bool(self.snapshot and self.snapshot.read_only))

    def action_go(self, name: str) -> None:
        """Go to another screen; the grid (or the list) stays at the bottom."""
        from tuilab.tui.screens import catalogue

        if self.root is None and name != "experiments":
            self.say("open an experiment first (enter)")
            return
        home = catalogue.home_of(self.screen_stack, name)
        while self.screen is not home:
            self.pop_screen()
        if (screen := catalogue.make(name, home)) is not None:
            self.push_screen(screen)

    def action_help(self) -> None:
        """Show the keys of the screen that is seen."""
        from tuilab.tui.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.screen))

    def action_pause(self) -> None:
        """Ask how to pause, or resume."""
        from tuilab.tui.screens.pause import PauseDialog

        if self.snapshot is None or self.root is None:
            self.say("open an experiment first (enter)")
        elif why := self.why_not_write():
            self.say(why)
        else:
            self.push_screen(PauseDialog(self.snapshot))

    def action_start_engine(self) -> None:
        """Start the engine, or let a waiting one go on."""
        if self.snapshot is None:
            self.say("open an experiment first (enter)")
        elif why := self.why_not_write():
            self.say(why)
        elif self.snapshot.engine.state in (EngineState.RUNNING, EngineState.PAUSED):
            self.say("the engine runs already")
        elif self.snapshot.engine.state is EngineState.WAITING:
            twin = f"tuilab resume {shown_path(self.snapshot.root)}"
            self.post_message(RequestMade(Request("resume"), twin, "asked the engine to go on"))
        elif self._start_engine is None:
            self.say("start it in a shell", "warn", f"tuilab run {shown_path(self.snapshot.root)}")
        else:
            self.say(
                "starting the engine", "running", f"tuilab run {shown_path(self.snapshot.root)}"
            )
            self.run_worker(self._begin(self._start_engine), exclusive=True, group="engine")

    async def _begin(self, start: Callable[[Path], object]) -> None:
        if self.root is None:
            return
        try:
            await asyncio.to_thread(start, self.root)
        except Exception as error:  # whatever kept it from starting is told to the person
            self.say(f"the engine did not start: {clean_line(str(error), 300)}", "failed")
            return
        self.look()

    def action_interrupt(self) -> None:
        """Leave at the second Ctrl+C."""
        now = time.monotonic()
        if now - self._interrupted_at < INTERRUPT_SECONDS:
            self.action_leave()
            return
        self._interrupted_at = now
        self.say("Ctrl+C again leaves; running work goes on")

    def action_leave(self) -> None:
        """Leave; nothing else changes."""
        self.exit(return_code=0)

    async def action_quit(self) -> None:
        """Leave (Textual's own ctrl+q)."""
        self.action_leave()

    def get_system_commands(self, screen: Any) -> Any:
        """Offer every key of this screen by name."""
        from tuilab.tui.commands import commands_of

        return commands_of(self, screen)

    def _fatal_error(self) -> None:
        """End with a plain traceback: locals may hold tokens, and texts may hold sequences."""
        self._exit_renderables.append(Text(clean(traceback.format_exc())))
        self._close_messages_no_wait()


def taken_in(snapshot: Snapshot, read_only: bool) -> Snapshot:
    """Clean the names that stand on every screen, and say when nothing may be changed."""
    return replace(
        snapshot,
        name=clean_line(snapshot.name, 80),
        labels={key: clean_line(label, 80) for key, label in snapshot.labels.items()},
        read_only=read_only or snapshot.read_only,
    )


def asked_by(twin: str) -> str:
    """Name who asks: user, host and the command that would do the same."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}" + (f": {twin}" if twin else "")


def _reader_of(root: Path) -> SnapshotSource:
    from tuilab.store.reader import Reader

    return Reader(root)


__all__ = ["TuilabApp", "asked_by"]
