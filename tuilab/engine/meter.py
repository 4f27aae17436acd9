"""Samples how busy the machine is; the only place that imports psutil."""

from __future__ import annotations

from tuilab.engine.devices import Device
from tuilab.store.snapshot import Meter


def sample(devices: tuple[Device, ...], ours: frozenset[str]) -> Meter:
    """Return CPU and memory use now, and each device's.

    ``ours`` names the devices that this engine's workers were given (index or UUID); memory in use
    elsewhere is unattributed. Pids are not trusted: in a container NVML gives those of the host.
    """
    import psutil

    memory = psutil.virtual_memory()
    gpus = tuple(
        {
            "index": device.index,
            "name": device.name,
            "percent": device.percent,
            "memory_used": device.memory_used,
            "memory_total": device.memory_total,
            "unattributed": 0 if _is_ours(device, ours) else device.memory_used,
        }
        for device in devices
    )
    return Meter(psutil.cpu_percent(None), memory.total - memory.available, memory.total, gpus)


def _is_ours(device: Device, ours: frozenset[str]) -> bool:
    return str(device.index) in ours or any(device.uuid.startswith(name) for name in ours if name)
