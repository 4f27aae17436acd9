"""folded.bin: the journal's fold up to an offset, so that nobody reads all of a long one again.

The engine alone writes it. The journal stays the truth: a fold counts only while the journal begins
with the very bytes that were folded, and to delete it loses nothing.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from array import array
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from tuilab.contract import atomic
from tuilab.contract.parsing import loads, open_plain, read_bytes, typed
from tuilab.grid.jobs import Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.packed_evidence import SHAPE, Columns, EvidenceByJob
from tuilab.store.layout import Layout

_MOST_BYTES = 1 << 30
_CHUNK = 1 << 20
_SEAL = 65
"""Bytes of the first line, a sha256 of the rest."""
_APART = ("evidence", "answered", "first_failure")
_PLAIN = [one.name for one in fields(Ledger) if one.name not in _APART]


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a journal was folded."""

    offset: int = 0
    """Bytes."""
    check: int = 0
    """CRC-32 of these bytes."""

    def after(self, content: bytes) -> Mark:
        """Return the mark behind further bytes."""
        return Mark(self.offset + len(content), zlib.crc32(content, self.check))


class Folded(NamedTuple):
    """What folded.bin holds."""

    mark: Mark
    ledger: Ledger


def write_folded(layout: Layout, ledger: Ledger, mark: Mark) -> None:
    """Replace the file by a ledger that holds the journal up to a mark. Raises OSError."""
    if parts := _parts_of(ledger, mark):
        seal = hashlib.sha256()
        for part in parts:
            seal.update(part)
        atomic.write_parts(layout.folded, [seal.hexdigest().encode() + b"\n", *parts])


def read_folded(layout: Layout, plan: Plan) -> Folded | None:
    """Return the fold that the journal begins with; None where there is none to go on from."""
    found = read_any_fold(layout, plan)
    return found if found is not None and fits(layout, found.mark) else None


def fits(layout: Layout, mark: Mark) -> bool:
    """Whether the journal begins with the bytes that were folded."""
    return mark_at(layout, mark.offset) == mark


def mark_at(layout: Layout, offset: int, before: Mark = Mark()) -> Mark | None:
    """Return the mark of the journal's first bytes, of which those before another are known.

    None where it has fewer, or cannot be read.
    """
    mark = before
    with suppress(OSError), open_plain(layout.journal) as file:
        file.seek(mark.offset)
        while chunk := file.read(min(_CHUNK, offset - mark.offset)):
            mark = mark.after(chunk)
    return mark if mark.offset == offset else None


def read_any_fold(layout: Layout, plan: Plan) -> Folded | None:
    """The same whatever the journal holds by now."""
    try:
        content = read_bytes(layout.folded, _MOST_BYTES)
        # Views, not copies: the fold of a million lines has 50 MB.
        seal, rest = content[:_SEAL], memoryview(content)[_SEAL:]
        if seal != hashlib.sha256(rest).hexdigest().encode() + b"\n":
            return None
        end = content.index(b"\n", _SEAL) + 1
        head = typed(loads(content[_SEAL:end]), dict)
        if head["shape"] != SHAPE:
            return None
        ledger = typed(typed(head["ledger"], dict), Ledger)
        number, job = head["first_failure"]
        ledger.first_failure = typed(number, int), typed(job, str)
        ledger.answered = set(typed(head["answered"], list[str]))
        ledger.evidence = _evidence_of(head, memoryview(content)[end:], plan)
        return Folded(typed(head["mark"], Mark), ledger)
    except (OSError, KeyError, TypeError, ValueError, zlib.error):
        return None


def _parts_of(ledger: Ledger, mark: Mark) -> list[bytes]:
    found = ledger.evidence.columns()
    if found is None:
        return []
    names = zlib.compress("\n".join(found.jobs).encode("utf-8", "surrogatepass"), 1)
    where = zlib.compress(array("I", found.places).tobytes(), 1)
    head = {
        "shape": SHAPE,
        "mark": mark,
        "ledger": {name: getattr(ledger, name) for name in _PLAIN},
        "first_failure": ledger.first_failure,
        "answered": sorted(ledger.answered),
        "live": found.live,
        "lost": found.lost,
        "due": found.due,
        "sizes": [len(part) for part in (names, where, *found.blocks)],
    }
    text = json.dumps(head, default=asdict, ensure_ascii=False, allow_nan=False)
    return [text.encode("utf-8", "surrogatepass") + b"\n", names, where, *found.blocks]


def _evidence_of(head: Mapping[str, Any], rest: memoryview, plan: Plan) -> EvidenceByJob:
    ends = list(accumulate(typed(head["sizes"], list[int])))
    if not ends or ends[-1] != len(rest):
        raise ValueError("is cut")
    names, where, *blocks = (bytes(rest[a:b]) for a, b in pairwise([0, *ends]))
    text = zlib.decompress(names).decode("utf-8", "surrogatepass")
    places = array("I", zlib.decompress(where))
    sets = (typed(head[name], list[str]) for name in ("live", "lost", "due"))
    jobs = text.split("\n") if text else []
    return EvidenceByJob.from_columns(Columns(jobs, places, blocks, *sets), plan)
