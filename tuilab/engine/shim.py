"""Holds one worker's process tree: starts it, reaps it, ends it, and records how it ended.

Started as ``python -m tuilab.engine.shim WORKER_DIR``, by the engine or by the scheduler of another
machine; reads command.json there, writes lease.json, beats, and writes exit.json once the whole
tree is gone. It needs nobody: engine, terminal and viewers may all die. Standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tuilab.contract import atomic, identity
from tuilab.contract.identity import ExperimentRef, Identity, Mark
from tuilab.contract.parsing import read_if_sound
from tuilab.contract.worker import EXIT_FILE, LEASE_FILE, LOG_FILE, STOP_FILE
from tuilab.engine.host import process_tree
from tuilab.engine.host.crash_points import crash_point
from tuilab.engine.host.heart import Heart

COMMAND_FILE = "command.json"
EXIT_RETIRED, EXIT_NO_COMMAND, EXIT_UNFIT, EXIT_CANNOT_START = 3, 2, 4, 127
STRAY_SECONDS = 2.0
"""How long what the runner left behind may take to leave by itself."""
KILL_SECONDS = 30.0
"""How long to wait for a killed process that the kernel holds (state D)."""
RECORD_SECONDS = 60.0
"""How long to go on trying to write exit.json on a full disk."""
SAY_SECONDS = 2.0
"""How long the word that a place takes a worker away may delay the end that it asked for."""
GPU_SECONDS = 60.0
"""How long the memory of a GPU may take to come back from whoever had it before."""
_LIBC = ctypes.CDLL(None, use_errno=True)
_PARENT_DEATH, _SUBREAPER = 1, 36
"""PR_SET_PDEATHSIG, and PR_SET_CHILD_SUBREAPER: orphans of the tree become the shim's children."""


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
    beat_seconds: float = 5.0
    """Between two signs of life."""
    fence_seconds: float = 0.0
    """It ends its tree when the volume took no sign for so long; 0: never."""
    is_elsewhere: bool = False
    """The engine is on another machine: only files reach this one, and no process of the tree may
    outlive the shim."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What the runner finds beside the shim's own environment; no secrets."""
    needs_gpu: bool = False
    """Elsewhere: leave at once where there is none, or somebody holds it."""
    gpu_free_fraction: float = 0.0
    code: str = ""
    """Version of the runner code that was installed when it was started."""

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
    away: str = ""
    """Why its folder could not be reached when the runner ended ("" = it could)."""
    is_asked: bool = False
    """A SIGTERM came: the whole tree is to end."""
    heart: Heart | None = None
    fence: float = 0.0
    is_elsewhere: bool = False
    is_fenced: bool = False
    """The volume did not answer for so long that others may take the tree for gone."""
    is_told: bool = False
    """A signal that nobody announced by file was written down."""
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
    _LIBC.prctl(_SUBREAPER, 1, 0, 0, 0)
    crash_point("shim-before-lease")
    if not take_lease(folder, _lease(command)):
        return EXIT_RETIRED
    counter = process_tree.find_counter()
    if command.memory_events:
        counter = Path(command.memory_events)
    kills = process_tree.count_kills(counter)
    if why := _why_unfit(command):
        print(why, flush=True)
        _record(folder, {"exit_code": EXIT_UNFIT, "why": why, "finished_at": time.time()})
        return EXIT_UNFIT
    exit_code, held = _hold(folder, command, wake)
    after = process_tree.count_kills(counter)
    if held.is_fenced:
        why = f"it could not write to its folder for {held.fence:.0f} s and ended itself"
        _record_or_leave(folder, {"why": why, "finished_at": time.time()})
    _record(
        folder,
        {
            "exit_code": exit_code,
            "signal": exit_code - 128 if exit_code > 128 else None,
            "oom_kills": max(0, after - kills) if after is not None and kills is not None else 0,
            "finished_at": time.time(),
            "disk_free": held.disk_free,
            "away": held.away,
            "strays": held.strays,
            "asked": held.is_asked,
        },
    )
    return 0


def take_lease(folder: Path, content: dict[str, Any]) -> bool:
    """Create lease.json exclusively; False if somebody has it already.

    The engine takes the lease of a worker that never came up: a shim that comes later leaves again.
    """
    return atomic.create_json(folder / LEASE_FILE, content)


def _lease(command: Command) -> dict[str, Any]:
    whose = asdict(command.experiment) if command.experiment else None
    return {"shim": identity.me().as_json(), "experiment": whose, "at": time.time()}


