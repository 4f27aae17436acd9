"""Tells the base model's shape from its config.json where that lies here; never fetches one."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tuilab.contract.hub import commit_in_cache, model_folder
from tuilab.contract.parsing import loads, read_bytes
from tuilab.contract.report import digest
from tuilab.grid.rates import Shape, shape_named, shape_of, shape_of_size
from tuilab.store.shipped import runner_folder
from tuilab.store.tensors import TensorFileError, read_header

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig

_TINY = Path("tinybase/shipped")
_MANIFEST = "manifest.json"
_TEXTS = (".json", ".jinja", ".txt", ".model")


def base_shape(config: ExperimentConfig) -> Shape:
    """Return how large the base is: by its files where they are here, else by its name."""
    return shape_in(_folders(config), config.base.model, config.base.dtype)


def shape_in(folders: Iterable[Path], model: str, dtype: str) -> Shape:
    """Return how large a base is by the first of the folders that holds its files."""
    named = shape_named(model, 4 if dtype == "float32" else 2)
    for folder in folders:
        try:
            found = loads(read_bytes(folder / "config.json"), finite=False)
        except (OSError, ValueError):
            continue
        if isinstance(found, dict):
            shape = shape_of(found, named)
            return shape if shape.is_known else _counted(folder, shape)
    return named


def _counted(folder: Path, shape: Shape) -> Shape:
    """Count the weights in the heads of their files, of a base whose config says no sizes."""
    try:
        heads = [read_header(path) for path in sorted(folder.glob("*.safetensors"))]
    except TensorFileError:
        return shape
    weights = sum(math.prod(tensor.shape) for head in heads for tensor in head.values())
    if not weights:
        return shape
    return replace(shape_of_size(weights, shape.bytes_each), blocks=shape.blocks)


def base_stamps(config: ExperimentConfig) -> list[tuple[str, int, int]]:
    """Return name, bytes and time (ns) of the files that the base is here; [] where it is not."""
    for folder in _folders(config):
        try:
            entries = [(one.name, one.stat()) for one in sorted(folder.iterdir())]
        except OSError:
            continue
        return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in entries]
    return []


def base_hash(config: ExperimentConfig) -> str:
    """Return what tells one base on this disk from another; "" for models that a revision names.

    Of the tiny base its manifest, which names each file; of a folder config, template and
    tokenizer, while its weights are told apart by the runners.
    """
    folder = next(_folders(config), None)
    if folder is None or not folder.is_dir():
        return ""
    found = hashlib.sha256()
    try:
        if config.is_synthetic:
            return hashlib.sha256((folder / _MANIFEST).read_bytes()).hexdigest()
        for path in sorted(folder.iterdir()):
            if path.suffix in _TEXTS:
                found.update(f"{path.name} {digest(path)}\n".encode())
    except OSError:
        return ""
    return found.hexdigest()


def _folders(config: ExperimentConfig) -> Iterator[Path]:
    base = config.base
    if config.is_synthetic:
        if base.path:
            yield Path(base.path)
        elif runners := runner_folder():
            yield runners / _TINY
        return
    yield Path(base.model)
    commits = (model_folder(base.model, os.environ) / "snapshots").glob("*")
    wanted = commit_in_cache(base.model, base.revision, os.environ) or base.revision
    yield from sorted(commits, key=lambda folder: (folder.name != wanted, folder))
