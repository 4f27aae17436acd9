"""A real terminal for the app: a pty that is read by pyte, so that a screen can be asserted."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import TracebackType

import pexpect
import psutil
import pyte

ROOT = Path(__file__).parents[2]
DEADLINE = 60.0
"""Seconds; machines are busy."""
OPEN = "import sys; from tuilab.tui import run; from pathlib import Path; "


class Terminal:
    """One run of the app in a pty, of 80 by 24 unless another size is given."""

    def __init__(
        self, code: str, cwd: Path, size: tuple[int, int] = (80, 24), **environment: str
    ) -> None:
        env = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "XDG_STATE_HOME": str(cwd / "state"),
            **environment,
        }
        self.output = b""
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        self.child = pexpect.spawn(
            sys.executable, ["-c", code], dimensions=size[::-1], env=env, cwd=str(cwd), timeout=5
        )
        # pexpect waits 50 ms before each key by default, which is all that a benchmark would see.
        self.child.delaybeforesend = None

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self.child.closed:
            self.child.close(force=True)

    def read(self, seconds: float = 0.05) -> int:
        """Take in what was sent within a moment; returns how many bytes."""
        try:
            chunk = self.child.read_nonblocking(65536, seconds)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return 0
        self.output += chunk
        self._stream.feed(chunk)
        return len(chunk)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait_for(self, word: str) -> str:
        """Read until a word stands on the screen."""
        deadline = time.monotonic() + DEADLINE
        while word not in self.text:
            assert time.monotonic() < deadline, f"{word!r} never came:\n{self.text}"
            self.read()
        return self.text

    def drain(self) -> None:
        while self.read(0.4):
            pass

    def drain_for(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.read()

    def press(self, keys: str) -> None:
        self.child.send(keys)

    def end(self) -> int:
        """Wait until the process has ended, reading what it says; its exit code."""
        deadline = time.monotonic() + DEADLINE
        while self.child.isalive():
            assert time.monotonic() < deadline, f"it did not end:\n{self.text}"
            self.read()
        while self.read():
            pass
        code: int = self.child.exitstatus if self.child.signalstatus is None else -1
        return code

    def hang_up(self) -> None:
        """Close our end, as a lost connection does."""
        self.child.ptyproc.fileobj.close()
        self.child.ptyproc.closed = self.child.closed = True

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.child.pid)

    def is_restored(self) -> bool:
        """Whether the terminal was given back: main screen, cursor, no mouse, no focus reports."""
        after = self.output[self.output.rfind(b"\x1b[?1049h") :]
        signs = (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1003l", b"\x1b[?2004l", b"\x1b[?1004l")
        return all(sign in after for sign in signs)


def typed(*words: str) -> str:
    """The program that runs ``tuilab`` with some words."""
    return f"import sys; from tuilab.cli import main; sys.argv = {['tuilab', *words]!r}; main()"


def opened(root: Path, options: str = "", after: str = "") -> str:
    """The program that opens an experiment and ends with the app's return code."""
    return f"{OPEN}code = run(Path({str(root)!r}){options}); {after}sys.exit(code)"
