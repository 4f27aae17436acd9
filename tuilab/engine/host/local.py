"""Runs workers on this machine: starts their shims, looks at them, and signals their trees."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from tuilab.contract import identity
from tuilab.contract.identity import Identity, Mark
from tuilab.contract.worker import LOG_FILE, Lease, read_lease
from tuilab.engine.decide.facts import Slot
from tuilab.engine.decide.phase import NOBODY, Opinion, Word
from tuilab.engine.decide.policy import Policy
from tuilab.engine.host import gpus, process_tree
from tuilab.engine.host.gpus import Device
from tuilab.engine.host.place import Known


@dataclass(slots=True)
class Local:
    """The body of ``Place`` for one machine and the workers of one experiment."""

    experiment: str = ""
    """Its id: what bears another is never signalled."""
    name: str = "local"
    fence_seconds: float = 30.0
    """Of workers elsewhere that an engine of this experiment met before."""
    _children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    """Shims that this engine started, by folder; only to reap them and to know they are coming."""
    _devices: tuple[Device, ...] = ()
    """The devices when the plan was taken; a driver that fails later takes no slot away."""
    _policy: Policy | None = None
    _all: tuple[Slot, ...] = ()

    def slots(self, policy: Policy, used: Set[int]) -> tuple[Slot, ...]:
        """Return the slots of the devices; a free one says who holds its device's memory."""
        if policy is not self._policy:
            self._policy = policy
            self._devices = gpus.look_at_devices() or self._devices
            visible = os.environ.get("CUDA_VISIBLE_DEVICES")
            self._all = gpus.slots_for(policy, visible, self._devices)
        if policy.needs_cuda and all(slot.device is None for slot in self._all):
            why = "no GPU is visible, and the plan asks for cuda: tuilab doctor explains"
            return tuple(replace(slot, blocked=why) for slot in self._all)
        is_shared = len({slot.device for slot in self._all}) < len(self._all)
        if not is_shared and all(s.device is None or s.index in used for s in self._all):
            return self._all
        seen = gpus.look_at_devices()
        if self._devices and not seen:
            why = "the GPUs that were here are gone: tuilab doctor explains"
            return tuple(replace(slot, blocked=why) for slot in self._all)
        ours = {slot.device for slot in self._all if slot.index in used}
        return tuple(_with_device(slot, policy, used, ours, seen) for slot in self._all)

    def submit(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Start the shim in its own session; nobody holds a pipe to it."""
        if str(folder) in self._children:
            return
        appending = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        # Others may not read it before it was looked through for secrets.
        with os.fdopen(os.open(folder / LOG_FILE, appending, 0o600), "ab") as log:
            self._children[str(folder)] = subprocess.Popen(
                [sys.executable, "-m", "tuilab.engine.shim", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env={**environment, **Mark(str(folder), self.experiment).as_environment()},
                start_new_session=True,
            )

    def opinions(self, workers: Sequence[Known]) -> Mapping[str, Opinion]:
        """Look at the processes that the leases name."""
        return {one.folder.name: self._opinion(one) for one in workers}

    def cancel(self, folder: Path, force: bool = False) -> None:
        """SIGTERM to the shim, which ends its tree; without a shim, signal the tree itself."""
        shim = shim_of(folder, self.experiment)
        if shim is not None and process_tree.send(
            shim, signal.SIGKILL if force else signal.SIGTERM
        ):
            return
        process_tree.end(process_tree.members(folder, self.experiment), force)

    def _opinion(self, known: Known) -> Opinion:
        child = self._children.get(str(known.folder))
        is_coming = child is not None and child.poll() is None
        if known.lease is None:
            return Opinion(Word.RUNNING if is_coming else Word.UNKNOWN)
        return look(known.folder, known.lease, self.experiment)


def look(folder: Path, lease: Lease, experiment: str) -> Opinion:
    """Look for a worker's shim in the process table of this machine, then for what it left."""
    shim = lease.shim
    alive = identity.is_alive(shim) if shim is not None else None
    if shim is None or alive is None:
        return _of_another(shim)
    if alive:
        return Opinion(Word.SEEN, host=shim.host, is_suspended=_is_suspended(lease))
    if shim.boot_id != identity.boot_id():
        return Opinion(Word.DEAD, "the machine was restarted while it ran")
    if process_tree.members(folder, experiment):
        return Opinion(Word.ORPHANED)
    return Opinion(Word.DEAD, "its shim was killed, and its processes are gone")


def _of_another(shim: Identity | None) -> Opinion:
    """Of a worker in another container: if that has this one's name, it was this one before."""
    here = identity.me()
    is_same = shim is not None and (shim.host, shim.boot_id) == (here.host, here.boot_id)
    return Opinion(Word.ENDED, "its container was restarted") if is_same else NOBODY


def suspend(folder: Path, on: bool, experiment: str) -> None:
    """SIGSTOP or SIGCONT to every process of a tree on this machine, not to its shim."""
    shim = shim_of(folder, experiment)
    members = process_tree.members(folder, experiment, shim.pid if shim else None)
    process_tree.send_all(members, signal.SIGSTOP if on else signal.SIGCONT)


def shim_of(folder: Path, experiment: str) -> Identity | None:
    """Return the shim that a worker's lease names; by its marker where that is damaged."""
    try:
        lease = read_lease(folder, experiment)
    except (OSError, ValueError):
        return identity.find_shim(folder, experiment)
    return lease.shim if lease is not None else None


def _is_suspended(lease: Lease) -> bool:
    runner = lease.runner
    if runner is None:
        return False
    stat = identity.read_stat(runner.pid)
    return stat is not None and stat[0] == "T" and stat[1] == runner.start_ticks


def _with_device(
    slot: Slot, policy: Policy, used: Set[int], ours: Set[str | None], seen: tuple[Device, ...]
) -> Slot:
    """Say what a slot's device has left, and, where none of our workers is on it, who holds it.

    What our own workers hold is weighed by their measured peaks.
    """
    device = gpus.find(slot.device, seen) if slot.device is not None else None
    if device is not None:
        slot = replace(slot, memory_total=device.memory_total, memory_used=device.memory_used)
    if slot.device is None or slot.index in used or (device and slot.device in ours):
        return slot
    return replace(slot, blocked=gpus.why_held(slot.device, policy.gpu_free_fraction, seen))
