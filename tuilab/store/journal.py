"""The journal: its only writer, durable before the call returns, and the reader that follows it."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuilab.contract.atomic import sync
from tuilab.contract.foreign import redact_all
from tuilab.contract.parsing import open_plain
from tuilab.contract.tail import JsonlFollower, sequence_of
from tuilab.grid.engine_view import EngineView
from tuilab.grid.history import TOLD
from tuilab.grid.jobs import Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.packed_evidence import EvidenceByJob
from tuilab.grid.text import count_of
from tuilab.store.file_stamp import stamp_of
from tuilab.store.folded import Folded, Mark, fits, read_any_fold
from tuilab.store.layout import Layout

Line = dict[str, Any]
_TAIL_BYTES = 64 * 1024
_NAMED = 16
"""Up to so many jobs of a kept line are kept by name: the stages of three cells."""
EVENTS = 2000
"""So many of the last lines are kept to be told; `tuilab history` tells them all."""
TOLD_BYTES = 1024 * 1024
"""So much before the end of a fold is read all the same, for what is told: some 2,500 lines."""


@dataclass(init=False, repr=False, eq=False)
class Entry:
    """What any line may hold of the fields that somebody reads; which, its kind decides.

    Lines are checked by it and stay mappings: none is made.
    """

    kind: str
    seq: int = 0
    at: float = 0.0
    job: str = ""
    jobs: Mapping[str, Any] | tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    attempt: int = 0
    token: str = ""
    fingerprint: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    read: Mapping[str, int | None] = field(default_factory=dict)
    parts: Mapping[str, Any] = field(default_factory=dict)
    worker: str = ""
    verdict: str = ""
    reason: str | None = None
    detail: str = ""
    seconds: float | None = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    output_hash: str | None = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    checkpoints: Mapping[str, str] = field(default_factory=dict)
    peak_device: int = 0
    sets: Mapping[str, Any] = field(default_factory=dict)
    by: str | None = ""
    why: str | None = ""
    text: str | None = ""
    verb: str = ""
    mode: str = ""
    until: float | None = None
    gpu_hours: float | None = None
    tags: tuple[str, ...] = ()
    untag: tuple[str, ...] = ()
    what: str = ""
    title: str = ""
    id: str = ""
    request: str = ""
    host: str = ""
    pid: int = 0
    exit: int | None = None
    device: str | None = None


def follow(layout: Layout, offset: int = 0) -> JsonlFollower:
    """Return what reads the journal's sound lines from a byte offset on."""
    return JsonlFollower(layout.journal, offset, kind=Entry)


def follow_near(layout: Layout, offset: int) -> JsonlFollower:
    """The same from the first line that begins behind a byte offset."""
    return JsonlFollower(layout.journal, offset, kind=Entry, is_within=offset > 0)


def mend_from_journal(layout: Layout, ledger: Ledger) -> None:
    """Let a ledger that was folded read the journal's lines anew if one of its blocks is broken."""
    last = ledger.sequence

    def told() -> EvidenceByJob:
        anew = Ledger()
        for line in follow(layout).stream():
            if anew.sequence >= last:
                break
            anew.fold([line])
        return anew.evidence

    ledger.evidence.otherwise = told


class Journal:
    """The append-only record of an experiment; one writer, the engine that holds the lease.

    ``fence`` is called before each write and raises when another engine has taken over.
    """

    def __init__(self, layout: Layout, fence: Callable[[], None] | None = None) -> None:
        self.path = layout.journal
        self._fence = fence
        self._sequence: int | None = None
        self.mark: Mark | None = None
        """Of what its writer has read and written; None where another may have written too."""

    @property
    def sequence(self) -> int:
        """Number of the last line; 0 for an empty journal."""
        if self._sequence is None:
            self._sequence = last_sequence(self.path)
        return self._sequence

    def append(self, kind: str, **fields: Any) -> Line:
        """Write one line and return it with its ``seq`` and ``at`` (unix time, unless given).

        Raises OSError (disk full, ...): nothing is then recorded and the journal stays whole.
        """
        return self.append_all([{"kind": kind, **fields}])[0]

    def append_all(self, entries: Iterable[Mapping[str, Any]]) -> list[Line]:
        """Write several lines, made durable together; each entry has at least ``kind``."""
        first, now = self.sequence + 1, time.time()
        lines: list[Line] = [
            {"seq": first + place, "at": now, **redact_all(entry)}
            for place, entry in enumerate(entries)
        ]
        if not lines:
            return []
        text = "".join(
            json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
            for line in lines
        )
        if self._fence is not None:
            self._fence()
        # A number is spent even when the write fails: a reader may have seen the line.
        self._sequence = first + len(lines) - 1
        self._write(text.encode("utf-8", "surrogatepass"))
        return lines

    def _write(self, content: bytes) -> None:
        is_new = not self.path.exists()
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                content = b"\n" + content  # a crash left half a line; it stays, skipped
            try:
                rest = memoryview(content)
                while rest:
                    rest = rest[os.write(handle, rest) :]
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, size)
                raise
            is_mine = self.mark is not None and self.mark.offset == size
            self.mark = self.mark.after(content) if self.mark and is_mine else None
        finally:
            os.close(handle)
        if is_new:
            sync(self.path.parent)


