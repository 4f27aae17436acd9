"""experiment.json: which experiment a folder holds and where it lies; tells copies by it."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tuilab.contract import atomic
from tuilab.contract.identity import ExperimentRef, mark_of
from tuilab.contract.parsing import read, read_if_sound
from tuilab.grid.copies import FolderEvidence, copied_from
from tuilab.store.file_stamp import Stamp, stamp_of
from tuilab.store.layout import Layout
from tuilab.store.program_name import program, quoted

LOOK_SECONDS = 5.0
"""How long a look at other folders and processes may be believed."""
_NEIGHBOURS = 500
"""So many folders beside one that was moved or copied are looked at."""


class CopyError(Exception):
    """The folder is a copy of an experiment; the text says of which, and what to do."""


@dataclass(frozen=True, slots=True)
class Record:
    """experiment.json."""

    id: str
    path: str = ""
    """Where the folder was when an engine, or whoever made it, last wrote this."""
    inode: int = 0
    copied_from: ExperimentRef | None = None
    """The experiment that it was a copy of, until it got its own id."""

    @property
    def ref(self) -> ExperimentRef:
        """What names it in locks, leases and claims."""
        return ExperimentRef(self.id, self.path)


@dataclass(frozen=True, slots=True)
class _Whose:
    """What a lock or a lease says of the experiment that it belongs to."""

    experiment: ExperimentRef


def new_record(root: Path, copied_from: ExperimentRef | None = None) -> Record:
    """Return the record of an experiment that begins in this folder."""
    return here(Record(uuid.uuid4().hex, copied_from=copied_from), root)


def here(record: Record, root: Path) -> Record:
    """Return a record of the same experiment for the place where it is now."""
    return replace(record, path=os.path.realpath(root), inode=root.stat().st_ino)


def write_record(layout: Layout, record: Record) -> None:
    """Replace experiment.json."""
    atomic.write_json(layout.id, asdict(record))


def read_record(layout: Layout) -> Record | None:
    """Return which experiment this is; None for one of version 0.1 that no engine has opened since.

    A record that is lost or damaged is made good from the lock or a lease.
    """
    if (found := read_if_sound(layout.id, Record)) is not None:
        return found
    for path in _who_else_knows(layout):
        if (whose := read_if_sound(path, _Whose)) is not None:
            return Record(whose.experiment.id, whose.experiment.path)
    return None


def read_id(layout: Layout) -> str:
    """Return the experiment's id, "" while it has none."""
    record = read_record(layout)
    return record.id if record is not None else ""


def keep_record(layout: Layout, record: Record) -> None:
    """Write the record for the place where the folder is now, if it differs; lease held.

    A volume that takes no more keeps nobody from going on: the lock names the experiment too.
    """
    kept = here(record, layout.root)
    with suppress(OSError):
        try:
            if read(layout.id, Record) == kept:
                return
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            from tuilab.store.quarantine import quarantine  # who only reads needs none of it

            quarantine(layout, layout.id, str(error), time.time())
        write_record(layout, kept)


@dataclass(slots=True)
class CopyWatch:
    """Whether an experiment's folder is a copy, for one who asks again and again."""

    layout: Layout
    _of: str = ""
    _stamp: Stamp | None = None
    _looked_at: float = 0.0

    def look(self) -> str:
        """Return the folder of which this one is a copy, "" for an original: one stat mostly."""
        stamp, now = stamp_of(self.layout.id), time.monotonic()
        if stamp != self._stamp or now - self._looked_at > LOOK_SECONDS:
            self._of = copy_of(self.layout)
            self._stamp, self._looked_at = stamp, now
        return self._of


def copy_of(layout: Layout) -> str:
    """Return the folder of which this one is a copy, "" for an original or one that was moved."""
    record = read_record(layout)
    return copied_from(_evidence(layout, record)) if record is not None and record.path else ""


def is_at_work(layout: Layout, record: Record) -> bool:
    """Whether a live worker of the experiment works in this very folder."""
    return os.path.realpath(layout.root) in _where_it_works(record.id)


def refuse_copy(layout: Layout) -> None:
    """Raise CopyError where nothing may be started, stopped or written: in a copy."""
    if of := copy_of(layout):
        raise CopyError(copy_sentence(of, layout.root))


def copy_sentence(of: str, root: Path) -> str:
    """Say of what a folder is a copy, and what to do."""
    own = f"`{program()} adopt-copy {quoted(root)}` makes it an experiment of its own"
    return f"this is a copy: {own}; the original is {of}"


def _who_else_knows(layout: Layout) -> Iterator[Path]:
    from tuilab.contract.worker import LEASE_FILE  # only where a folder may be a copy

    yield layout.lock
    try:
        yield from (folder / LEASE_FILE for folder in layout.workers.iterdir())
    except OSError:
        return


def _evidence(layout: Layout, record: Record) -> FolderEvidence:
    """Look as far as it takes: an experiment at its place costs a stat."""
    root = layout.root
    place = os.path.realpath(root)
    is_same_inode = stamp_of(root)[2] == record.inode
    is_here = record.path == place or _is_same(layout, Layout(Path(record.path)))
    if is_here and is_same_inode:
        return FolderEvidence(True, True)
    working = _where_it_works(record.id)
    return FolderEvidence(
        is_here,
        is_same_inode,
        "" if is_here else _holder(layout, [Path(record.path)], record.id),
        place in working,
        _holder(layout, [Path(one) for one in working - {place}], record.id),
        "" if is_here or is_same_inode else _holder(layout, _neighbours(root, record), record.id),
    )


def _is_same(one: Layout, other: Layout) -> bool:
    """Whether two paths lead to one folder; device numbers differ from node to node, so without."""
    try:
        a, b = one.id.stat(), other.id.stat()
    except OSError:
        return False
    return (a.st_ino, a.st_ctime_ns) == (b.st_ino, b.st_ctime_ns)


def _holder(layout: Layout, places: list[Path], experiment: str) -> str:
    """Return the first of some places, but for this folder, that holds an experiment with an id."""
    for place in places:
        other = Layout(place)
        is_here = os.path.realpath(place) == os.path.realpath(layout.root)
        if not is_here and not _is_same(layout, other) and read_id(other) == experiment:
            return str(place)
    return ""


def _neighbours(root: Path, record: Record) -> list[Path]:
    """Folders beside this one, that of the recorded name first: its mount may have moved."""
    above = Path(os.path.realpath(root)).parent
    first = above / Path(record.path).name
    try:
        names = sorted(path for path in above.iterdir() if path.is_dir())[:_NEIGHBOURS]
    except OSError:
        names = []
    return [first, *names]


def _where_it_works(experiment: str) -> set[str]:
    """Folders in which live workers of an experiment work; one that was moved under them too."""
    found = set()
    for name in os.listdir("/proc"):  # noqa: PTH208  # names only
        mark = mark_of(int(name)) if name.isdigit() else None
        if mark is None or mark.experiment != experiment:
            continue
        try:
            at = os.readlink(f"/proc/{name}/cwd")  # noqa: PTH115
        except OSError:
            continue
        folder = Path(at)
        if folder.name == Path(mark.worker).name:
            found.add(str(folder.parent.parent))
    return found
