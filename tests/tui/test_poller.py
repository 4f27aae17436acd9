"""What the thread that reads files for the app tells of a look."""

from __future__ import annotations

import errno
import itertools
import queue
import threading
from typing import cast

import pytest

from tuilab.store.snapshot import Snapshot
from tuilab.tui import poller as polling
from tuilab.tui.poller import Poller, PollThread, SnapshotTaken


def test_a_look_that_fails_is_told_once_and_so_is_the_first_that_does_not() -> None:
    answers = iter([OSError(errno.ESTALE, "Stale file handle")] * 2)
    made: list[int] = []

    class Source:
        def poll(self, now: float) -> Snapshot:
            if (error := next(answers, None)) is not None:
                raise error
            return picture

    def make() -> Source:
        made.append(1)
        return Source()

    picture = cast("Snapshot", object())
    poller = Poller(make)
    looks = [poller.look(0.0) for _ in range(4)]
    told = [[type(one).__name__ + getattr(one, "why", "") for one in look] for look in looks]
    assert told == [
        ["LookFailedOSError: [Errno 116] Stale file handle"],
        [],
        ["SnapshotTaken", "LookFailed"],
        [],
    ]
    assert len(made) == 3, "a source that failed may be in the middle of a look"


def test_who_asks_late_for_the_first_look_still_gets_its_picture() -> None:
    """A busy machine may let the thread look again before the app goes on."""
    picture, again = cast("Snapshot", object()), threading.Event()
    counted = itertools.count(1)

    class Source:
        def poll(self, now: float) -> Snapshot:
            if next(counted) > 2:  # so the second look is over
                again.set()
            return picture

    thread = PollThread(Poller(Source), lambda message: None, 0.001)
    thread.start()
    assert again.wait(60.0)
    assert [type(one) for one in thread.first_look(60.0)] == [SnapshotTaken]
    thread.stop()
    thread.join(60.0)


def test_at_rest_it_looks_seldom_and_at_once_when_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(polling, "REST_SECONDS", 3600.0)
    looks: queue.Queue[float] = queue.Queue()
    picture = cast("Snapshot", object())

    class Source:
        def poll(self, now: float) -> Snapshot:
            looks.put(now)
            return picture

    thread = PollThread(Poller(Source), lambda message: None, 0.001)
    thread.start()
    thread.first_look(60.0)
    looks.get(timeout=60.0)
    thread.wake()  # the first look was news
    looks.get(timeout=60.0)
    with pytest.raises(queue.Empty):
        looks.get(timeout=0.3)
    thread.wake()
    looks.get(timeout=60.0)
    thread.stop()
    thread.join(60.0)
