"""Decides what a worker sees of the engine's environment; nothing of it reaches a disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from tuilab.contract.hub import OFFLINE_BY_ENGINE

ALLOWED = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TMP",
    "TEMP", "LD_LIBRARY_PATH", "LD_PRELOAD", "VIRTUAL_ENV", "CONDA_PREFIX", "SSL_CERT_FILE",
    "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "no_proxy", "DO_NOT_TRACK",
)  # fmt: skip
ALLOWED_PREFIXES = (
    "HF_", "HUGGING_FACE_", "TRANSFORMERS_", "TOKENIZERS_", "CUDA_", "NVIDIA_", "NCCL_",
    "NVSHMEM_", "OMP_",
    "MKL_", "OPENBLAS_", "TORCH", "PYTORCH_", "TRITON_", "VLLM_", "WANDB_", "PYTHON", "LC_", "XDG_",
    "TUILAB_",
)  # fmt: skip
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def threads_for(workers: int, quota: Path = _QUOTA) -> int:
    """Return the CPU threads of each of so many workers on this machine, at least one.

    PyTorch takes every core of the host, also those that other workers compute on and those
    beyond a container's quota; threads that wait for one another then take ten times as long.
    """
    cores = len(os.sched_getaffinity(0))
    try:
        allowed, period = quota.read_text(encoding="utf-8").split()
        if allowed != "max":
            cores = min(cores, int(allowed) // int(period))
    except (OSError, ValueError):
        pass  # no container, or one of an older kind
    return max(1, cores // max(1, workers))


def worker_environment(
    own: Mapping[str, str],
    threads: int | None = None,
    device: str | None = None,
    uuid: str = "",
    offline: bool = False,
) -> dict[str, str]:
    """Return a worker's environment: the allowed part of ``own``, with threads and device pinned.

    ``uuid`` is the device that the runner must find behind CUDA_VISIBLE_DEVICES.

    Secrets such as HF_TOKEN pass through here and nowhere else.
    """
    found = {
        name: value
        for name, value in own.items()
        if name in ALLOWED or name.startswith(ALLOWED_PREFIXES)
    }
    found["PYTHONPATH"] = with_source_root(found.get("PYTHONPATH", ""))
    found["PYTHONUNBUFFERED"] = "1"
    found.setdefault("TOKENIZERS_PARALLELISM", "false")
    if threads is not None:
        found.update({name: str(threads) for name in _THREAD_VARIABLES})
    if device is not None:
        found["CUDA_VISIBLE_DEVICES"] = device
        found["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # NVML counts so; CUDA would count by speed
    if uuid:
        found["TUILAB_DEVICE_UUID"] = uuid
    if offline:
        if not own.get("HF_HUB_OFFLINE"):
            found[OFFLINE_BY_ENGINE] = "1"
        found.update({"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"})
    return found


def worker_argv(runner: tuple[str, ...]) -> list[str]:
    """Return the runner's command line without its worker directory; ``python`` is this one."""
    program = sys.executable if runner[0] in ("python", "python3") else runner[0]
    return [program, *runner[1:]]


def source_root() -> Path:
    """Return the folder that holds the ``tuilab`` package."""
    return Path(__file__).resolve().parents[3]


def with_source_root(path: str) -> str:
    """Return a PYTHONPATH on which the package is found."""
    parts = [part for part in path.split(os.pathsep) if part]
    root = str(source_root())
    return os.pathsep.join(parts if root in parts else [root, *parts])
