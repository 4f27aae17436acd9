"""What was locked before anything was measured, and what was done otherwise since."""

from __future__ import annotations

from typing import Any

from tuilab.grid.claims_lock import LockRecord, lock_record
from tuilab.grid.fingerprint import digest_of_text

TEXT = '[[claim]]\nkey = "k"\n'


def line(kind: str, at: float, **fields: Any) -> dict[str, Any]:
    return {"kind": kind, "at": at, "by": "ana", **fields}


def locked(at: float, text: str = TEXT, **fields: Any) -> dict[str, Any]:
    digests = {"sha256": digest_of_text(text), "plan": "p", "code": "c"}
    return line("locked", at, **{"title": "c.toml", "text": text, **digests, **fields})


def settled(job: str, at: float) -> dict[str, Any]:
    return line("settled", at, job=job, attempt=1, verdict="done")


def record(*lines: dict[str, Any]) -> LockRecord:
    return lock_record([{"seq": place, **one} for place, one in enumerate(lines, start=1)])


def test_nothing_is_locked_where_nobody_locked() -> None:
    assert not record(settled("eval/a@0#1", 5))


def test_a_lock_before_the_first_measurement_has_seen_nothing() -> None:
    found = record(settled("train/a@0#1", 1), locked(2), settled("eval/a@0#1", 5))
    assert [lock.seen for lock in found.locks] == [None]
    assert (found.locks[0].name, found.locks[0].by, found.deviations) == ("c.toml", "ana", ())


def test_a_lock_after_a_measurement_has_begun_says_since_when() -> None:
    started = line("started", 3, job="eval/a@0#1", attempt=1, started_at=3)
    found = record(started, locked(4), settled("eval/a@0#1", 5))
    assert [lock.seen for lock in found.locks] == [3]


def test_a_result_from_elsewhere_that_was_measured_before_the_lock_says_so() -> None:
    """What is gathered from another pod comes after the lock, and may have been looked at."""
    brought = settled("eval/a@0#1", 9) | {"started_at": 3}
    assert [lock.seen for lock in record(locked(4), brought).locks] == [3]
    honest = settled("eval/a@0#1", 9) | {"started_at": 5}
    assert [lock.seen for lock in record(locked(4), honest).locks] == [None]


def test_a_lock_whose_text_was_changed_in_the_journal_is_none() -> None:
    assert not record(locked(1, sha256=digest_of_text("another")))
    assert not record(locked(1, plan=7))


def test_every_later_change_is_a_dated_deviation() -> None:
    before = line("deviation", 1, cells=["a@0#1"], sets={"marker.lr": 1})
    found = record(
        before,
        locked(2),
        settled("eval/a@0#1", 3),
        line("deviation", 4, cells=["a@0#1"], sets={"marker.lr": 1e-5}),
        line("wanted", 5, jobs={"eval/a@0#1": 2}, verb="relaunch"),
        line("accepted", 6, jobs={"eval/a@0#1": {"attempt": 1}}, why="only the log changed"),
        line("grown", 7, added={"seeds": [43]}, new=2, gone=0, stale={}),
        locked(8, TEXT + "# more\n"),
        line("unwanted", 9, jobs=["eval/b@0#1"]),
    )
    assert [(one.at, one.text) for one in found.deviations] == [
        (4, "ana edited a@0#1: marker.lr = 1e-05"),
        (5, "ana asked to relaunch eval/a@0#1"),
        (6, "ana accepted eval/a@0#1 as current: only the log changed"),
        (7, "ana added seed 43: 2 cells new"),
        (9, "ana stopped eval/b@0#1"),
    ]
    assert len(found.locks) == 2


def test_the_work_itself_is_no_deviation() -> None:
    found = record(
        locked(1),
        line("wanted", 2, jobs={"eval/a@0#1": 1}, verb="run"),
        line("wanted", 3, jobs={"eval/a@0#1": 2}, verb="relaunch"),
        line("unwanted", 4, jobs=["eval/a@0#1"], by="engine"),
        line("grown", 5, added={}, new=0, gone=0, stale={}),
        settled("eval/a@0#1", 6),
    )
    assert found.deviations == ()
