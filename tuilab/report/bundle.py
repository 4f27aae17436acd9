"""One archive with everything a reviewer needs, and the check that it is whole and unchanged."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from tuilab.contract.foreign import redact
from tuilab.report.finished_jobs import FinishedJob, cell_record, finished_jobs
from tuilab.report.folder import Made
from tuilab.study.study import Study

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
                    problems.append(f"{entry.name}: is not a regular file")
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
            raise BundleError(
                f"{path}: {CHECKSUMS} has a line that is not a checksum: {line[:80]!r}"
            )
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


LARGE = frozenset({"adapter_model.safetensors", "model.safetensors"})
"""Weights stay with the experiment; a bundle carries their hashes."""
EXPERIMENT_FILES = (
    "experiment.toml",
    "plan.json",
    "design.json",
    "measurements.csv",
    "journal.jsonl",
    "deviations.json",
)
REDACTED = "REDACTED.txt"
_TEXTS = frozenset({".toml", ".json", ".jsonl", ".csv", ".md", ".tex", ".txt", ".py"})


def make_bundle(study: Study, made: Made, out: Path) -> str:
    """Archive the report and everything behind it without secrets; return the archive's sha256."""
    folder = made.report.parent
    members: dict[str, Path | bytes] = {
        f"report/{path.relative_to(folder).as_posix()}": path for path in made.files
    }
    for name in EXPERIMENT_FILES:
        if (study.root / name).is_file():
            members[name] = study.root / name
    members |= _folder(study.root / "code", "code")
    for ran in finished_jobs(study):
        members |= _cell(ran)
    return write_bundle(out, without_secrets(members))


def without_secrets(members: dict[str, Path | bytes]) -> dict[str, Path | bytes]:
    """Blank out what looks like a token in every text, and name the members that were changed."""
    kept: dict[str, Path | bytes] = {}
    changed = []
    for name, source in members.items():
        cleaned = _redacted(name, source)
        kept[name] = source if cleaned is None else cleaned
        if cleaned is not None:
            changed.append(name)
    if changed:
        said = "Something that looks like a token or key was blanked out in:\n"
        kept[REDACTED] = (said + "".join(f"{name}\n" for name in sorted(changed))).encode()
    return kept


def _redacted(name: str, source: Path | bytes) -> bytes | None:
    """The member without its secrets; None when there are none."""
    is_packed = name.endswith(".jsonl.gz")
    if not is_packed and Path(name).suffix not in _TEXTS:
        return None
    data = source if isinstance(source, bytes) else source.read_bytes()
    text = (gzip.decompress(data) if is_packed else data).decode("utf-8", errors="surrogateescape")
    if (clean := redact(text)) == text:
        return None
    raw = clean.encode("utf-8", errors="surrogateescape")
    return gzip.compress(raw, mtime=0) if is_packed else raw


def _cell(ran: FinishedJob) -> dict[str, Path | bytes]:
    place = f"cells/{ran.job.replace('@', '/epoch-').replace('#', '/seed-')}"
    record = json.dumps(cell_record(ran), indent=1, sort_keys=True).encode()
    members: dict[str, Path | bytes] = {f"{place}/record.json": record}
    for artefact in ran.outcome.artefacts:
        path = ran.directory / artefact.path
        if path.name not in LARGE and path.is_file():
            members[f"{place}/{artefact.path}"] = path
    return members


def _folder(folder: Path, name: str) -> dict[str, Path | bytes]:
    return {
        f"{name}/{path.relative_to(folder).as_posix()}": path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
