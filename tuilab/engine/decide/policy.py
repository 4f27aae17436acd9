"""Reads what a plan's ``resources`` let the engine do; every setting has its default here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tuilab.grid.jobs import Plan
from tuilab.grid.settings_table import SettingsTable

GB = 10**9


@dataclass(frozen=True, slots=True)
class Policy:
    """The engine's settings, resolved."""

    workers: int = 1
    """Runner processes at once; on GPUs at most ``jobs_per_device`` per device."""
    jobs_per_device: int = 1
    """Workers that may share a GPU, as far as the peaks measured so far fit side by side."""
    threads: int | None = None
    """CPU threads per worker; None leaves the libraries' own choice."""
    runner: tuple[str, ...] = ("python", "-m", "runners.serve")
    """Worker program; ``python`` means the interpreter that runs the engine."""
    executor: str = "local"
    devices: str | tuple[str, ...] = "auto"
    """``auto`` (CUDA_VISIBLE_DEVICES, else NVML), ``none``, or the device ids to use."""
    grace_seconds: float = 20.0
    """Between SIGTERM and SIGKILL."""
    retries: int = 1
    """Automatic new attempts after a failure that may pass."""
    stall_minutes: float = 15.0
    stop_stalled: bool = False
    reserve_bytes: int = 2 * GB
    """Disk that must stay free."""
    job_bytes: Mapping[str, int] | None = None
    """Bytes of one attempt by stage; forecast and measurement are used where this is silent."""
    idle_seconds: float = 600.0
    """A warm worker without work is closed after so long."""
    engine_idle_seconds: float = 30.0
    """The engine leaves when nothing has been running or due for so long."""
    save_seconds: float = 60.0
    """A training keeps a state to go on from about this often; 0: only when told to stop."""
    assign_ahead: bool = True
    """Give a busy worker its next job early, when enough jobs are ready for all."""
    gpu_free_fraction: float = 0.9
    """Share of a device's memory that must be free before a worker is launched on it."""
    hub_wait_seconds: float = 15.0
    """Before a hub that gave nothing is tried again; twice as long after each time in a row."""
    offline: bool | str = "auto"
    """Whether runners may not reach for the hub; ``auto``: once the base was fetched and used."""
    needs_cuda: bool = False
    """A base of the plan asks for a GPU."""


def policy_of(plan: Plan) -> Policy:
    """Resolve a plan's resources."""
    return policy_for(plan.resources, (base.get("device") for base in bases(plan)))


def policy_for(resources: Mapping[str, Any], asked: Iterable[Any]) -> Policy:
    """Resolve resources for bases on these devices; one for the processor takes no GPU."""
    wished = set(asked)
    policy = replace(read_policy(resources), needs_cuda="cuda" in wished)
    return replace(policy, devices="none") if wished == {"cpu"} else policy


def bases(plan: Plan) -> list[Mapping[str, Any]]:
    """Return the base model's settings wherever a plan has some."""
    kept = plan.settings
    table = kept if isinstance(kept, SettingsTable) else SettingsTable(kept)
    return [base for base in table.values_of("base") if isinstance(base, Mapping)]


def read_policy(resources: Mapping[str, Any]) -> Policy:
    """Resolve a plan's resources; unknown keys are left alone, missing ones get their default."""
    plain = {
        name: resources[name]
        for name in Policy.__dataclass_fields__
        if resources.get(name) is not None
    }
    if "runner" in plain:
        plain["runner"] = tuple(plain["runner"])
    if isinstance(plain.get("devices"), list):
        plain["devices"] = tuple(str(device) for device in plain["devices"])
    if resources.get("reserve_gb") is not None:
        plain["reserve_bytes"] = int(float(resources["reserve_gb"]) * GB)
    return Policy(**plain)
