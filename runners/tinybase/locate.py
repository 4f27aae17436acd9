"""Locates the frozen tiny base and verifies its files; needs no model library."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tuilab.contract.report import digest

MANIFEST = "manifest.json"


class TinyBaseError(Exception):
    """A tiny base is missing, incomplete or changed."""


def shipped_dir() -> Path:
    """Return the directory of the frozen build that ships with the project."""
    return Path(__file__).parent / "shipped"


def read_manifest(directory: Path) -> dict[str, object]:
    """Read what a build recorded about itself; raises TinyBaseError when there is none."""
    path = directory / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TinyBaseError(_advise(f"{path} does not exist")) from None
    except ValueError as error:
        raise TinyBaseError(_advise(f"{path} is not readable JSON ({error})")) from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise TinyBaseError(_advise(f"{path} lists no files"))
    return manifest


def verify(directory: Path) -> None:
    """Compare every file with the manifest; raises TinyBaseError naming the first difference."""
    files = read_manifest(directory)["files"]
    assert isinstance(files, dict)
    if "model.safetensors" not in files or "tokenizer.json" not in files:
        raise TinyBaseError(_advise(f"{directory / MANIFEST} lacks the model or the tokenizer"))
    for name, expected in files.items():
        if Path(name).name != name:
            raise TinyBaseError(_advise(f"{directory / MANIFEST} names {name!r}, not a plain file"))
        path = directory / name
        if not path.is_file():
            raise TinyBaseError(_advise(f"{path} does not exist"))
        if digest(path) != expected.get("sha256"):
            raise TinyBaseError(_advise(f"{path} differs from the sha256 in its manifest"))


def fingerprint(directory: Path) -> str:
    """Return one sha256 over the names and hashes of all files, as the manifest has them."""
    files = read_manifest(directory)["files"]
    assert isinstance(files, dict)
    lines = [f"{name} {files[name].get('sha256')}\n" for name in sorted(files)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _advise(fault: str) -> str:
    return f"{fault}: rebuild it with `python -m runners.tinybase.build --out DIR`"
