"""Holds one worker's process tree: starts it, reaps it, ends it, and records how it ended.

Started by the engine as ``python -m tuilab.engine.shim WORKER_DIR``; reads command.json (argv, cwd,
grace_seconds) there, writes lease.json and, once the whole tree is gone, exit.json. It needs
nobody: engine, terminal and viewers may all die. Standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tuilab.contract import atomic, identity
from tuilab.contract.identity import ExperimentRef, Identity, Mark
from tuilab.contract.parsing import read_if_sound
from tuilab.contract.worker import EXIT_FILE, LEASE_FILE, LOG_FILE, STOP_FILE
from tuilab.engine.host import process_tree
from tuilab.engine.host.crash_points import crash_point

COMMAND_FILE = "command.json"
EXIT_RETIRED, EXIT_NO_COMMAND, EXIT_CANNOT_START = 3, 2, 127
STRAY_SECONDS = 2.0
"""How long what the runner left behind may take to leave by itself."""
KILL_SECONDS = 30.0
"""How long to wait for a killed process that the kernel holds (state D)."""
RECORD_SECONDS = 60.0
"""How long to go on trying to write exit.json on a full disk."""
_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER: orphans of the tree become children of the shim."""


@dataclass(frozen=True, slots=True)
class Command:
    """command.json: what a worker runs, and where the engine put it."""

    argv: tuple[str, ...]
    grace_seconds: float = 20.0
    """Between SIGTERM and SIGKILL."""
    stray_seconds: float = STRAY_SECONDS
    cwd: str | None = None
    memory_events: str | None = None
    """Counter of OOM kills, where it is not the cgroup's own."""
    slot: int = 0
    device: str | None = None
    uuid: str = ""
    experiment: ExperimentRef | None = None
    """None in a folder of version 0.1."""

    @property
    def experiment_id(self) -> str:
        """The id that its processes are marked with."""
        return self.experiment.id if self.experiment else ""


@dataclass(slots=True)
class Held:
    """The tree while it lives."""

    folder: Path
    experiment: str
    """Id that the processes are marked with."""
    grace: float
    """Seconds between SIGTERM and SIGKILL."""
    patience: float = STRAY_SECONDS
    """Seconds that what the runner left behind has to leave by itself."""
    status: int | None = None
    """Wait status of the runner, once it is reaped."""
    disk_free: int | None = None
    """Bytes free when the runner ended: a full disk leaves no other word."""
    is_asked: bool = False
    """A SIGTERM came: the whole tree is to end."""
    strays: list[str] = field(default_factory=list)

    def members(self) -> list[Identity]:
        """The live processes of the tree."""
        return process_tree.members(self.folder, self.experiment, os.getpid())


def main(argv: list[str]) -> int:
    """Hold the worker whose directory is the one argument, to its end."""
    folder = Path(argv[1]).absolute()
    wake = _listen()
    command = read_if_sound(folder / COMMAND_FILE, Command)
    if command is None or not command.argv:
        return EXIT_NO_COMMAND
    with contextlib.suppress(OSError):
        os.setsid()
    ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)
    crash_point("shim-before-lease")
    if not take_lease(folder, _lease(command)):
        return EXIT_RETIRED
    counter = process_tree.find_counter()
    if command.memory_events:
        counter = Path(command.memory_events)
    kills = process_tree.count_kills(counter)
    exit_code, held = _hold(folder, command, wake)
    after = process_tree.count_kills(counter)
    _record(
        folder,
        {
            "exit_code": exit_code,
            "signal": exit_code - 128 if exit_code > 128 else None,
            "oom_kills": max(0, after - kills) if after is not None and kills is not None else 0,
            "finished_at": time.time(),
            "disk_free": held.disk_free,
            "strays": held.strays,
            "asked": held.is_asked,
        },
    )
    return 0


def take_lease(folder: Path, content: dict[str, Any]) -> bool:
    """Create lease.json exclusively; False if somebody has it already.

    The engine takes the lease of a worker that never came up: a shim that comes later leaves again.
    """
    draft = folder / f".{LEASE_FILE}.{os.getpid()}.draft"
    atomic.write_json(draft, content)
    try:
        os.link(draft, folder / LEASE_FILE)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        return _take_lease_by_creation(folder, draft.read_bytes())
    finally:
        draft.unlink(missing_ok=True)
    return True


