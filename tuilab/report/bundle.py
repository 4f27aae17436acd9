"""One archive with everything a reviewer needs, and the check that it is whole and unchanged."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO

from tuilab.contract.foreign import redact
from tuilab.contract.report import OUTCOME_FILE, Artefact
from tuilab.contract.spec import SPEC_FILE
from tuilab.grid.states import LIVE
from tuilab.grid.text import size
from tuilab.report.finished_jobs import SHAPES, FinishedJob, finished_jobs, shapes_of
from tuilab.report.folder import WrittenReport
from tuilab.store.evidence import settled_line
from tuilab.store.state import live_attempt
from tuilab.store.tensors import TensorFileError
from tuilab.study.study import Study

CHECKSUMS = "SHA256SUMS"
CELLS = "cells"
"""Folder of the results in a bundle."""
MOST_SUMS = 64 * 2**20
MOST_BYTES = 256 * 2**30
MOST_MEMBERS = 2_000_000
MOST_HEADER = 8 * 2**20
"""What a bundle holds at most: far above 100,000 cells, and a bound for archives made to hurt."""


class BundleError(Exception):
    """An archive cannot be read as a bundle, or none be made; the text says why."""


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


def unpack(path: Path, into: Path) -> None:
    """Write the files of an archive that ``verify_bundle`` has found whole below ``into``.

    Raises BundleError where it cannot be read, or unpacks to more than there is room for.
    """
    room, total = shutil.disk_usage(into).free, 0
    try:
        with gzip.open(path) as unpacked, _open_tar(unpacked) as archive:
            for entry in _entries(path, archive):
                file = None if _odd(entry) else archive.extractfile(entry)
                total += entry.size
                if total > room:
                    raise BundleError(f"{path}: unpacks to more than the {size(room)} free here")
                if file is not None:
                    place = into / entry.name
                    place.parent.mkdir(parents=True, exist_ok=True)
                    with place.open("xb") as copy:
                        shutil.copyfileobj(file, copy, 1 << 20)
    except (OSError, tarfile.TarError, EOFError, zlib.error, ValueError) as error:
        raise BundleError(f"{path}: cannot be unpacked: {error}") from error


def verify_bundle(path: Path, sha256: str = "") -> list[str]:
    """Return every way in which the archive differs from its checksum list; [] when it is whole.

    ``sha256`` is the archive's own digest as its maker told it; without it a list that was changed
    with its files is not noticed. Memory is bounded whatever the archive claims.
    Raises BundleError when the file is no bundle at all.
    """
    found, sums, problems = _contents(path)
    if sums is None:
        raise BundleError(f"{path}: has no {CHECKSUMS}: it is not a tuilab bundle")
    listed = _listed(path, sums)
    if not listed:
        problems.append(f"{CHECKSUMS} lists no file: the bundle is empty")
    problems += [f"{name}: is listed but missing" for name in listed if name not in found]
    problems += [f"{name}: is not listed" for name in found if name not in listed]
    problems += [
        f"{name}: has changed since the bundle was made"
        for name, digest in found.items()
        if digest != listed.get(name, digest)
    ]
    if sha256 and (own := _digest(path)) != sha256.strip().lower():
        problems.append(f"the archive's sha256 is {own}, not {sha256}: it is another archive")
    return sorted(problems)


def _contents(path: Path) -> tuple[dict[str, str], bytes | None, list[str]]:
    """Checksum of every file by name, the checksum list, and what no bundle of ours would hold."""
    digests: dict[str, str] = {}
    sums: bytes | None = None
    problems = []
    try:
        with gzip.open(path) as unpacked, _open_tar(unpacked) as archive:
            for entry in _entries(path, archive):
                name = entry.name
                if why := _odd(entry):
                    problems.append(f"{name}: {why}")
                elif name in digests or (name == CHECKSUMS and sums is not None):
                    problems.append(f"{name}: occurs twice")
                elif (file := archive.extractfile(entry)) is None:
                    problems.append(f"{name}: is not a regular file")
                elif name == CHECKSUMS:
                    sums = b"".join(_pieces(file, MOST_SUMS + 1))
                else:
                    digests[name] = _digest_of(file)
    except FileNotFoundError:
        raise BundleError(f"{path}: there is no such file") from None
    except MemoryError:
        raise BundleError(f"{path}: has a header that is larger than this memory") from None
    except (OSError, tarfile.TarError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise BundleError(f"{path}: cannot be read as a .tar.gz archive: {error}") from error
    if sums is not None and len(sums) > MOST_SUMS:
        raise BundleError(f"{path}: {CHECKSUMS} is longer than {size(MOST_SUMS)}")
    return digests, sums, problems


class _Bounded:
    """A stream that refuses to be read in one huge piece, as a header that lies asks for."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self.seek, self.tell, self._read = stream.seek, stream.tell, stream.read

    def read(self, count: int = -1) -> bytes:
        """Read ``count`` bytes; TarError where that is more than any header of ours has."""
        if not 0 <= count <= MOST_HEADER:
            raise tarfile.ReadError(f"a header claims {size(max(count, 0))}")
        return self._read(count)


