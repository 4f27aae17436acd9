"""Leaves wishes for the engine and hears its answers; the only place of the app that writes."""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.app import App

from tuilab.contract.foreign import clean_line
from tuilab.grid.engine_view import EngineState
from tuilab.grid.history import events_of
from tuilab.store.layout import Layout
from tuilab.store.snapshot import Snapshot
from tuilab.tui.messages import RequestMade
from tuilab.tui.present.cli_equivalent import command

if TYPE_CHECKING:
    from tuilab.grid.request import Request

_NEED_ENGINE = frozenset({"run", "relaunch", "resume", "grow"})


class RequestingApp(App[int]):
    """An app on an experiment that may ask for work, unless it is read-only."""

    def __init__(
        self,
        root: Path | None,
        read_only: bool,
        start_engine: Callable[[Path], object] | None,
        answer_once: Callable[[Path, str], object] | None = None,
    ) -> None:
        super().__init__()
        self.root = root
        self.read_only = read_only
        self.snapshot: Snapshot | None = None
        self._start_engine = start_engine
        self._answer_once = answer_once
        """Answers a request that is only written down, where no engine lives."""
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
            request = leave(Layout(self.root), signed(message.request, message.twin))
        except OSError as error:
            self.say(f"could not send the request: {error.strerror}", "failed")
            return
        self._asked.add(request)
        said, role = message.said, "done"
        if (act := self._without_engine(message.request.verb, request)) is not None:
            self.run_worker(self._begin(act), exclusive=True, group="engine")
        elif self._is_engine_gone() and message.request.verb not in _NEED_ENGINE:
            said, role = f"{said}; no engine is running, S starts one", "warn"
        self.say(said, role, f"$ {message.twin}" if message.twin else "")
        self.look()

    def _is_engine_gone(self) -> bool:
        return self.snapshot is None or self.snapshot.engine.state is EngineState.STOPPED

    def _without_engine(self, verb: str, request: str) -> Callable[[Path], object] | None:
        """Return what sees to it that a request is read where no engine runs.

        What starts an engine looks for itself: by the picture, one that has just left is there.
        """
        from tuilab.grid.request import JOURNAL_ONLY

        if verb in _NEED_ENGINE:
            return self._start_engine
        once = self._answer_once
        if verb in JOURNAL_ONLY and once is not None and self._is_engine_gone():
            return lambda root: once(root, request)
        return None

    def why_not_write(self) -> str:
        """Say why nothing may be changed; "" when it may."""
        from tuilab.grid.why_not import RESULTS_ONLY, why_not_write

        if self.snapshot is not None and self.snapshot.imported_from:
            return RESULTS_ONLY
        if self.snapshot is not None and self.snapshot.engine.copy_of:
            return self.snapshot.engine.note
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
        from tuilab.grid.request import Request

        if self.snapshot is None:
            self.say("open an experiment first (enter)")
        elif why := self.why_not_write():
            self.say(why)
        elif self.snapshot.engine.state is EngineState.RUNNING:
            self.say("the engine is already running")
        elif self.snapshot.engine.state in (EngineState.WAITING, EngineState.PAUSED):
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
        options["command"] = shlex.split(twin)
    return replace(request, by=who(), options=options)


def who() -> str:
    """Name the person at the keyboard, for the journal."""
    import getpass

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
