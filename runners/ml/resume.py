"""Saves the state of an unfinished training run, and finds the newest one that is whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

import torch
from safetensors.torch import load_file, save_file

from tuilab.contract import atomic
from tuilab.contract.report import digest

FOLDER = "resume"
STATE_FILE = "state.safetensors"
MANIFEST_FILE = "manifest.json"
_KEPT = 2


def save(attempt_dir: Path, step: int, state: dict[str, torch.Tensor], fingerprint: str) -> Path:
    """Write one state, its manifest last. The two newest are kept, in case one is broken."""
    folder = attempt_dir / FOLDER / f"step-{step:06d}"
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    save_file(tensors, folder / STATE_FILE)
    manifest = {
        "step": step,
        "fingerprint": fingerprint,
        "size": (folder / STATE_FILE).stat().st_size,
        "sha256": digest(folder / STATE_FILE),
    }
    atomic.write_json(folder / MANIFEST_FILE, manifest)
    for old in sorted(folder.parent.glob("step-*"))[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return folder


class Saver:
    """Writes states, and what else is due, while training goes on: one at a time, in their order.

    A context: leaving it waits for the last write.
    """

    def __init__(self, attempt_dir: Path, fingerprint: str) -> None:
        self._attempt_dir = attempt_dir
        self._fingerprint = fingerprint
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._write: Future[object] | None = None

    def save(self, step: int, state: dict[str, torch.Tensor]) -> None:
        """Copy the state to host memory and write it later; raise what the write before raised."""
        copies = in_host_memory(state)
        self.write(lambda: save(self._attempt_dir, step, copies, self._fingerprint))

    def write(self, work: Callable[[], object]) -> None:
        """Let the thread do ``work`` once the write before is done; raise what that raised."""
        self.wait()
        self._write = self._thread.submit(work)

    def wait(self) -> None:
        """Wait until all is on disk; raise what the last write raised."""
        if self._write is not None:
            self._write.result()
            self._write = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(wait=True)


def in_host_memory(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Copy tensors that training is about to change."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}


def load_newest(attempt_dir: Path, fingerprint: str) -> dict[str, torch.Tensor] | None:
    """Return the newest state whose hash and fingerprint match; None when there is none."""
    for folder in sorted((attempt_dir / FOLDER).glob("step-*"), reverse=True):
        try:
            manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
            file = folder / STATE_FILE
            whole = (manifest["size"], manifest["sha256"]) == (file.stat().st_size, digest(file))
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if whole and manifest.get("fingerprint") == fingerprint:
            return load_file(file)
    return None


def remove(attempt_dir: Path) -> None:
    """Remove what a finished run no longer needs."""
    shutil.rmtree(attempt_dir / FOLDER, ignore_errors=True)
