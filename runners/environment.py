"""Describes what an attempt really ran on: imported versions, devices, threads, argv."""

from __future__ import annotations

import os
import platform
import socket
import sys
from typing import Any

LIBRARIES = (
    "torch", "transformers", "peft", "tokenizers", "safetensors", "numpy", "triton", "vllm",
)  # fmt: skip


def describe() -> dict[str, Any]:
    """Return the provenance part of an outcome; only libraries that are imported are named."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": libraries(),
        "devices": devices(),
        "threads": _torch("get_num_threads"),
        "deterministic": _torch("are_deterministic_algorithms_enabled"),
        "visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "argv": [sys.executable, *sys.orig_argv[1:]],
        "pid": os.getpid(),
        "host": socket.gethostname(),
    }


def libraries() -> dict[str, str]:
    """Return the versions of the libraries this process has imported."""
    return {
        name: str(getattr(sys.modules[name], "__version__", "unknown"))
        for name in LIBRARIES
        if name in sys.modules
    }


def devices() -> list[dict[str, Any]]:
    """Return the devices torch uses: the CPU alone, or each CUDA device with its UUID."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return [{"kind": "cpu", "name": platform.processor() or platform.machine()}]
    found = []
    for index in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(index)
        uuid = str(getattr(device, "uuid", ""))
        found.append(
            {"kind": "cuda", "name": device.name, "memory": device.total_memory, "uuid": uuid}
        )
    return found


def _torch(function: str) -> Any:
    torch = sys.modules.get("torch")
    return None if torch is None else getattr(torch, function)()