def _hold(folder: Path, command: Command, wake: tuple[int, int]) -> tuple[int, Held]:
    """Run the worker to its end and return the runner's exit code, as a shell would give it."""
    held = Held(folder, command.experiment_id, command.grace_seconds, command.stray_seconds)
    held.fence, held.is_elsewhere = command.fence_seconds, command.is_elsewhere
    log = os.open(folder / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        runner = subprocess.Popen(
            command.argv,
            stdin=subprocess.DEVNULL,
            cwd=command.cwd or None,
            env={
                **os.environ,
                **command.environment,
                **Mark(str(folder), command.experiment_id).as_environment(),
            },
            start_new_session=True,
            preexec_fn=_die_with_parent if command.is_elsewhere else None,
        )
    except OSError as error:
        print(f"cannot start {command.argv[0]}: {error}", flush=True)
        return EXIT_CANNOT_START, held
    held.is_asked = (folder / STOP_FILE).exists()
    crash_point("shim-after-spawn")
    who = identity.identify(runner.pid)
    runs = who.as_json() if who else None
    atomic.write_json(folder / LEASE_FILE, {**_lease(command), "runner": runs})
    held.heart = _start_heart(folder, command, wake[1])
    _wait_for_runner(held, runner, wake[0])
    if not held.is_fenced:
        try:
            left = os.statvfs(folder)
            held.disk_free = left.f_bavail * left.f_frsize
        except OSError as error:
            held.away = error.strerror or str(error)
    _end_strays(held, wake[0])
    assert held.status is not None
    code = os.waitstatus_to_exitcode(held.status)
    return (128 - code if code < 0 else code), held


def _wait_for_runner(held: Held, runner: subprocess.Popen[bytes], wake: int) -> None:
    deadline = None
    while not _reap(held, runner.pid):
        _obey(held)
        if held.is_asked and deadline is None:
            deadline = time.monotonic() + held.grace
            process_tree.end(held.members())
        if held.is_fenced or (deadline is not None and time.monotonic() > deadline):
            process_tree.send_all(held.members(), signal.SIGKILL)
        patience = 0.5 if held.fence else 3600.0
        _sleep(held, wake, patience if deadline is None else 0.2)


def _obey(held: Held) -> None:
    """Do what the heart has heard, and what follows when it is not answered any more."""
    heart = held.heart
    if heart is None:
        return
    if held.fence and heart.silent_seconds() > held.fence:
        held.is_fenced = True
        return
    if held.is_asked and held.is_elsewhere and not held.is_told:
        held.is_told = True
        if not heart.is_stop_asked:
            heart.say_preempted(SAY_SECONDS)
    held.is_asked = held.is_asked or heart.is_stop_asked
    if heart.is_suspend_asked != heart.is_suspended and not held.is_asked:
        number = signal.SIGSTOP if heart.is_suspend_asked else signal.SIGCONT
        process_tree.send_all(held.members(), number)
        heart.is_suspended = heart.is_suspend_asked


def _end_strays(held: Held, wake: int) -> None:
    """End what the runner left behind: first it may leave by itself, then TERM, then KILL."""
    for step, seconds in enumerate((held.patience, held.grace, KILL_SECONDS)):
        remaining = held.members()
        if step and remaining:
            held.strays = held.strays or [process_tree.describe(who) for who in remaining]
            process_tree.end(remaining, force=step > 1)
        deadline = time.monotonic() + seconds
        while remaining and time.monotonic() < deadline:
            _sleep(held, wake, 0.05)
            _reap(held, None)
            remaining = held.members()
            if not step and held.is_asked:
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


def _listen() -> tuple[int, int]:
    """Make SIGTERM and SIGCHLD wake the loop through a pipe; HUP and INT are not for the shim."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP, signal.SIGINT):
        # A handler that does nothing, not SIG_IGN: an ignored signal would be inherited by exec.
        signal.signal(number, lambda *_: None)
    return reading, writing


def _sleep(held: Held, wake: int, seconds: float) -> None:
    ready, _, _ = select.select([wake], [], [], seconds)
    if ready and signal.SIGTERM in os.read(wake, 4096):
        held.is_asked = True


def _die_with_parent() -> None:
    """In the runner before its program is loaded: the kernel kills it when the shim dies."""
    _LIBC.prctl(_PARENT_DEATH, signal.SIGKILL, 0, 0, 0)


def _start_heart(folder: Path, command: Command, waker: int) -> Heart:
    """Begin to beat, after the runner was started: a process with threads should not fork."""
    look: Callable[[], list[dict[str, Any]]] = list
    if command.is_elsewhere:
        from tuilab.engine.host.gpus import in_sight

        look = in_sight
    wake = partial(os.write, waker, b"\0")
    heart = Heart(folder, command.beat_seconds, identity.host(), wake, look)
    heart.start()
    return heart


def _why_unfit(command: Command) -> str:
    """Say why the machine that a place chose cannot serve; "" when it can."""
    if not (command.is_elsewhere and command.needs_gpu):
        return ""
    from tuilab.engine.host.gpus import why_not_ours

    deadline = time.monotonic() + GPU_SECONDS
    while (why := why_not_ours(command.gpu_free_fraction)) and time.monotonic() < deadline:
        if not why.startswith("gpu-held"):
            break
        time.sleep(2.0)
    return f"{identity.host()}: {why}" if why else ""


def _record_or_leave(folder: Path, content: dict[str, Any]) -> None:
    """Record the end if the volume comes back soon; the process ends in any case."""
    writer = threading.Thread(target=_record, args=(folder, content), daemon=True)
    writer.start()
    writer.join(RECORD_SECONDS)
    os._exit(0)


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
