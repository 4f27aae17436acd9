"""Leaves wishes for the engine and hears its answers; the only place of the app that writes."""

from __future__ import annotations

import asyncio
import getpass
import os
import shlex
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from textual import on
from textual.app import App

from tuilab.contract.foreign import clean_line, redact
from tuilab.grid.engine_view import EngineState
from tuilab.grid.history import events_of
from tuilab.grid.request import Request
from tuilab.store.layout import Layout
from tuilab.store.snapshot import Snapshot
from tuilab.tui.messages import RequestMade
from tuilab.tui.present.cli_equivalent import command

_NEED_ENGINE = frozenset({"run", "relaunch", "resume"})


class RequestingApp(App[int]):
    """An app on an experiment that may ask for work, unless it is read-only."""

    def __init__(
        self,
        root: Path | None,
        read_only: bool,
        start_engine: Callable[[Path], object] | None,
    ) -> None:
        super().__init__()
        self.root = root
        self.read_only = read_only
        self.snapshot: Snapshot | None = None
        self._start_engine = start_engine
        self._asked: set[str] = set()
        """Wishes that the engine has not answered yet."""

    def say(self, text: str, role: str = "warn", hint: str = "") -> None:
        """Say one line at the bottom of the screen that is seen."""
        raise NotImplementedError

    def look(self) -> None:
        """Look at the disk now."""
        raise NotImplementedError

    def hear_answers(self, snapshot: Snapshot) -> None:
        """Say what the engine answered to wishes of this app."""
        answers = (line for line in snapshot.events if line.get("kind") == "request")
        for line in answers if self._asked else ():
            if (request := str(line.get("id"))) in self._asked:
                self._asked.discard(request)
                for event in events_of([line]):
                    self.say(clean_line(event.text, 300), event.role)

    @on(RequestMade)
    def _leave_request(self, message: RequestMade) -> None:
        from tuilab.store.requests import leave

        if self.root is None or self.read_only:
            self.say("read-only: nothing was sent")
            return
        try:
            wish = signed(message.request, message.twin)
            self._asked.add(leave(Layout(self.root), wish))
        except OSError as error:
            self.say(f"could not send the request: {error.strerror}", "failed")
            return
        unread = self._is_engine_gone() and message.request.verb not in _NEED_ENGINE
        said = f"{message.said}; no engine is running, S starts one" if unread else message.said
        self.say(said, "warn" if unread else "done", f"$ {message.twin}" if message.twin else "")
        if message.request.verb in _NEED_ENGINE:
            self._see_to_the_engine()
        self.look()

    def _is_engine_gone(self) -> bool:
        return self.snapshot is None or self.snapshot.engine.state is EngineState.STOPPED

    def _see_to_the_engine(self) -> None:
        """Start the engine when there is none to read the wish.

        What starts one looks for itself: by the picture, an engine that has just left is there.
        """
        if self._start_engine is not None:
            self.run_worker(self._begin(self._start_engine), exclusive=True, group="engine")

    def why_not_write(self) -> str:
        """Say why nothing may be changed; "" when it may."""
        from tuilab.grid.why_not import RESULTS_ONLY, why_not_write

        if self.snapshot is not None and self.snapshot.imported_from:
            return RESULTS_ONLY
        return why_not_write(self.read_only or bool(self.snapshot and self.snapshot.read_only))

    def action_pause(self) -> None:
        """Ask how to pause, or resume."""
        from tuilab.tui.screens.pause import PauseDialog

        if self.snapshot is None or self.root is None:
            self.say("open an experiment first (enter)")
        elif why := self.why_not_write() or self._why_not_pause(self.snapshot):
            self.say(why)
        else:
            self.push_screen(PauseDialog(self.snapshot))

    @staticmethod
    def _why_not_pause(snapshot: Snapshot) -> str:
        """Say why there is nothing to pause and nothing to resume."""
        from tuilab.grid.why_not import why_not_pause

        pause = snapshot.engine.pause
        return "" if pause else why_not_pause(snapshot.engine.state.value, pause)

    def action_start_engine(self) -> None:
        """Start the engine, or let a waiting one go on."""
        if self.snapshot is None:
            self.say("open an experiment first (enter)")
        elif why := self.why_not_write():
            self.say(why)
        elif self.snapshot.engine.state in (EngineState.RUNNING, EngineState.PAUSED):
            self.say("the engine is already running")
        elif self.snapshot.engine.state is EngineState.WAITING:
            twin = command("resume", self.snapshot.root)
            self.post_message(RequestMade(Request("resume"), twin, "asked the engine to continue"))
        elif self._start_engine is None:
            self.say("start it from a shell", "warn", f"$ {command('run', self.snapshot.root)}")
        else:
            self.say("starting the engine", "running", f"$ {command('run', self.snapshot.root)}")
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


def signed(request: Request, twin: str) -> Request:
    """Say who asks, and with which command a shell would ask for the same."""
    options = dict(request.options)
    if twin:
        options["command"] = [redact(word) for word in shlex.split(twin)]
    return replace(request, by=who(), options=options)


def who() -> str:
    """Name the person at the keyboard, for the journal."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
