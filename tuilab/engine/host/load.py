"""Samples how busy the machine is; the only place that imports psutil."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tuilab.engine.decide.facts import Facts
from tuilab.engine.decide.phase import IN_USE
from tuilab.engine.host.gpus import Device
from tuilab.grid.engine_view import Meter

Loads = Mapping[str, Sequence[str]]
"""What this engine's workers are on, by the label of their device; idle ones have ()."""


def loads_of(facts: Facts) -> Loads:
    """Return the job of each device that a worker of ours is on."""
    at = {worker.slot: worker for worker in facts.workers if worker.phase in IN_USE}
    found: dict[str, list[str]] = {}
    for slot in facts.slots:
        if slot.device is not None and slot.index in at:
            job = facts.present_job(at[slot.index])
            found.setdefault(slot.device, []).extend([job] if job else [])
    return found


def of_slots(devices: tuple[Device, ...], facts: Facts) -> tuple[Device, ...]:
    """Return the devices that the slots are on: others on the machine are not ours to show."""
    labels = {slot.device for slot in facts.slots}
    return tuple(one for one in devices if one.label in labels) or devices


def sample(devices: tuple[Device, ...], loads: Loads) -> Meter:
    """Return CPU and memory use now, and each device's.

    Memory in use on a device without a worker of ours is unattributed. Pids are not trusted: in a
    container NVML gives those of the host.
    """
    import psutil

    gpus = tuple(
        {
            "index": device.index,
            "name": device.name,
            "percent": device.percent,
            "memory_used": device.memory_used,
            "memory_total": device.memory_total,
            "unattributed": 0 if device.label in loads else device.memory_used,
        }
        for device in devices
    )
    total = psutil.virtual_memory().total
    return Meter(psutil.cpu_percent(None), memory_used(), total, gpus)


def memory_used() -> int:
    """Return the bytes of host memory in use, without what the page cache can give back."""
    import psutil

    memory = psutil.virtual_memory()
    return memory.total - memory.available


def processor_seconds(pid: int) -> float | None:
    """Return the processor time that a process has taken; None where it is gone."""
    import psutil

    try:
        taken = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return None
    return float(taken.user + taken.system)


def with_jobs(meter: Meter, devices: tuple[Device, ...], loads: Loads) -> Meter:
    """Return a meter that also says which jobs are on each device; its past needs no such word."""
    named = [list(loads.get(device.label, ())) for device in devices]
    gpus = zip(meter.gpus, named, strict=True)
    return replace(meter, gpus=tuple({**gpu, "jobs": jobs} for gpu, jobs in gpus))