def last_sequence(path: Path) -> int:
    """Return the ``seq`` of the last readable line, reading only the tail when that suffices."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return 0
    with open_plain(path) as file:
        file.seek(max(0, size - _TAIL_BYTES))
        lines = file.read(_TAIL_BYTES).split(b"\n")
    for line in reversed(lines):
        if (number := sequence_of(line)) is not None:
            return number
    return max((one.get("seq", 0) for one in JsonlFollower(path, kind=Entry).stream()), default=0)


class JournalReader:
    """The journal as one reader has seen it so far; never writes."""

    def __init__(self, layout: Layout, plan: Plan, keeps_events: bool = True) -> None:
        self._layout, self._plan, self._keeps_events = layout, plan, keeps_events
        self._inode: int | None = None
        self._begin(None)

    def _begin(self, fold: Folded | None) -> None:
        """Begin with what is folded, or at the first line."""
        self._folded = 0 if fold is None else fold.mark.offset
        if fold is not None and not fits(self._layout, fold.mark):
            fold = None
        first = 0 if fold is None else fold.mark.offset
        is_near = fold is not None and self._keeps_events
        near = follow_near(self._layout, max(0, first - TOLD_BYTES)) if is_near else None
        self._follower = near or follow(self._layout, first)
        self._filled_in = 0
        self._has_news = True
        self.ledger = Ledger(EvidenceByJob(self._plan)) if fold is None else fold.ledger
        mend_from_journal(self._layout, self.ledger)
        self.events: deque[Mapping[str, Any]] = deque(maxlen=EVENTS)

    @property
    def offset(self) -> int:
        """Bytes of the journal that were taken in."""
        return self._follower.offset

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be read, for people."""
        found = []
        if self._follower.problem:
            found.append(f"journal.jsonl {self._follower.problem}")
        if self._filled_in:
            found.append("journal.jsonl is cut or missing: the attempts themselves were read")
        if self._follower.broken:
            lines = count_of(len(self._follower.broken), "unreadable line")
            found.append(f"journal.jsonl: left out {lines}")
        if self.ledger.skipped:
            lines = count_of(len(self.ledger.skipped), "damaged line")
            found.append(f"journal.jsonl: left out {lines}")
        return tuple(found)

    def take_news(self) -> bool:
        """True once after lines came that a viewer shows or that changed pause, go or order."""
        has_news, self._has_news = self._has_news, False
        return has_news

    def read(self, engine: EngineView) -> tuple[set[str], bool]:
        """Take in what is new; return touched jobs, or none and True when all was read afresh.

        Where lines are missing, what the attempts say is taken in as well.
        """
        _, size, inode = stamp_of(self._layout.journal)
        is_fresh = inode != self._inode or size < self._follower.offset
        if is_fresh:
            self._inode = inode
            self._begin(read_any_fold(self._layout, self._plan))
        elif size == self._follower.offset:
            return set(), False
        damage, gaps = len(self._follower.broken), self.ledger.gaps
        touched: set[str] = set()
        for lines in self._follower.batches():
            for jobs in self.ledger.touches(lines):
                if not is_fresh:
                    touched.update(jobs)
            self._has_news |= bool(lines)
            if self._keeps_events:
                told = (line for line in lines if line.get("kind") in TOLD)
                self.events.extend(map(_brief, told))
        is_cut = is_fresh and self._is_cut(engine)
        if len(self._follower.broken) > damage or self.ledger.gaps > gaps or is_cut:
            touched |= self._complete()
        return touched, is_fresh

    def _is_cut(self, engine: EngineView) -> bool:
        """True when the file ends early: nothing to read, half a line, or less than was folded.

        While an engine writes it, that is less than the engine has written.
        """
        if engine.is_alive:
            return self.ledger.sequence < engine.sequence
        if not self.ledger.sequence or stamp_of(self._layout.journal)[1] > self._follower.offset:
            return True
        return self._folded > self._follower.offset

    def _complete(self) -> set[str]:
        """Add what the attempts say and the journal does not; in memory, the engine writes it."""
        if not (self._layout.jobs.is_dir() and any(self._layout.jobs.iterdir())):
            return set()
        from tuilab.store.evidence import missing_lines, scan  # few journals are damaged

        lines = missing_lines(self.ledger, scan(self._layout, self._plan))
        known = self.ledger.sequence
        touched = self.ledger.fold(lines)
        # These entries have no place in the journal: the next real line must not look old.
        self.ledger.sequence = known
        self._filled_in = len(lines)
        return touched


def _brief(line: Mapping[str, Any]) -> Mapping[str, Any]:
    """A line without long lists: how many jobs it names, and the first."""
    jobs = line.get("jobs")
    if not isinstance(jobs, list | dict) or len(jobs) <= _NAMED:
        return line
    return {**line, "jobs": list(jobs)[:1], "count": len(jobs)}
