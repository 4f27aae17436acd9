"""Tells people what happened: journaled first, then sent by a process of its own.

So no address that does not answer holds the engine up, and no engine that is started again tells
anybody twice. What is sent goes to the addresses of the person's config, which nothing here writes
down.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict
from subprocess import DEVNULL, PIPE

from tuilab.contract.foreign import clean_line
from tuilab.engine.decide.notices import News
from tuilab.engine.host.crash_points import crash_point
from tuilab.engine.host.environment import with_source_root
from tuilab.engine.state import JournaledStates
from tuilab.engine.trouble import sentence
from tuilab.grid.notices import Notice, finished
from tuilab.store.layout import Layout
from tuilab.store.status import lazy_status
from tuilab.store.user_files import config_file


class Notifier:
    """Journals notices and hands them to senders; one that fails costs a line in the history."""

    def __init__(self, layout: Layout, states: JournaledStates) -> None:
        self._layout = layout
        self._states = states
        self._sending: list[subprocess.Popen[bytes]] = []

    def tell(self, news: News) -> None:
        """Tell people of something; OSError when the journal takes nothing."""
        notice = self._notice(news)
        self._states.record(
            "notified", what=news.about or news.kind, verb=notice.kind,
            title=notice.title, text=notice.text,
        )  # fmt: skip
        crash_point("notice-after-journal")
        if not config_file().exists():
            return
        try:
            self._sending.append(start_sender(notice))
        except OSError as error:
            print(f"no notice could be sent: {sentence(error)}", file=sys.stderr, flush=True)

    @property
    def is_sending(self) -> bool:
        """Whether a sender is at work; each ends itself after its time."""
        return bool(self._sending)

    def hear(self) -> None:
        """Note what the senders that have ended could not send."""
        for sender in [one for one in self._sending if one.poll() is not None]:
            self._sending.remove(sender)
            assert sender.stdout is not None
            for line in sender.stdout.read(4096).decode(errors="replace").splitlines():
                self._states.record("note", text=f"notice not sent: {clean_line(line, 200)}")

    def _notice(self, news: News) -> Notice:
        name = f"{self._states.plan.experiment} on {socket.gethostname()}"
        if news.kind == "done":
            return finished(name, lazy_status(self._layout.root)["counts"])
        title = {
            "failed": "first failure",
            "stalled": "stalled",
            "paused": "paused",
            "gone": "engine died",
        }[news.kind]
        return Notice(news.kind, f"{name}: {title}", clean_line(news.text, 400))


def start_sender(notice: Notice) -> subprocess.Popen[bytes]:
    """Start the program that sends one notice; what it prints is what it could not send."""
    sender = subprocess.Popen(
        [sys.executable, "-m", "tuilab.engine.host.send_notice"],
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        cwd="/",
        env={**os.environ, "PYTHONPATH": with_source_root(os.environ.get("PYTHONPATH", ""))},
        start_new_session=True,
    )
    assert sender.stdin is not None
    with sender.stdin as told:  # far less than a pipe holds: this never waits
        told.write(json.dumps(asdict(notice)).encode())
    return sender
