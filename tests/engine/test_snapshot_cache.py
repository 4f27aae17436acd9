"""When the picture of a grid is written for readers: often enough, and never at a high price."""

from __future__ import annotations

from tuilab.engine.snapshot_cache import SHARE, SnapshotCache, Written, is_worth_writing
from tuilab.store.journal import Journal
from tuilab.store.snapshot_file import is_current, read_cache


def test_a_quiet_moment_is_used_and_nothing_new_is_not_written() -> None:
    assert not is_worth_writing(Written(5, at=9.0), 6, changed_at=10.0, now=10.1)
    assert is_worth_writing(Written(5, at=9.0), 6, changed_at=8.0, now=10.0)
    assert not is_worth_writing(Written(5, at=9.0), 5, changed_at=8.0, now=1000.0)


def test_changes_without_end_are_written_every_four_seconds() -> None:
    written = Written(sequence=5, at=100.0, cost=0.01)
    assert not is_worth_writing(written, 9, changed_at=103.8, now=103.9)
    assert is_worth_writing(written, 9, changed_at=104.0, now=104.0)


def test_writing_takes_at_most_its_share_of_the_time() -> None:
    """A picture that takes a second to write is written every 20 s, however busy the grid is."""
    now, spent, written = 0.0, 0.0, Written(at=0.0)
    while now < 1000.0:
        now += 0.25
        if is_worth_writing(written, int(now * 4), changed_at=now, now=now):
            now, spent = now + 1.0, spent + 1.0
            written = Written(int(now * 4), at=now, cost=1.0)
    assert 0.5 * SHARE < spent / now <= SHARE


def test_what_is_written_is_current_and_is_left_alone_until_something_changes(trial) -> None:
    layout = trial().layout
    journal, cache = Journal(layout), SnapshotCache(layout)
    [line] = journal.append_all([{"kind": "note", "text": "hello"}])
    cache.keep(line["seq"])
    assert read_cache(layout) is None
    cache.keep(line["seq"], force=True)
    found = read_cache(layout)
    assert found is not None and is_current(layout, found)
    layout.snapshot.unlink()
    cache.keep(line["seq"], force=True)
    assert not layout.snapshot.exists()
