"""Looks at the machine's accelerators through NVML; the only place that imports it."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tuilab.engine.facts import Slot
from tuilab.engine.policy import Policy

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
        return tuple(_read(nvml, index) for index in range(count))
    except nvml.NVMLError:  # the driver is gone: no device can be used
        return ()


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

    Every device has its first place before any has its second.

    ``visible`` is CUDA_VISIBLE_DEVICES of the engine; what it names is what may be used.
    """
    if policy.devices == "none":
        chosen: tuple[str, ...] = ()
    elif isinstance(policy.devices, tuple):
        chosen = policy.devices
    elif visible is not None:
        chosen = tuple(part.strip() for part in visible.split(",") if part.strip())
        chosen = () if chosen == ("-1",) else chosen
    else:
        chosen = tuple(str(device.index) for device in devices)
    if not chosen:
        return tuple(Slot(index) for index in range(policy.workers))
    layers = chosen * max(1, policy.jobs_per_device)
    return tuple(Slot(index, device) for index, device in enumerate(layers[: policy.workers]))


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
        f"gpu-held: GPU {device.index} has {free / 1024**3:.1f} of "
        f"{device.memory_total / 1024**3:.0f} GiB free; the rest is held by {who}"
    )


def find(name: str, devices: tuple[Device, ...]) -> Device | None:
    """Return the device that CUDA_VISIBLE_DEVICES would mean by an index or a UUID."""
    for device in devices:
        if name == str(device.index) or (device.uuid and device.uuid.startswith(name)):
            return device
    return None


def _read(nvml: Any, index: int) -> Device:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
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
