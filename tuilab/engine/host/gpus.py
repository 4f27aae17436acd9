"""Looks at the machine's accelerators through NVML; the only place that imports it."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

from tuilab.engine.decide.facts import Slot
from tuilab.engine.decide.policy import Policy
from tuilab.grid.text import gibibytes

MIG = "MIG-"
"""Begins the UUID of a slice of a card."""
FAKE_VARIABLE = "TUILAB_FAKE_DEVICES"
"""Test hook: a JSON file with a list of devices, read at each look instead of NVML."""


@dataclass(frozen=True, slots=True)
class Device:
    """One accelerator at one moment."""

    index: int
    uuid: str
    name: str
    memory_total: int
    """Bytes."""
    memory_used: int
    percent: float | None = None
    """Busy share of the last sample."""
    holders: tuple[str, ...] = ()
    """Who has memory there, as far as this container can see."""

    @property
    def is_slice(self) -> bool:
        """Whether this is a MIG slice: only its UUID names it, the index is its whole card's."""
        return self.uuid.startswith(MIG)

    @property
    def promise(self) -> str:
        """The UUID that a runner must find; "" for a slice, whose UUID torch may not tell."""
        return "" if self.is_slice else self.uuid

    @property
    def label(self) -> str:
        """What a worker on it is given as CUDA_VISIBLE_DEVICES.

        The index, in the order of nvidia-smi, wherever there is one: vLLM reads nothing else.
        """
        return self.uuid if self.is_slice else str(self.index)


def look_at_devices() -> tuple[Device, ...]:
    """Return the devices of this machine; () where there is no driver, or no device."""
    if fake := os.environ.get(FAKE_VARIABLE):
        with contextlib.suppress(OSError, ValueError):
            raw = json.loads(Path(fake).read_text())
            return tuple(Device(**{**one, "holders": tuple(one["holders"])}) for one in raw)
        return ()
    nvml = _nvml()
    if nvml is None:
        return ()
    try:
        count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError:  # the driver is gone: no device can be used
        return ()
    return tuple(device for index in range(count) for device in _read(nvml, index))


def in_sight() -> list[dict[str, Any]]:
    """Return what a shim says of the GPUs that its place gave it; [] where there is none."""
    names = ("index", "name", "percent", "memory_used", "memory_total")
    return [{name: getattr(one, name) for name in names} for one in _given()]


def why_not_ours(free_fraction: float) -> str:
    """Say why no runner may begin on the GPUs that a place gave this process; "" when one may."""
    given = _given()
    if not given:
        return "no GPU is visible here, and the plan asks for cuda"
    return next((why for one in given if (why := why_held(one.label, free_fraction, given))), "")


def _given() -> tuple[Device, ...]:
    seen = look_at_devices()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return seen
    found = (find(name, seen) for name in takewhile(lambda name: name != "-1", _parts(visible)))
    return tuple(one for one in found if one is not None)


def highest_cuda() -> float | None:
    """Return the newest CUDA version that the driver supports, as 12.8; None without a driver."""
    nvml = _nvml()
    if nvml is None:
        return None
    try:
        raw = int(nvml.nvmlSystemGetCudaDriverVersion_v2())
    except nvml.NVMLError:
        return None
    return raw // 1000 + (raw % 1000) // 10 / 10


@cache
def _nvml() -> Any:
    """Load NVML once; None where there is no driver."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no package, no library, no driver: each raises errors of its own
        return None
    return pynvml


def slots_for(policy: Policy, visible: str | None, devices: tuple[Device, ...]) -> tuple[Slot, ...]:
    """Return the places for workers: those of each device in use, or ``workers`` without one.

    Every device has its first place before any has its second. A device that is named twice, by
    its index and by its UUID, is one.

    ``visible`` is CUDA_VISIBLE_DEVICES of the engine; what it names is what may be used.
    """
    named = ((name, find(name, devices)) for name in _named(policy, visible))
    chosen = tuple(dict.fromkeys(found.label if found else name for name, found in named))
    if policy.devices == "auto" and visible is None:
        chosen = tuple(device.label for device in devices)
    if not chosen:
        return tuple(Slot(index) for index in range(policy.workers))
    layers = chosen * max(1, policy.jobs_per_device)
    return tuple(Slot(index, device) for index, device in enumerate(layers[: policy.workers]))


def _named(policy: Policy, visible: str | None) -> tuple[str, ...]:
    """Return the names that the policy or CUDA_VISIBLE_DEVICES gives; () for none, and for all."""
    if policy.devices == "none":
        return ()
    if policy.devices != "auto":
        return policy.devices if isinstance(policy.devices, tuple) else _parts(policy.devices)
    return tuple(takewhile(lambda name: name != "-1", _parts(visible or "")))  # as CUDA reads it


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def why_held(name: str, free_fraction: float, devices: tuple[Device, ...]) -> str:
    """Say who keeps a device from being used for a new worker; "" when nobody does."""
    device = find(name, devices)
    if device is None:
        return f"GPU {name} is not there any more: tuilab doctor explains" if devices else ""
    free = device.memory_total - device.memory_used
    if free >= free_fraction * device.memory_total:
        return ""
    who = ", ".join(device.holders) or "someone outside this container"
    return (
        f"gpu-held: GPU {device.index} has {gibibytes(free)} of "
        f"{gibibytes(device.memory_total)} GiB free; the rest is held by {who}"
    )


def find(name: str, devices: tuple[Device, ...]) -> Device | None:
    """Return the device that CUDA_VISIBLE_DEVICES would mean by an index or the start of a UUID.

    The index of a card that is cut up means its first slice.
    """
    for device in devices:
        if name == str(device.index) or (name and device.uuid.startswith(name)):
            return device
    return None


def _read(nvml: Any, index: int) -> list[Device]:
    """Read one card, or the slices of one that is cut up; [] for one that fell off the bus."""
    try:
        card = nvml.nvmlDeviceGetHandleByIndex(index)
        slices = _slices(nvml, card)
        return [_describe(nvml, index, handle) for handle in slices or [card]]
    except nvml.NVMLError:  # the others can still be used
        return []


def _slices(nvml: Any, card: Any) -> list[Any]:
    """Return the handles of a card's MIG slices; [] for a whole card."""
    found: list[Any] = []
    with contextlib.suppress(Exception):  # no MIG: not supported, or a driver without it
        if nvml.nvmlDeviceGetMigMode(card)[0] == 1:
            for place in range(nvml.nvmlDeviceGetMaxMigDeviceCount(card)):
                with contextlib.suppress(nvml.NVMLError):  # a place without a slice
                    found.append(nvml.nvmlDeviceGetMigDeviceHandleByIndex(card, place))
    return found


def _describe(nvml: Any, index: int, handle: Any) -> Device:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    percent = None
    holders: tuple[str, ...] = ()
    with contextlib.suppress(Exception):
        percent = float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    with contextlib.suppress(Exception):
        running = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
        holders = tuple(_name(process.pid) for process in running)
    return Device(
        index, _text(nvml.nvmlDeviceGetUUID(handle)), _text(nvml.nvmlDeviceGetName(handle)),
        int(memory.total), int(memory.used), percent, holders,
    )  # fmt: skip


def _name(pid: int) -> str:
    """In a container NVML reports pids of the host: say so when this one is not ours to see."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return f"pid {pid} (not visible from here)"
    return f"pid {pid} {b' '.join(words).decode(errors='replace')[:60].strip()}"


def _text(raw: str | bytes) -> str:
    return raw.decode() if isinstance(raw, bytes) else raw
