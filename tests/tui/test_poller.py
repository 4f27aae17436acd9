"""What the thread that reads files for the app tells of a look."""

from __future__ import annotations

import errno
from typing import cast

from tuilab.store.snapshot import Snapshot
from tuilab.tui.poller import Poller


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
