"""Runs workers on this machine: starts their shims, looks at them, and signals their trees."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tuilab.contract import identity
from tuilab.contract.identity import Identity
from tuilab.contract.reasons import Exit
from tuilab.contract.tail import tail_lines
from tuilab.contract.worker import LOG_FILE, Lease, read_exit, read_lease
from tuilab.engine.decide.facts import Phase
from tuilab.engine.host import process_tree
from tuilab.engine.host.executor import Sighting
from tuilab.engine.shim import take_lease

RETIRED = "it never came up"


@dataclass(slots=True)
class LocalExecutor:
    """The body of ``Executor`` for one machine."""

    _children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    """Shims that this engine started, by folder; only to reap them and to know they are coming."""
    _leases: dict[str, Lease] = field(default_factory=dict)
    """Complete leases: they do not change any more."""

    def launch(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Start the shim in its own session; nobody holds a pipe to it."""
        with (folder / LOG_FILE).open("ab") as log:
            self._children[str(folder)] = subprocess.Popen(
                [sys.executable, "-m", "tuilab.engine.shim", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env={**environment, identity.MARKER_VARIABLE: str(folder)},
                start_new_session=True,
            )

    def poll(self, folder: Path) -> Sighting:
        """Look at exit.json, then at the lease and the process that it names.

        ValueError or OSError where the lease is damaged.
        """
        child = self._children.get(str(folder))
        is_coming = child is not None and child.poll() is None
        if end := read_exit(folder):
            return Sighting(Phase.GONE, end)
        lease = self._lease(folder)
        if lease is None:
            return Sighting(Phase.STARTING if is_coming else Phase.UNBORN)
        shim = lease.shim
        if shim is None:
            return Sighting(Phase.GONE, Exit(why=lease.why or RETIRED))
        alive = identity.is_alive(shim)
        if alive is None:
            return Sighting(Phase.FOREIGN)
        if alive:
            return Sighting(Phase.ALIVE, is_suspended=_is_suspended(lease))
        return _after_the_shim(folder, shim)

    def stop(self, folder: Path, force: bool = False) -> None:
        """SIGTERM to the shim, which ends its tree; without a shim, signal the tree itself."""
        shim = self._shim(folder)
        if shim is not None and process_tree.send(
            shim, signal.SIGKILL if force else signal.SIGTERM
        ):
            return
        left = process_tree.members(folder.name)
        process_tree.send_all(left, signal.SIGKILL if force else signal.SIGTERM)
        process_tree.send_all(left, signal.SIGCONT)

    def suspend(self, folder: Path, on: bool) -> None:
        """SIGSTOP or SIGCONT to every process of the tree, not to the shim."""
        shim = self._shim(folder)
        members = process_tree.members(folder.name, shim.pid if shim else None)
        process_tree.send_all(members, signal.SIGSTOP if on else signal.SIGCONT)

    def retire(self, folder: Path) -> None:
        """Take the lease in the shim's place; one that comes later finds it taken and leaves."""
        take_lease(folder, {"retired": True, "by": identity.me().as_json(), "at": time.time()})

    def logs(self, folder: Path) -> list[str]:
        """Return the last lines of the worker's own log."""
        return tail_lines(folder / LOG_FILE, 16 * 1024)

    def _shim(self, folder: Path) -> Identity | None:
        try:
            lease = self._lease(folder)
        except (OSError, ValueError):
            return identity.find_shim(folder)
        return lease.shim if lease is not None else None

    def _lease(self, folder: Path) -> Lease | None:
        key = str(folder)
        if key not in self._leases:
            lease = read_lease(folder)
            if lease is None or not (lease.runner or lease.retired):
                return lease
            self._leases[key] = lease
        return self._leases[key]


def _after_the_shim(folder: Path, shim: Identity) -> Sighting:
    """The shim is dead: by its own record, with the machine, or killed with orphans left."""
    if end := read_exit(folder):  # it may have finished between the two looks
        return Sighting(Phase.GONE, end)
    if shim.boot_id != identity.boot_id():
        return Sighting(Phase.GONE, Exit(why="the machine was restarted while it ran"))
    if process_tree.members(folder.name):
        return Sighting(Phase.ORPHANED)
    return Sighting(Phase.GONE, Exit(why="its shim was killed, and its processes are gone"))


def _is_suspended(lease: Lease) -> bool:
    runner = lease.runner
    if runner is None:
        return False
    stat = identity.read_stat(runner.pid)
    return stat is not None and stat[0] == "T" and stat[1] == runner.start_ticks
