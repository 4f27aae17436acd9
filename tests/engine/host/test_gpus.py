"""Which places there are for workers: what is visible, by whatever name, each device once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tuilab.engine.decide.facts import Slot
from tuilab.engine.decide.policy import Policy
from tuilab.engine.host import gpus
from tuilab.engine.host.gpus import Device, look_at_devices, slots_for, why_held

GIB = 2**30


def gpu(index: int, used: float = 0.0, holders: tuple[str, ...] = ()) -> Device:
    return Device(index, f"GPU-{index}", "H", 80 * GIB, int(used * GIB), holders=holders)


def test_slots_follow_the_visible_devices_and_the_number_of_workers() -> None:
    seen = (gpu(0), gpu(1), gpu(2))
    assert slots_for(Policy(workers=8), None, seen) == (Slot(0, "0"), Slot(1, "1"), Slot(2, "2"))
    assert slots_for(Policy(workers=8), "2,0", seen) == (Slot(0, "2"), Slot(1, "0"))
    assert slots_for(Policy(workers=1), "2,0", seen) == (Slot(0, "2"),)


@pytest.mark.parametrize("named", [("GPU-1",), ("1",), "1", "GPU-1"])
def test_the_config_names_devices_by_index_or_uuid(named: str | tuple[str, ...]) -> None:
    """A worker is given the index: vLLM takes nothing else."""
    found = slots_for(Policy(workers=2, devices=named), "0", (gpu(0), gpu(1)))
    assert found == (Slot(0, "1"),)


@pytest.mark.parametrize("visible", ["1", "GPU-1", "1,1", "1,GPU-1", "GPU-1,1", " 1 ,", "1,-1,0"])
def test_a_device_is_one_however_often_and_by_whatever_name_it_is_visible(visible: str) -> None:
    assert slots_for(Policy(workers=8), visible, (gpu(0), gpu(1))) == (Slot(0, "1"),)


def test_a_name_that_no_device_has_keeps_its_place_and_says_so() -> None:
    found = slots_for(Policy(workers=8), "1,GPU-7", (gpu(0), gpu(1)))
    assert found == (Slot(0, "1"), Slot(1, "GPU-7"))
    assert "GPU GPU-7 is not there" in why_held("GPU-7", 0.9, (gpu(0), gpu(1)))


def test_without_devices_there_are_as_many_slots_as_workers() -> None:
    plain = (Slot(0), Slot(1))
    assert slots_for(Policy(workers=2), None, ()) == plain
    assert slots_for(Policy(workers=2), "", (gpu(0),)) == plain
    assert slots_for(Policy(workers=2), "-1", (gpu(0),)) == plain
    assert slots_for(Policy(workers=2, devices="none"), None, (gpu(0),)) == plain


def test_a_held_device_is_named_with_who_holds_it() -> None:
    assert why_held("0", 0.9, (gpu(0, 1.0),)) == ""
    assert "pid 7" in why_held("0", 0.9, (gpu(0, 40.0, ("pid 7 python",)),))
    assert "outside this container" in why_held("GPU-0", 0.9, (gpu(0, 40.0),))
    assert "not there any more" in why_held("3", 0.9, (gpu(0),))


class Nvml:
    """Two cards as NVML tells of them, of which some may be lost, and some cut into slices."""

    class NVMLError(Exception):
        """What every call of NVML may raise."""

    def __init__(self, lost: int | None = None, cut: int | None = None) -> None:
        self.lost, self.cut = lost, cut

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:
        if index == self.lost:
            raise self.NVMLError("GPU is lost")
        return f"GPU-{index}"

    def nvmlDeviceGetMigMode(self, handle: str) -> list[int]:
        if self.cut is None:
            raise self.NVMLError("not supported")
        return [int(handle == f"GPU-{self.cut}")] * 2

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: str) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: str, place: int) -> str:
        if place > 1:
            raise self.NVMLError("not found")
        return f"MIG-{handle[-1]}-{place}"

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> Any:
        return SimpleNamespace(total=80 * GIB, used=GIB)

    def nvmlDeviceGetUUID(self, handle: str) -> str:
        return handle

    def nvmlDeviceGetName(self, handle: str) -> bytes:
        return b"H"


def looked_at(monkeypatch: pytest.MonkeyPatch, nvml: Nvml) -> tuple[Device, ...]:
    monkeypatch.delenv(gpus.FAKE_VARIABLE, raising=False)
    monkeypatch.setattr(gpus, "_nvml", lambda: nvml)
    return look_at_devices()


def test_a_card_that_fell_off_the_bus_does_not_take_the_others_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = looked_at(monkeypatch, Nvml(lost=0))
    assert [(device.index, device.uuid, device.name) for device in left] == [(1, "GPU-1", "H")]
    assert "GPU 0 is not there" in why_held("0", 0.9, left)
    assert why_held("1", 0.9, left) == ""


def test_slices_of_a_card_are_devices_that_only_their_uuid_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = looked_at(monkeypatch, Nvml(cut=1))
    assert [device.label for device in seen] == ["0", "MIG-1-0", "MIG-1-1"]
    assert [device.promise for device in seen] == ["GPU-0", "", ""]
    chosen = slots_for(Policy(workers=8), "MIG-1-1,0", seen)
    assert chosen == (Slot(0, "MIG-1-1"), Slot(1, "0"))
    assert why_held("MIG-1-1", 0.9, seen) == ""
    assert slots_for(Policy(workers=8), "1", seen) == (Slot(0, "MIG-1-0"),)
