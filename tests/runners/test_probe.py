"""What ``tuilab doctor`` gets to know about this machine."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from runners import probe


def test_the_probe_names_versions_devices_and_what_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "REQUIRED", (*probe.REQUIRED, "no_such_library"))
    assert probe.main() == 0
    found = json.loads(capsys.readouterr().out)
    assert found["libraries"]["torch"] == torch.__version__
    assert found["libraries"]["no_such_library"] is None
    missing = "no_such_library is not installed: pip install 'tuilab[train]'"
    assert missing in found["problems"]
    # torch from the package registry is built for CUDA, and says so where there is no device.
    assert all("no device" in other for other in found["problems"] if other != missing)
    assert found["cuda"] == torch.version.cuda
    assert found["devices"]


def test_a_library_that_breaks_at_import_is_a_problem_and_not_a_crash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "broken_wheel.py").write_text("raise ImportError('libcudart.so.13: not found')")
    monkeypatch.syspath_prepend(tmp_path)
    problems: list[str] = []
    assert probe._version("broken_wheel", problems) is None
    assert problems == [
        "broken_wheel is installed but cannot be imported: libcudart.so.13: not found"
    ]
