"""Hashes what a result depends on: settings, inputs and runner code; pure functions of values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from tuilab.grid.code_shape import CodeShape, code_shape
from tuilab.grid.stages import Stage


def canonical(value: Any) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces; NaN raises ValueError."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(value: Any) -> str:
    """Return the sha256 of a value's canonical JSON as lower-case hex."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()


def fingerprint(
    settings_hash: str, parents: Iterable[str], code_version: str, seed: int | None
) -> str:
    """Hash what decides a job's result; ``parents`` are fingerprints in the order of the inputs."""
    return digest(
        {"settings": settings_hash, "inputs": [*parents], "code": code_version, "seed": seed}
    )


def number_of(*parts: Any) -> int:
    """Return a number in 0..2**31-1 that depends on the parts alone.

    Python's own ``hash`` differs from process to process and must not choose anything.
    """
    raw = hashlib.sha256(canonical(parts).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(raw[:4], "big") >> 1


def code_versions(files: Mapping[str, str]) -> dict[str, str]:
    """Return each stage's code version: a hash over its program and what that imports.

    ``files`` maps module names (``runners.train``, ``runners.ml.loop``, ``tuilab.contract.spec``)
    to their source text. Only what the code does counts (``grid/code_shape.py``): a comment, a
    docstring or the layout makes no result stale. A stage without a program gets the hash of
    nothing, so plans can be made where no runner is installed.
    """
    shapes: dict[str, CodeShape] = {}
    return {stage.value: _closure_hash(f"runners.{stage.value}", files, shapes) for stage in Stage}


def _closure_hash(start: str, files: Mapping[str, str], shapes: dict[str, CodeShape]) -> str:
    seen: set[str] = set()
    queue = [start]
    while queue:
        name = queue.pop()
        if name in seen or name not in files:
            continue
        seen.add(name)
        if name not in shapes:
            shapes[name] = code_shape(files[name])
        queue += shapes[name].imports
    return digest({name: shapes[name].hash for name in seen})[:16]
