"""Judges for ``tuilab doctor`` what the runners can compute on: driver, torch build, memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tuilab.cli.runner_programs import ProgramAnswer, how_to_install
from tuilab.engine.decide.policy import read_policy
from tuilab.engine.host.gpus import Device, highest_cuda, look_at_devices
from tuilab.grid.checks import Check, Level
from tuilab.grid.text import gibibytes


@dataclass(frozen=True, slots=True)
class Driver:
    """What NVML says of this machine."""

    highest_cuda: float
    """Newest CUDA version that the driver supports, as 12.8."""
    devices: tuple[Device, ...] = ()


def look_at_driver() -> Driver | None:
    """Ask NVML; None where there is no driver."""
    highest = highest_cuda()
    return None if highest is None else Driver(highest, look_at_devices())


def findings_on_devices(
    answer: ProgramAnswer, driver: Driver | None, is_pod: bool, wants_gpu: bool = True
) -> Iterator[Check]:
    """Judge the devices from what the runners' probe said and from the driver."""
    said = answer.value or {}
    gpus = [str(name) for name in said.get("devices") or () if not str(name).startswith("CPU")]
    if driver is None and not gpus and not wants_gpu:
        yield Check("gpu", Level.OK, "no GPU is visible; this experiment computes on the processor")
        return
    if driver is None and not gpus:
        pod = " in this container: did the pod come back without one?"
        tail = pod if is_pod else ": the tiny grid runs here, the 7B grid does not"
        yield Check("gpu", Level.WARNING, f"no GPU is visible{tail}")
        return
    for name in gpus:
        yield Check("gpu", Level.OK, name)
    if said:
        yield from _sampler(said.get("libraries") or {})
    if driver is None:
        return
    yield from memory(driver.devices)
    if cuda := said.get("cuda"):
        yield _compare(driver.highest_cuda, str(cuda))
    elif answer.value is not None:
        yield Check(
            "driver",
            Level.WARNING,
            f"there is a GPU (driver for CUDA {driver.highest_cuda:.1f}), but torch is a CPU "
            "build: install one for CUDA",
        )


def memory(devices: Sequence[Device]) -> Iterator[Check]:
    """Say how much of each device is free and, where that is too little, who holds the rest."""
    wanted = read_policy({}).gpu_free_fraction
    for device in devices:
        free = device.memory_total - device.memory_used
        text = f"GPU {device.index}: {gibibytes(free)} of {gibibytes(device.memory_total)} GiB free"
        if free >= wanted * device.memory_total:
            yield Check("gpu memory", Level.OK, text)
            continue
        who = ", ".join(device.holders) or "someone outside this container"
        yield Check("gpu memory", Level.WARNING, f"{text}; the rest is held by {who}")


def _sampler(libraries: dict[str, str | None]) -> Iterator[Check]:
    if number := libraries.get("vllm"):
        yield Check("vllm", Level.OK, f"vllm {number} can be imported")
    else:
        yield Check(
            "vllm",
            Level.OK,
            "vllm is not installed. Llama, Mistral, Qwen, Granite, OLMo 2 do not need it; others "
            f"are sampled by transformers, which is slow ({how_to_install('gpu')})",
        )


def _compare(highest: float, cuda: str) -> Check:
    """Judge torch's CUDA against the driver's: an older minor version works, a major does not."""
    text = f"the driver supports CUDA {highest:.1f}, torch is built for {cuda}"
    if _number(cuda) <= highest:
        return Check("driver", Level.OK, text)
    if int(_number(cuda)) == int(highest):
        return Check(
            "driver", Level.WARNING, f"{text}: within one major version this usually works"
        )
    advice = "install torch for an older CUDA, or a newer driver"
    return Check("driver", Level.BLOCKING, f"{text}: {advice}")


def _number(text: str) -> float:
    try:
        return float(".".join(text.split(".")[:2]))
    except ValueError:
        return 0.0