def _open_tar(unpacked: gzip.GzipFile) -> tarfile.TarFile:
    bounded: Any = _Bounded(unpacked)
    return tarfile.TarFile(fileobj=bounded, mode="r")


def _entries(path: Path, archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield members one by one, keeping none; BundleError beyond what a bundle of ours holds."""
    total = 0
    for count, entry in enumerate(archive, start=1):
        archive.members = []  # type: ignore[attr-defined]  # tarfile would keep every header
        total += max(entry.size, 0)
        if count > MOST_MEMBERS:
            raise BundleError(f"{path}: holds more than {MOST_MEMBERS:,} members: not read further")
        if total > MOST_BYTES:
            raise BundleError(
                f"{path}: {entry.name[:80]} claims {size(entry.size)}, which makes {size(total)} "
                f"unpacked; a bundle holds {size(MOST_BYTES)} at most"
            )
        yield entry


def _odd(entry: tarfile.TarInfo) -> str:
    """Say what a member is that no bundle of ours holds; "" for a plain file inside."""
    if _leaves(entry.name):
        return "lies outside the bundle"
    if entry.issym() or entry.islnk():
        return f"is a link to {entry.linkname}"
    if entry.isdev():
        return "is a device or a pipe"
    return "" if entry.isreg() else "is not a regular file"


def _listed(path: Path, sums: bytes) -> dict[str, str]:
    listed: dict[str, str] = {}
    for line in sums.decode("utf-8", errors="replace").splitlines():
        value, gap, name = line.partition("  ")
        if not gap:
            raise BundleError(
                f"{path}: {CHECKSUMS} has a line that is not a checksum: {line[:80]!r}"
            )
        if listed.setdefault(name, value) != value:
            raise BundleError(f"{path}: {CHECKSUMS} lists {name[:80]} twice")
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


def _digest_of(file: Any) -> str:  # the types of archives do not say that they can be read into
    return hashlib.file_digest(file, "sha256").hexdigest()


def _pieces(file: IO[bytes], most: int) -> Iterator[bytes]:
    while most > 0 and (piece := file.read(min(most, 1 << 20))):
        most -= len(piece)
        yield piece


LARGE = frozenset({"adapter_model.safetensors", "model.safetensors"})
"""Weights stay with the experiment; a bundle carries their hashes and shapes."""
EXPERIMENT_FILES = (
    "experiment.toml",
    "plan.json",
    "design.json",
    "measurements.csv",
    "journal.jsonl",
    "deviations.json",
    "report.toml",
)
REDACTED = "REDACTED.txt"
MOST_NAMED = 20
_TEXTS = frozenset({".toml", ".json", ".jsonl", ".csv", ".md", ".tex", ".txt", ".py", ".html"})


def make_bundle(study: Study, made: WrittenReport, out: Path) -> str:
    """Archive the report and everything behind it without secrets; return the archive's sha256.

    Raises BundleError where a file lies outside the experiment or is not what its record says.
    """
    folder = made.report.parent
    members: dict[str, Path | bytes] = {
        f"report/{path.relative_to(folder).as_posix()}": path for path in made.files
    }
    problems: list[str] = []
    for name in EXPERIMENT_FILES:
        path = study.root / name
        if path.is_symlink():
            problems.append(f"{name}: is a link to {path.readlink()}")
        elif path.is_file():
            members[name] = path
    if "journal.jsonl" in members and not study.reader.is_results_only:
        members["journal.jsonl"] = _journal(study)
    if (study.root / "code").is_symlink():
        problems.append("code: is a link")
    else:
        members |= {
            path.relative_to(study.root).as_posix(): path
            for path in sorted((study.root / "code").rglob("*"))
            if path.is_file() and not path.is_symlink()
        }
    for ran in finished_jobs(study):
        found, wrong = _cell(study.root, ran)
        members |= found
        problems += wrong
    if problems:
        shown = "\n".join(f"  {one}" for one in problems[:MOST_NAMED])
        more = len(problems) - MOST_NAMED
        raise BundleError(
            "no bundle was made: it would not hold this experiment's own results as recorded\n"
            + shown
            + (f"\n  and {more} more" if more > 0 else "")
        )
    return write_bundle(out, without_secrets(members))


def _journal(study: Study) -> bytes:
    """The journal as the report was made of it, with the ends that no engine has written down.

    What was journaled since then is left out.
    """
    reader = study.reader
    seen = reader.layout.journal.read_bytes()[: reader.offset]
    ended = [
        settled_line(job.id, shown)
        for job in reader.plan.jobs
        if live_attempt(reader.recorded(job.id)) is not None
        and (shown := reader.of(job.id).attempts[-1]).verdict not in LIVE
    ]
    return seen + b"".join(json.dumps(line).encode() + b"\n" for line in ended)


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


def blanks(root: Path) -> frozenset[str]:
    """Return the members of an unpacked bundle in which something was blanked out."""
    path = root / REDACTED
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    return frozenset(lines[1:])


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


def place_of(job: str) -> str:
    """Return the folder of a job's newest result in a bundle."""
    return f"{CELLS}/{job.replace('@', '/epoch-').replace('#', '/seed-')}"


def _cell(root: Path, ran: FinishedJob) -> tuple[dict[str, Path | bytes], list[str]]:
    """The members of one job, and what is wrong with those that are left out."""
    place = place_of(ran.job)
    members: dict[str, Path | bytes] = {}
    problems = []
    for name in (SPEC_FILE, OUTCOME_FILE):
        if why := _not_inside(root, ran.directory, name):
            problems.append(f"{ran.job}: {name} {why}")
        else:
            members[f"{place}/{name}"] = ran.directory / name
    for artefact in ran.outcome.artefacts:
        path = ran.directory / artefact.path
        if PurePosixPath(artefact.path).name in LARGE:
            with suppress(TensorFileError):
                shapes = json.dumps(shapes_of(path)).encode()
                members[f"{place}/{artefact.path}{SHAPES}"] = shapes
            continue
        if why := _not_its_own(root, ran.directory, artefact):
            problems.append(f"{ran.job}: {artefact.path} {why}")
        else:
            members[f"{place}/{artefact.path}"] = path
    return members, problems


def _not_its_own(root: Path, directory: Path, artefact: Artefact) -> str:
    """Say why an artefact is not the file that its outcome recorded; "" when it is."""
    if why := _not_inside(root, directory, artefact.path):
        return why
    path = directory / artefact.path
    if path.stat().st_size != artefact.size or _digest(path) != artefact.sha256:
        return "is not what its outcome recorded"
    return ""


def _not_inside(root: Path, directory: Path, name: str) -> str:
    """Say why a name is of no regular file of this attempt itself; "" when it is."""
    path = directory / name
    if _leaves(name):
        return "lies outside its attempt"
    real, own = path.resolve(), directory.resolve()
    if not (real.is_relative_to(own) and own.is_relative_to(root.resolve())):
        return f"leads outside the experiment, to {real}"
    if real != own / name:
        return "is a link"
    if not path.is_file():
        return "is missing" if not path.exists() else "is not a regular file"
    return ""
