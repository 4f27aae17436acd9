"""Brings a damaged, cut or lost journal back in step with the attempts; for the engine alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tuilab.contract import atomic
from tuilab.contract.report import readable_outcome
from tuilab.contract.tail import JsonlFollower
from tuilab.grid.engine_view import EngineState
from tuilab.grid.jobs import Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.metrics import recorded
from tuilab.grid.packed_evidence import EvidenceByJob
from tuilab.grid.states import Verdict
from tuilab.grid.text import count_of
from tuilab.store.attempts import attempts_on_disk
from tuilab.store.engine_file import read_heartbeat
from tuilab.store.evidence import missing_lines, scan
from tuilab.store.folded import Mark, mark_at, read_folded
from tuilab.store.journal import Journal, follow, mend_from_journal
from tuilab.store.layout import Layout
from tuilab.store.quarantine import quarantine, record_copy

Line = dict[str, Any]
_HASHED_AT_MOST = 64
"""Up to so many jobs their artefacts are hashed again; beyond, sizes and contents must do."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What the journal says after it was brought in step."""

    ledger: Ledger
    """What every readable line comes to."""
    journal: Journal
    """To go on with."""
    losses: tuple[str, ...] = field(default=())
    """What could not be read and how it was made good, for people."""


def recover(
    layout: Layout,
    plan: Plan,
    now: float,
    fence: Callable[[], None] | None = None,
    came: bool = False,
) -> Recovery:
    """Read the journal, mend it if need be, and record attempts that it does not know.

    An attempt directory that the journal never heard of (the engine died, or the journal was cut)
    is recorded as claimed and, when its worker is gone, as settled. Nothing is overwritten: a
    damaged journal is kept in quarantine. Call it with the lease held.

    Where the engine that held the experiment last left in order and folded the journal as it left,
    no attempt was made since and no folder is looked into, unless attempts came otherwise
    (``came``). The journal alone cannot tell who was last: of one who died, it may have lost all.
    """
    losses: list[str] = []
    folded, journal = read_folded(layout, plan), Journal(layout, fence)
    known = Ledger(EvidenceByJob(plan)) if folded is None else folded.ledger
    mend_from_journal(layout, known)
    follower = follow(layout, 0 if folded is None else folded.mark.offset)
    for lines in follower.batches():
        known.fold(lines)
    before = Mark() if folded is None else folded.mark
    journal.mark = mark_at(layout, follower.offset, before)
    if follower.problem:
        losses.append(f"journal.jsonl {follower.problem}")
        quarantine(layout, layout.journal, follower.problem, now)
    if why := _damage(layout, follower):
        losses.append(why)
        if layout.journal.exists():
            _rewrite(layout, why, now, fence)
            journal.mark = None
    is_sure = folded is not None and not losses and not came and _has_left(layout, known)
    unknown = [
        job
        for job, numbers in (() if is_sure else attempts_on_disk(layout, plan))
        if set(numbers) - {a.number for a in known.of(job).attempts}
    ]
    found = scan(layout, plan, unknown, hash_files=len(unknown) <= _HASHED_AT_MOST)
    missing = missing_lines(known, found)
    for line in missing:
        if line.get("verdict") == Verdict.DONE:
            outcome = readable_outcome(layout.attempt_dir(line["job"], line["attempt"]))
            if outcome is not None:
                line["metrics"] = recorded(plan, plan.by_id[line["job"]], outcome.metrics)
    if missing:
        losses.append(f"{len(missing)} entries were written again from the attempts")
    known.fold(journal.append_all(missing))
    return Recovery(known, journal, tuple(losses))


def _has_left(layout: Layout, known: Ledger) -> bool:
    """Whether the engine that left in order by the journal is the last that was heard."""
    beat = read_heartbeat(layout)
    return (
        beat is not None
        and beat.view.state is EngineState.STOPPED
        and known.engine.get("kind") == "engine-stopped"
        and known.engine.get("lease") == beat.token
    )


def _damage(layout: Layout, follower: JsonlFollower) -> str:
    """Say what is wrong with the journal file; "" when it is whole."""
    if not layout.journal.exists():
        has_jobs = layout.jobs.is_dir() and any(layout.jobs.iterdir())
        return "journal.jsonl is missing" if has_jobs else ""
    if follower.broken:
        return f"journal.jsonl has {count_of(len(follower.broken), 'unreadable line')}"
    if layout.journal.stat().st_size > follower.offset:
        return "journal.jsonl ends in the middle of a line"
    return ""


def _rewrite(layout: Layout, why: str, now: float, fence: Callable[[], None] | None) -> None:
    """Replace the journal by its readable lines; the old one is copied to quarantine first."""
    if fence is not None:
        fence()
    shutil.copyfile(layout.journal, record_copy(layout, layout.journal, why, now))
    lines = (json.dumps(line, ensure_ascii=False) + "\n" for line in follow(layout).stream())
    texts = (line.encode("utf-8", "surrogatepass") for line in lines)
    atomic.write_parts(layout.journal, texts)
