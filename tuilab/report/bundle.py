"""One archive with everything a reviewer needs, and the check that it is whole and unchanged."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

CHECKSUMS = "SHA256SUMS"


class BundleError(Exception):
    """The archive cannot be read as a bundle; the text says why."""


def write_bundle(out: Path, members: Mapping[str, Path | bytes]) -> str:
    """Write a .tar.gz of ``members`` (archive name to file or content) with a checksum list.

    Names are sorted and times, owners and modes fixed, so equal content gives an equal archive.
    Returns the archive's sha256. Raises ValueError for a name that would leave the archive.
    """
    if bad := [name for name in members if _leaves(name) or name == CHECKSUMS]:
        raise ValueError(f"not a name inside a bundle: {bad[0]!r}")
    sums = "".join(f"{_digest(source)}  {name}\n" for name, source in sorted(members.items()))
    everything = {**members, CHECKSUMS: sums.encode()}
    draft = out.with_name(f".{out.name}.draft")
    try:
        with draft.open("wb") as file:
            _pack(file, everything)
        sha256 = _digest(draft)
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    return sha256


def _pack(file: BinaryIO, members: Mapping[str, Path | bytes]) -> None:
    with (
        gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, source in sorted(members.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(source) if isinstance(source, bytes) else source.stat().st_size
            entry.mode = 0o644
            with _open(source) as data:
                archive.addfile(entry, data)


def verify_bundle(path: Path) -> list[str]:
    """Return every way in which the archive differs from its checksum list; [] when it is whole.

    Raises BundleError when the file is no bundle at all.
    """
    found, sums, problems = _contents(path)
    if sums is None:
        raise BundleError(f"{path}: has no {CHECKSUMS}: it is not a tuilab bundle")
    listed = _listed(path, sums)
    problems += [f"{name}: is listed but missing" for name in listed if name not in found]
    problems += [f"{name}: is not listed" for name in found if name not in listed]
    problems += [
        f"{name}: has changed since the bundle was made"
        for name, digest in found.items()
        if digest != listed.get(name, digest)
    ]
    return sorted(problems)


def _contents(path: Path) -> tuple[dict[str, str], bytes | None, list[str]]:
    """Checksum of every file by name, the checksum list, and what no bundle of ours would hold."""
    digests: dict[str, str] = {}
    sums: bytes | None = None
    problems = []
    try:
        with tarfile.open(path, "r:gz") as archive:
            for entry in archive:
                file = archive.extractfile(entry) if entry.isfile() else None
                if file is None:
                    problems.append(f"{entry.name}: is no regular file")
                elif entry.name == CHECKSUMS and sums is None:
                    sums = file.read()
                elif entry.name in digests or entry.name == CHECKSUMS:
                    problems.append(f"{entry.name}: occurs twice")
                else:
                    digests[entry.name] = _digest_of(file)
    except FileNotFoundError:
        raise BundleError(f"{path}: there is no such file") from None
    except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
        raise BundleError(f"{path}: cannot be read as a .tar.gz archive: {error}") from error
    return digests, sums, problems


def _listed(path: Path, sums: bytes) -> dict[str, str]:
    listed = {}
    for line in sums.decode("utf-8", errors="replace").splitlines():
        value, gap, name = line.partition("  ")
        if not gap:
            raise BundleError(f"{path}: {CHECKSUMS} has a line that is no checksum: {line[:80]!r}")
        listed[name] = value
    return listed


def _leaves(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return not parts or name.startswith("/") or ".." in parts


def _open(source: Path | bytes) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def _digest(source: Path | bytes) -> str:
    with _open(source) as file:
        return _digest_of(file)


def _digest_of(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()
