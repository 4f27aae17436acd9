"""Evidence of many jobs in little room: what has not changed lately is kept as packed text; pure.

As objects the attempts of a million journal lines take a gigabyte, and most of them are asked for
once, or never.
"""

from __future__ import annotations

import json
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import compress
from sys import intern
from typing import Any, NamedTuple

from tuilab.grid.fingerprint import Parts
from tuilab.grid.jobs import Plan
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

    jobs: Iterable[str]
    places: Sequence[int]
    """The block of each; from the number of blocks on, the attempt that is wanted of a job of which
    nothing else is known (0 = none)."""
    blocks: Sequence[bytes]
    live: Sequence[str]
    lost: Sequence[str]
    due: Sequence[str]
    """Those in blocks."""


_UNSAID, _OPEN, _ASKED = range(3)
"""What is known of a job: nothing, something that no block holds, that no more than attempt 0 is
wanted (or 1, 2, ... from here on); from ``_PACKED`` on, the block that holds it."""
_PACKED = _ASKED + _MANY


class EvidenceByJob(MutableMapping[str, Evidence]):
    """What is known of each job, by id: those of a plan in its order, others as mentioned."""

    def __init__(self, plan: Plan | None = None) -> None:
        """Where a plan is given, its jobs are numbered as it has them, and no id is kept."""
        self.otherwise: Callable[[], EvidenceByJob] | None = None
        """Reads anew what the blocks of a file held, when one turns out to be broken."""
        self._of_file = 0
        """So many of the first blocks came from a file."""
        self._places: Mapping[str, int] = {} if plan is None else plan.places
        self._ids: Sequence[str] = () if plan is None else plan.table.ids
        self._more: dict[str, int] = {}
        """Numbers of jobs beyond the plan's."""
        self._more_ids: list[str] = []
        self._known = array("I", bytes(4 * len(self._ids)))
        """What is known of each job, by its number."""
        self._open: dict[int, Evidence] = {}
        """The evidence that no block holds yet."""
        self._unfit: dict[int, Evidence] = {}
        """That of jobs whose id no block can hold."""
        self._blocks: dict[int, bytes] = {}
        self._left: dict[int, int] = {}
        """How many records of a block still count."""
        self._next = 0
        self.live: set[str] = set()
        """Jobs whose last attempt is claimed or running."""
        self.lost: set[str] = set()
        """Jobs whose last attempt is lost."""
        self._due: set[str] = set()
        """Jobs for which an attempt is wanted and not yet made, but those that were only asked."""

    def _number(self, job: str) -> int | None:
        found = self._places.get(job)
        return self._more.get(job) if found is None else found

    def _numbered(self, job: str) -> int:
        number = self._number(job)
        if number is None:
            number = self._more[job] = len(self._known)
            self._more_ids.append(job)
            self._known.append(_UNSAID)
        return number

    def _id(self, number: int) -> str:
        beyond = number - len(self._ids)
        return self._ids[number] if beyond < 0 else self._more_ids[beyond]

    def __getitem__(self, job: str) -> Evidence:
        number = self._number(job)
        if number is None or not self._known[number]:
            raise KeyError(job)
        return self._at(number)

    def of(self, job: str) -> Evidence:
        """Return what is known of a job; empty evidence if it was never mentioned."""
        number = self._number(job)
        return NOTHING if number is None else self._at(number)

    def _at(self, number: int) -> Evidence:
        known = self._known[number]
        if known >= _PACKED:
            return self._unpacked(known - _PACKED, number)
        if known == _OPEN:
            return self._open.get(number) or self._unfit[number]
        return _asked_alone(known - _ASKED) if known else NOTHING

    def __setitem__(self, job: str, known: Evidence) -> None:
        self._put(job, known)
        if len(self._open) > MOST_UNPACKED:
            self.pack()

    def _put(self, job: str, known: Evidence) -> None:
        number = self._numbered(job)
        if not (known.attempts or known.held or known.restarted) and 0 <= known.wanted < _MANY:
            self._say(number, _ASKED + known.wanted)
            self._sort(job, NOTHING)
        else:
            self._say(number, _OPEN)
            (self._open if job.isprintable() else self._unfit)[number] = known
            self._sort(job, known)

    def __delitem__(self, job: str) -> None:
        number = self._number(job)
        if number is None or not self._known[number]:
            raise KeyError(job)
        self._say(number, _UNSAID)
        self._sort(job, NOTHING)

    def _say(self, number: int, known: int) -> None:
        """Say anew what is known of a job, and let go of what was."""
        before, self._known[number] = self._known[number], known
        if before == _OPEN:
            self._open.pop(number, None)
            self._unfit.pop(number, None)
        elif before >= _PACKED:
            self._left[before - _PACKED] -= 1
            if not self._left[before - _PACKED]:
                self._forget(before - _PACKED)

    def __contains__(self, job: object) -> bool:
        number = self._number(job) if isinstance(job, str) else None
        return number is not None and self._known[number] != _UNSAID

    def __iter__(self) -> Iterator[str]:
        return map(self._id, self._mentioned())

    def _mentioned(self) -> Iterator[int]:
        return compress(range(len(self._known)), self._known)

    def __len__(self) -> int:
        return len(self._known) - self._known.count(_UNSAID)

    def is_due(self, job: str) -> bool:
        """Whether an attempt of a job is wanted and not yet made."""
        number = self._number(job)
        return number is not None and (_ASKED < self._known[number] < _PACKED or job in self._due)

    def due_places(self, plan: Plan) -> list[int]:
        """Return the places of the jobs of a plan that are due, in its order."""
        asked = [place for place, is_asked in self.mentioned_places(plan) if is_asked]
        found = (plan.places.get(job) for job in self._due)
        return sorted(asked + [place for place in found if place is not None])

    def mentioned_places(self, plan: Plan) -> Iterator[tuple[int, bool]]:
        """Yield the places of the jobs of a plan that were mentioned, and whether no more is known
        of them than that an attempt is wanted."""
        return ((place, _ASKED < known < _PACKED) for place, known in self._by_place(plan))

    def _by_place(self, plan: Plan) -> Iterator[tuple[int, int]]:
        if plan.places is self._places:
            numbers = range(len(self._ids))
            return ((at, known) for at in numbers if (known := self._known[at]))
        pairs = ((plan.places.get(self._id(at)), self._known[at]) for at in self._mentioned())
        return ((place, known) for place, known in pairs if place is not None)

    def pack(self) -> None:
        """Pack what has changed, together with what is left of blocks that are half empty.

        What stands under an id that no block can hold stays as it is.
        """
        numbers = list(self._open)
        sparse = {one + _PACKED for one, left in self._left.items() if left < BLOCK // 2}
        if sparse:
            numbers += [at for at, known in enumerate(self._known) if known in sparse]
        found = [(at, self._at(at)) for at in numbers]
        for block in sparse:
            if block - _PACKED in self._blocks:
                self._forget(block - _PACKED)
        for first in range(0, len(found), BLOCK):
            some = found[first : first + BLOCK]
            self._add_block(
                _packed({self._id(at): known for at, known in some}), [at for at, _ in some]
            )
        for number in numbers:
            self._open.pop(number, None)

    def rows(self) -> Iterator[tuple[bytes, list[Row]]]:
        """Yield the blocks with what they hold of plain jobs, after packing all.

        Raises BrokenBlockError when one was broken; it is mended, and all are to be read again.
        """
        self.pack()
        for block, content in list(self._blocks.items()):
            try:
                rows = (line.split("\t") for line in _lines_of(content))
                found = [Row(*row) for row in rows if row[1]]
            except _BROKEN as error:
                self._mend()
                raise BrokenBlockError from error
            yield content, [row for row in found if self._is_in(row.job, block)]

    def _is_in(self, job: str, block: int) -> bool:
        number = self._number(job)
        return number is not None and self._known[number] == _PACKED + block

    def columns(self) -> Columns | None:
        """Return all of it, packed; None for ids that no block can hold."""
        self.pack()
        jobs = list(self)
        if not all(map(str.isprintable, jobs)):
            return None
        count = len(self._blocks)
        order = {block + _PACKED: place for place, block in enumerate(self._blocks)}
        places = array(
            "I",
            (
                order[known] if known >= _PACKED else count + known - _ASKED
                for known in self._known
                if known
            ),
        )
        sets = sorted(self.live), sorted(self.lost), sorted(self._due)
        return Columns(jobs, places, list(self._blocks.values()), *sets)

    @classmethod
    def from_columns(cls, columns: Columns, plan: Plan | None = None) -> EvidenceByJob:
        """Return what ``columns`` told of."""
        found, count = cls(plan), len(columns.blocks)
        found._blocks = dict(enumerate(columns.blocks))
        found._left = dict.fromkeys(found._blocks, 0)
        found._next = found._of_file = count
        for job, place in zip(columns.jobs, columns.places, strict=True):
            if place < count:
                found._left[place] += 1
                found._known[found._numbered(job)] = _PACKED + place
            elif place - count < _MANY:
                found._known[found._numbered(job)] = _ASKED + place - count
            else:
                raise ValueError("holds a number that is too large")
        found.live, found.lost = set(columns.live), set(columns.lost)
        found._due = set(columns.due)
        return found

    def _sort(self, job: str, known: Evidence) -> None:
        verdict = known.attempts[-1].verdict if known.attempts else None
        (self.live.add if verdict in LIVE else self.live.discard)(job)
        (self.lost.add if verdict is Verdict.LOST else self.lost.discard)(job)
        (self._due.add if known.is_due else self._due.discard)(job)

    def _add_block(self, content: bytes, numbers: Sequence[int]) -> None:
        block = self._next
        self._next += 1
        self._blocks[block], self._left[block] = content, len(numbers)
        for number in numbers:
            self._known[number] = _PACKED + block

    def _forget(self, block: int) -> None:
        del self._blocks[block], self._left[block]

    def _unpacked(self, block: int, number: int) -> Evidence:
        try:
            return unpacked(self._blocks[block], self._id(number))
        except _BROKEN:
            self._mend()
        return self._at(number)

    def _mend(self) -> None:
        """Take what the blocks of a file were to tell from where it was packed, one being broken.

        Raises ValueError where nothing else tells it.
        """
        if self.otherwise is None or not self._of_file:
            raise ValueError("a block of evidence is broken, and there is nothing to mend it from")
        told = self.otherwise()
        end = _PACKED + self._of_file
        lost = [at for at, known in enumerate(self._known) if _PACKED <= known < end]
        self._of_file = 0
        for number in lost:
            self._put(self._id(number), told.of(self._id(number)))


@lru_cache(64)
def _asked_alone(attempt: int) -> Evidence:
    return Evidence(wanted=attempt)


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
