"""Evidence of many jobs in little room: what has not changed lately is kept as packed text; pure.

As objects the attempts of a million journal lines take a gigabyte, and most of them are asked for
once, or never.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from functools import lru_cache
from sys import intern
from typing import Any, NamedTuple

from tuilab.grid.fingerprint import Parts
from tuilab.grid.states import LIVE, Acceptance, Attempt, Evidence, Verdict

SHAPE = 1
"""Grows with every change of what a packed record holds: one of another shape is of no use."""
BLOCK = 256
"""Records that are packed together: each by itself would be three times as large."""
MOST_UNPACKED = 4096
"""So many changed jobs are kept as objects before they are packed."""
_MOST_OPEN = 16
"""Blocks that are kept as text because they were asked for last."""
_MANY = 1 << 16
"""Attempt numbers below need no record of their own."""
_text = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_VERDICTS = {verdict.value: verdict for verdict in Verdict}
NOTHING = Evidence()


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
        self._leave_block(job)
        if not (known.attempts or known.held or known.restarted) and 0 <= known.wanted < _MANY:
            known = self._asked.setdefault(known.wanted, known)
            self._changed.pop(job, None)
        else:
            self._changed[job] = None
        self._kept[job] = known
        self._sort(job, known)
        if len(self._changed) > MOST_UNPACKED:
            self.pack()

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

    def pack(self) -> None:
        """Pack what has changed, together with what is left of blocks that are half empty."""
        rows = [(job, _packed(self[job])) for job in self._changed]
        for block in [one for one, left in self._left.items() if left < BLOCK // 2]:
            packed = _rows_of(self._blocks[block]).items()
            rows += [row for row in packed if self._kept.get(row[0]) == block]
            self._forget(block)
        for first in range(0, len(rows), BLOCK):
            some = rows[first : first + BLOCK]
            content = "\n".join(f"{job}\t{text}" for job, text in some)
            self._add_block(content.encode("utf-8", "surrogatepass"), [job for job, _ in some])
        self._changed.clear()

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
        found._next = count
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

    def _add_block(self, content: bytes, jobs: Sequence[str]) -> None:
        number = self._next
        self._next += 1
        self._blocks[number], self._left[number] = zlib.compress(content, 1), len(jobs)
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
        return _unpacked(_rows_of(self._blocks[block])[job])


@lru_cache(_MOST_OPEN)
def _rows_of(block: bytes) -> dict[str, str]:
    """Return the records of a block as text, by job."""
    content = zlib.decompress(block).decode("utf-8", "surrogatepass")
    rows = (line.partition("\t") for line in content.split("\n"))
    return {job: text for job, _, text in rows}


def _packed(known: Evidence) -> str:
    attempts = [
        (
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
        )
        for one in known.attempts
    ]
    return _text((known.wanted, known.held, known.restarted, attempts))


def _unpacked(text: str) -> Evidence:
    wanted, held, restarted, attempts = json.loads(text)
    return Evidence(tuple([_attempt(*one) for one in attempts]), wanted, held, restarted)


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