def _lease(command: Command) -> dict[str, Any]:
    whose = asdict(command.experiment) if command.experiment else None
    return {"shim": identity.me().as_json(), "experiment": whose, "at": time.time()}


def _take_lease_by_creation(folder: Path, content: bytes) -> bool:
    try:
        with (folder / LEASE_FILE).open("xb") as file:
            file.write(content)
            os.fsync(file.fileno())
    except FileExistsError:
        return False
    return True


def _hold(folder: Path, command: Command, wake: int) -> tuple[int, Held]:
    """Run the worker to its end and return the runner's exit code, as a shell would give it."""
    held = Held(folder, command.experiment_id, command.grace_seconds, command.stray_seconds)
    log = os.open(folder / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        runner = subprocess.Popen(
            command.argv,
            stdin=subprocess.DEVNULL,
            cwd=command.cwd or None,
            env={**os.environ, **Mark(str(folder), command.experiment_id).as_environment()},
            start_new_session=True,
        )
    except OSError as error:
        print(f"cannot start {command.argv[0]}: {error}", flush=True)
        return EXIT_CANNOT_START, held
    held.is_asked = (folder / STOP_FILE).exists()
    crash_point("shim-after-spawn")
    who = identity.identify(runner.pid)
    runs = who.as_json() if who else None
    atomic.write_json(folder / LEASE_FILE, {**_lease(command), "runner": runs})
    _wait_for_runner(held, runner, wake)
    with contextlib.suppress(OSError):
        held.disk_free = shutil.disk_usage(folder).free
    _end_strays(held, wake)
    assert held.status is not None
    code = os.waitstatus_to_exitcode(held.status)
    return (128 - code if code < 0 else code), held


def _wait_for_runner(held: Held, runner: subprocess.Popen[bytes], wake: int) -> None:
    deadline = None
    while not _reap(held, runner.pid):
        if held.is_asked and deadline is None:
            deadline = time.monotonic() + held.grace
            _ask_to_end(held)
        if deadline is not None and time.monotonic() > deadline:
            process_tree.send_all(held.members(), signal.SIGKILL)
        _sleep(held, wake, 3600.0 if deadline is None else 0.2)


def _ask_to_end(held: Held) -> None:
    """SIGTERM once for each process, then SIGCONT: a suspended one could not see it."""
    asked = process_tree.send_all(held.members(), signal.SIGTERM)
    process_tree.send_all(asked, signal.SIGCONT)


def _end_strays(held: Held, wake: int) -> None:
    """End what the runner left behind: first it may leave by itself, then TERM, then KILL."""
    steps = (
        (held.patience, None),
        (held.grace, signal.SIGTERM),
        (KILL_SECONDS, signal.SIGKILL),
    )
    for seconds, number in steps:
        remaining = held.members()
        if number is not None and remaining:
            held.strays = held.strays or [process_tree.describe(who) for who in remaining]
            process_tree.send_all(remaining, number)
            process_tree.send_all(remaining, signal.SIGCONT)
        deadline = time.monotonic() + seconds
        while remaining and time.monotonic() < deadline:
            _sleep(held, wake, 0.05)
            _reap(held, None)
            remaining = held.members()
            if number is None and held.is_asked:
                break
        if not remaining:
            return


def _reap(held: Held, runner: int | None) -> bool:
    """Collect every dead child, inherited orphans too; True once the runner is among them."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if pid == 0:
            break
        if pid == runner:
            held.status = status
    return held.status is not None


def _listen() -> int:
    """Make SIGTERM and SIGCHLD wake the loop through a pipe; HUP and INT are not for the shim."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP, signal.SIGINT):
        # A handler that does nothing, not SIG_IGN: an ignored signal would be inherited by exec.
        signal.signal(number, lambda *_: None)
    return reading


def _sleep(held: Held, wake: int, seconds: float) -> None:
    ready, _, _ = select.select([wake], [], [], seconds)
    if ready and signal.SIGTERM in os.read(wake, 4096):
        held.is_asked = True


def _record(folder: Path, content: dict[str, Any]) -> None:
    deadline = time.monotonic() + RECORD_SECONDS
    while True:
        try:
            atomic.write_json(folder / EXIT_FILE, content)
            return
        except OSError as error:
            if time.monotonic() > deadline:
                print(f"cannot record the end of the worker: {error}", flush=True)
                return
            time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
