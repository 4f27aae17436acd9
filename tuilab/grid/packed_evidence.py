"""Evidence of many jobs in little room: what has not changed lately is kept as packed text; pure.

As objects the attempts of a million journal lines take a gigabyte, and most of them are asked for
once, or never.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from sys import intern
from typing import Any, NamedTuple

from tuilab.grid.fingerprint import Parts
from tuilab.grid.states import LIVE, Acceptance, Attempt, Evidence, Verdict, is_plain

SHAPE = 2
"""Grows with every change of what a packed record holds: one of another shape is of no use."""
BLOCK = 256
"""Records that are packed together: each by itself would be three times as large."""
MOST_UNPACKED = 4096
"""So many changed jobs are kept as objects before they are packed."""
_MOST_OPEN = 8
"""Blocks that are kept as text because they were asked for last."""
_MANY = 1 << 16
"""Attempt numbers below need no record of their own."""
_text = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_VERDICTS = {verdict.value: verdict for verdict in Verdict}
_BROKEN = (zlib.error, ValueError, LookupError, TypeError, AttributeError)
"""What unpacking raises of a block that holds something else."""
NOTHING = Evidence()


class BrokenBlockError(Exception):
    """A block held something else than evidence."""


class Row(NamedTuple):
    """What a plain job's state hangs on (see ``states``), as text to be compared; "" of others."""

    job: str
    number: str = ""
    """Of its last attempt."""
    seconds: str = ""
    fingerprint: str = ""
    output: str = ""
    inputs: str = ""
    """``mark_of`` what it read."""
    numbers: str = ""
    """What it measured, as JSON."""


class Columns(NamedTuple):
    """What is known of all jobs, as a file keeps it."""

    jobs: Sequence[str]
    places: Sequence[int]
    """The block of each; from the number of blocks on, the attempt that is wanted of a job of which
    nothing else is known (0 = none)."""
    blocks: Sequence[bytes]
    live: Sequence[str]
    lost: Sequence[str]
    due: Sequence[str]
    """Those in blocks."""


