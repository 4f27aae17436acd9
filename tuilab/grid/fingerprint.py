"""Hashes what a result depends on: settings, inputs and runner code; pure functions of values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from sys import intern
from typing import TYPE_CHECKING, Any

from tuilab.grid.stages import Stage

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

    from tuilab.grid.code_shape import CodeShape

SHORT = 16
"""Hex digits of the hashes that are kept by the thousand: enough to tell settings apart."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What decides a job's result beside what it reads, each part a hash that is compared alone."""

    settings: str
    """Of the settings that decide the result (``settings.deciding``)."""
    code: str
    """Of the stage's program and what that imports."""
    base: str = ""
    """Of the tiny base's files; "" for one that is fetched: its commit is an input. Of a fetch
    itself the revision that is asked for."""

    def as_json(self) -> dict[str, str]:
        """Return the mapping that ``parts_from`` reads."""
        return {"settings": self.settings, "code": self.code, "base": self.base}


def parts_from(raw: Mapping[str, Any] | None) -> Parts | None:
    """Read what ``as_json`` returned; None where nothing was recorded, as version 0.1 did."""
    if not raw:
        return None
    # Interned: thousands of attempts name the same ones.
    settings, code, base = raw["settings"], raw["code"], raw.get("base", "")
    return Parts(intern(str(settings)), intern(str(code)), intern(str(base)))


def canonical(value: Any) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces; NaN raises ValueError."""
    return str(value) if type(value) is int else _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def fingerprint_of(parts: str, checkpoints: Sequence[int], seed: int | None) -> str:
    """Hash all that decides a job's result; ``parts`` are its ``Parts`` as canonical JSON."""
    return digest_of_text(f"[{parts},{canonical(checkpoints)},{canonical(seed)}]")[:SHORT]


def all_code(versions: Mapping[str, str]) -> str:
    """Hash the code versions of all stages."""
    return digest(dict(versions))[:SHORT]


def digest(value: Any) -> str:
    """Return the sha256 of a value's canonical JSON as lower-case hex."""
    return digest_of_text(canonical(value))


def digest_of_text(text: str) -> str:
    """Return the sha256 of a canonical text."""
    return hash_of_text(text).hexdigest()


def hash_of_text(text: str, begun: Hash | None = None) -> Hash:
    """Return the hash of a text, or of one that goes on from what was begun."""
    found = begun or hashlib.sha256()
    found.update(text.encode("utf-8", "surrogatepass"))
    return found


def hash_of_sources(sources: Iterable[tuple[str, bytes]]) -> str:
    """Return the hash that a copy of source files is named after; files in the order of names."""
    found = hashlib.sha256()
    for name, text in sources:
        found.update(name.encode() + b"\0" + text + b"\0")
    return found.hexdigest()[:SHORT]


def number_of(*parts: Any) -> int:
    """Return a number in 0..2**31-1 that depends on the parts alone.

    Python's own ``hash`` differs from process to process and must not choose anything.
    """
    return int.from_bytes(hash_of_text(canonical(parts)).digest()[:4], "big") >> 1


def code_versions(files: Mapping[str, str]) -> dict[str, str]:
    """Return each stage's code version: a hash over its program and what that imports.

    ``files`` maps module names (``runners.train``, ``runners.ml.chat``, ``tuilab.contract.spec``)
    to their source text. Only what the code does counts (``grid/code_shape.py``): a comment, a
    docstring or the layout makes no result stale. A stage without a program gets the hash of
    nothing, so plans can be made where no runner is installed.
    """
    return dict(_versions(frozenset(files.items())))


@lru_cache(maxsize=4)
def _versions(sources: frozenset[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    files = dict(sources)
    shapes: dict[str, CodeShape] = {}
    names = ((stage.value, f"runners.{stage.value}") for stage in Stage)
    return tuple((stage, _closure_hash(name, files, shapes)) for stage, name in names)


def _closure_hash(start: str, files: Mapping[str, str], shapes: dict[str, CodeShape]) -> str:
    from tuilab.grid.code_shape import code_shape  # whoever does not plan needs no parser

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
    return digest({name: shapes[name].hash for name in seen})[:SHORT]
