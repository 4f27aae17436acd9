"""The doctor on devices: driver against torch, memory, what is missing."""

from __future__ import annotations

import pytest

from tuilab.cli.doctor.devices import Driver, findings_on_devices, memory
from tuilab.cli.runner_programs import ProgramAnswer
from tuilab.engine.host.gpus import Device
from tuilab.grid.checks import Level


@pytest.mark.parametrize(
    ("driver", "cuda", "level", "said"),
    [
        (12.4, "12.4", Level.OK, "supports CUDA 12.4"),
        (12.4, "12.8", Level.WARNING, "usually works"),
        (12.8, "13.0", Level.BLOCKING, "torch is built for 13.0"),
        (12.8, None, Level.WARNING, "torch is a CPU build: install one for CUDA"),
    ],
)
def test_the_driver_is_compared_with_what_torch_was_built_for(
    driver: float, cuda: str | None, level: Level, said: str
) -> None:
    answer = ProgramAnswer(
        {"cuda": cuda, "devices": ["CPU x"] if cuda is None else ["H200, 139 GiB"]}
    )
    found = {one.name: one for one in findings_on_devices(answer, Driver(driver), False)}
    assert found["driver"].level is level
    assert said in found["driver"].sentence


def test_memory_that_is_taken_is_told_with_who_holds_it() -> None:
    gib = 1024**3
    free = Device(0, "GPU-a", "H200", 140 * gib, gib)
    held = Device(1, "GPU-b", "H200", 140 * gib, 90 * gib, holders=("pid 7 vllm serve",))
    unknown = Device(2, "GPU-c", "H200", 140 * gib, 90 * gib)
    first, second, third = memory([free, held, unknown])
    assert (first.level, first.sentence) == (Level.OK, "GPU 0: 139 of 140 GiB free")
    assert second.level is third.level is Level.WARNING
    assert second.sentence.endswith("50 of 140 GiB free; the rest is held by pid 7 vllm serve")
    assert third.sentence.endswith("held by someone outside this container")


def test_with_a_gpu_the_doctor_says_whether_vllm_can_be_used() -> None:
    said = {"cuda": "12.8", "devices": ["H200, 139 GiB"]}
    without = ProgramAnswer({**said, "libraries": {"vllm": None}})
    found = {one.name: one for one in findings_on_devices(without, Driver(12.8), False)}
    assert found["vllm"].level is Level.OK, "Qwen2 models do without"
    assert "tuilab[gpu]" in found["vllm"].sentence
    there = ProgramAnswer({**said, "libraries": {"vllm": "0.26"}})
    found = {one.name: one for one in findings_on_devices(there, Driver(12.8), False)}
    assert found["vllm"].level is Level.OK


def test_a_pod_without_its_gpu_is_noticed() -> None:
    answer = ProgramAnswer({"cuda": None, "devices": ["CPU x86_64"]})
    [found] = findings_on_devices(answer, None, True)
    assert found.level is Level.WARNING
    assert "did the pod come back without one?" in found.sentence
    [found] = findings_on_devices(answer, None, False)
    assert "the tiny grid runs" in found.sentence
    [found] = findings_on_devices(answer, None, True, wants_gpu=False)
    assert found.level is Level.OK and "on the processor" in found.sentence