class EvidenceByJob(MutableMapping[str, Evidence]):
    """What is known of each job, by id, in the order of first mention."""

    def __init__(self) -> None:
        self.otherwise: Callable[[], EvidenceByJob] | None = None
        """Reads anew what the blocks of a file held, when one turns out to be broken."""
        self._of_file = 0
        """So many of the first blocks came from a file."""
        self._kept: dict[str, Evidence | int] = {}
        """The evidence, or the number of the block that holds it."""
        self._blocks: dict[int, bytes] = {}
        self._left: dict[int, int] = {}
        """How many records of a block still count."""
        self._changed: dict[str, None] = {}
        """Jobs with attempts that no block holds."""
        self._asked: dict[int, Evidence] = {}
        """The evidence of all jobs of which only an attempt of some number is wanted, by number."""
        self._next = 0
        self.live: set[str] = set()
        """Jobs whose last attempt is claimed or running."""
        self.due: set[str] = set()
        """Jobs for which an attempt is wanted and not yet made."""
        self.lost: set[str] = set()
        """Jobs whose last attempt is lost."""

    def __getitem__(self, job: str) -> Evidence:
        found = self._kept[job]
        return self._unpacked(found, job) if isinstance(found, int) else found

    def of(self, job: str) -> Evidence:
        """Return what is known of a job; empty evidence if it was never mentioned."""
        found = self._kept.get(job, NOTHING)
        return self._unpacked(found, job) if isinstance(found, int) else found

    def __setitem__(self, job: str, known: Evidence) -> None:
        self._put(job, known)
        if len(self._changed) > MOST_UNPACKED:
            self.pack()

    def _put(self, job: str, known: Evidence) -> None:
        self._leave_block(job)
        if not (known.attempts or known.held or known.restarted) and 0 <= known.wanted < _MANY:
            known = self._asked.setdefault(known.wanted, known)
            self._changed.pop(job, None)
        else:
            self._changed[job] = None
        self._kept[job] = known
        self._sort(job, known)

    def __delitem__(self, job: str) -> None:
        self._leave_block(job)
        del self._kept[job]
        self._changed.pop(job, None)
        self._sort(job, NOTHING)

    def __contains__(self, job: object) -> bool:
        return job in self._kept

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def is_asked_alone(self, job: str) -> bool:
        """Whether nothing is known of a job but that an attempt is wanted."""
        found = self._kept.get(job)
        return isinstance(found, Evidence) and self._asked.get(found.wanted) is found != NOTHING

    def pack(self) -> None:
        """Pack what has changed, together with what is left of blocks that are half empty.

        What stands under an id that no block can hold stays as it is.
        """
        jobs = [job for job in self._changed if job.isprintable()]
        sparse = {one for one, left in self._left.items() if left < BLOCK // 2}
        if sparse:
            jobs += [job for job, at in self._kept.items() if isinstance(at, int) and at in sparse]
        known = [(job, self[job]) for job in jobs]
        for block in sparse & self._blocks.keys():
            self._forget(block)
        for first in range(0, len(known), BLOCK):
            some = dict(known[first : first + BLOCK])
            self._add_block(_packed(some), list(some))
        for job in jobs:
            self._changed.pop(job, None)

    def rows(self) -> Iterator[tuple[bytes, list[Row]]]:
        """Yield the blocks with what they hold of plain jobs, after packing all.

        Raises BrokenBlockError when one was broken; it is mended, and all are to be read again.
        """
        self.pack()
        kept = self._kept
        for number, block in list(self._blocks.items()):
            try:
                rows = (line.split("\t") for line in _lines_of(block))
                found = [Row(*row) for row in rows if row[1]]
            except _BROKEN as error:
                self._mend()
                raise BrokenBlockError from error
            yield block, [row for row in found if kept.get(row.job) == number]

    def columns(self) -> Columns | None:
        """Return all of it, packed; None for ids that no block can hold."""
        self.pack()
        if not all(map(str.isprintable, self._kept)):
            return None
        order = {block: place for place, block in enumerate(self._blocks)}
        places = [
            order[one] if isinstance(one, int) else len(order) + one.wanted
            for one in self._kept.values()
        ]
        packed = sorted(job for job in self.due if isinstance(self._kept[job], int))
        blocks = list(self._blocks.values())
        return Columns(
            list(self._kept), places, blocks, sorted(self.live), sorted(self.lost), packed
        )

    @classmethod
    def from_columns(cls, columns: Columns) -> EvidenceByJob:
        """Return what ``columns`` told of."""
        found, count = cls(), len(columns.blocks)
        found._blocks = dict(enumerate(columns.blocks))
        found._left = dict.fromkeys(found._blocks, 0)
        found._next = found._of_file = count
        # The numbers of blocks are shared: each by itself would take 32 bytes.
        known: dict[int, Evidence | int] = {block: block for block in found._blocks}
        for job, place in zip(columns.jobs, columns.places, strict=True):
            if place < count:
                found._left[place] += 1
            else:
                if place not in known:
                    known[place] = found._asked[place - count] = Evidence(wanted=place - count)
                if place > count:
                    found.due.add(job)
            found._kept[job] = known[place]
        found.live, found.lost = set(columns.live), set(columns.lost)
        found.due.update(columns.due)
        return found

    def _sort(self, job: str, known: Evidence) -> None:
        verdict = known.attempts[-1].verdict if known.attempts else None
        (self.live.add if verdict in LIVE else self.live.discard)(job)
        (self.lost.add if verdict is Verdict.LOST else self.lost.discard)(job)
        (self.due.add if known.is_due else self.due.discard)(job)

    def _add_block(self, block: bytes, jobs: Sequence[str]) -> None:
        number = self._next
        self._next += 1
        self._blocks[number], self._left[number] = block, len(jobs)
        for job in jobs:
            self._kept[job] = number

    def _leave_block(self, job: str) -> None:
        block = self._kept.get(job)
        if isinstance(block, int):
            self._left[block] -= 1
            if not self._left[block]:
                self._forget(block)

    def _forget(self, block: int) -> None:
        del self._blocks[block], self._left[block]

    def _unpacked(self, block: int, job: str) -> Evidence:
        try:
            return unpacked(self._blocks[block], job)
        except _BROKEN:
            self._mend()
        return self.of(job)

    def _mend(self) -> None:
        """Take what the blocks of a file were to tell from where it was packed, one being broken.

        Raises ValueError where nothing else tells it.
        """
        if self.otherwise is None or not self._of_file:
            raise ValueError("a block of evidence is broken, and there is nothing to mend it from")
        told = self.otherwise()
        lost = [j for j, at in self._kept.items() if isinstance(at, int) and at < self._of_file]
        self._of_file = 0
        for job in lost:
            self._put(job, told.of(job))


def _lines_of(block: bytes) -> list[str]:
    """Return the rows of a block as texts."""
    content = zlib.decompressobj().decompress(block)
    return content.decode("utf-8", "surrogatepass").split("\n")


@lru_cache(_MOST_OPEN)
def _records_of(block: bytes) -> dict[str, tuple[str, str]]:
    """Return the rows of a block as texts with the rest of each, as JSON, by job."""
    first = zlib.decompressobj()
    first.decompress(block)
    rests = zlib.decompress(first.unused_data).decode("utf-8", "surrogatepass").split("\n")
    rows = _lines_of(block)
    return {row[: row.index("\t")]: (row, rest) for row, rest in zip(rows, rests, strict=True)}


def input_text(job: str, made: str) -> str:
    """Write what was read of a job, to be marked with the rest; "" where there is nothing."""
    return f"{job}\x1f{made}" if made else ""


def mark_of(inputs: Iterable[str]) -> str:
    """Return a hash of all that was read, to be compared."""
    text = "\x1e".join(inputs)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _packed(some: Mapping[str, Evidence]) -> bytes:
    """Write a block: two streams, the rows and the rest of each."""
    rows = [_row_of(job, known) for job, known in some.items()]
    pairs = zip(rows, some.values(), strict=True)
    texts = map("\t".join, rows), (_rest_of(known, bool(row.number)) for row, known in pairs)
    contents = ("\n".join(one).encode("utf-8", "surrogatepass") for one in texts)
    return b"".join(zlib.compress(content, 1) for content in contents)


def _row_of(job: str, known: Evidence) -> Row:
    last = known.last
    if last is None or not is_plain(known):
        return Row(job)
    if not (last.fingerprint + last.output_hash).isprintable():
        return Row(job)
    return Row(
        job,
        str(last.number),
        _text(last.seconds),
        last.fingerprint,
        last.output_hash,
        mark_of(map(input_text, last.inputs, last.inputs.values())),
        _text(last.numbers),
    )


def _rest_of(known: Evidence, is_apart: bool) -> str:
    attempts = [_as_list(one) for one in known.attempts]
    if is_apart:
        for at in _APART:
            attempts[-1][at] = None
    return _text((known.wanted, known.held, known.restarted, attempts))


_APART = (0, 2, 8, 11, 18)
"""Places in a packed attempt of what stands apart."""


def _as_list(one: Attempt) -> list[Any]:
    return [
        one.number,
        one.token,
        one.fingerprint,
        one.inputs,
        one.worker,
        one.verdict.value,
        one.reason,
        one.detail,
        one.seconds,
        one.started_at,
        one.finished_at,
        one.output_hash,
        one.by,
        one.parts and (one.parts.settings, one.parts.code, one.parts.base),
        one.read,
        one.checkpoints,
        one.accepted and _of_acceptance(one.accepted),
        one.moved,
        one.numbers,
    ]


def unpacked(block: bytes, job: str) -> Evidence:
    """Return what a block tells of a job; one of several errors when it is broken."""
    line, rest = _records_of(block)[job]
    row = Row(*line.split("\t"))
    wanted, held, restarted, attempts = json.loads(rest)
    if row.number:
        apart = (
            int(row.number),
            row.fingerprint,
            json.loads(row.seconds),
            row.output,
            json.loads(row.numbers),
        )
        for at, value in zip(_APART, apart, strict=True):
            attempts[-1][at] = value
    found = Evidence(tuple([_attempt(*one) for one in attempts]), wanted, held, restarted)
    return _sound(found)


def _sound(known: Evidence) -> Evidence:
    """Return it; TypeError where it holds what no journal gives."""
    kinds = [(type(known.wanted), type(known.held), type(known.restarted)) == (int, str, int)]
    for one in known.attempts:
        texts = (one.token, one.fingerprint, one.worker, one.detail, one.output_hash, one.by)
        times = (one.started_at, one.finished_at, one.seconds)
        kinds += [
            {*map(type, texts), type(one.moved), *map(type, one.inputs.values())} == {str},
            {*map(type, times)} <= {int, float, type(None)} and one.seconds is not None,
            {type(one.number), *map(type, one.read.values())} == {int},
            one.reason is None or type(one.reason) is str,
            type(one.numbers) is dict,
        ]
    if not all(kinds):
        raise TypeError("a record holds a value of another kind")
    return known


def _attempt(
    number: int,
    token: str,
    fingerprint: str,
    inputs: Mapping[str, str],
    worker: str,
    verdict: str,
    reason: str | None,
    detail: str,
    seconds: float,
    started_at: float | None,
    finished_at: float | None,
    output_hash: str,
    by: str,
    parts: list[str] | None,
    read: Mapping[str, int],
    checkpoints: Mapping[str, str],
    accepted: list[Any] | None,
    moved: str,
    numbers: Mapping[str, Any],
) -> Attempt:
    return Attempt(
        number,
        token,
        intern(fingerprint),
        {intern(job): intern(made) for job, made in inputs.items()},
        intern(worker),
        _VERDICTS[verdict],
        reason,
        detail,
        seconds,
        started_at,
        finished_at,
        intern(output_hash),
        by,
        Parts(*map(intern, parts)) if parts else None,
        {intern(job): number for job, number in read.items()},
        {int(epoch): made for epoch, made in checkpoints.items()} if checkpoints else {},
        _acceptance(*accepted) if accepted else None,
        moved=moved,
        numbers=numbers,
    )


def _of_acceptance(word: Acceptance) -> tuple[Any, ...]:
    parts = word.parts and (word.parts.settings, word.parts.code, word.parts.base)
    return parts, word.inputs, word.causes, word.by, word.why


def _acceptance(
    parts: list[str] | None, inputs: Mapping[str, str], causes: str, by: str, why: str
) -> Acceptance:
    return Acceptance(Parts(*parts) if parts else None, inputs, causes, by, why)
