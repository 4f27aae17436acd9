"""What a terminal that is open hears of."""

from __future__ import annotations

from dataclasses import replace

from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.history_text import fresh_notices, last_line
from tuilab.tui.present.styled_text import plain


def test_only_notices_that_came_since_are_told_and_they_are_harmless(half_way: Snapshot) -> None:
    line = {"kind": "notified", "verb": "done", "title": "g: done", "text": "4\x1b]0;x\x07 cells"}
    before = replace(half_way, events=({"seq": 1, **line},))
    now = replace(before, events=(*before.events, {"seq": 2, **line}, {"seq": 3, "kind": "note"}))
    assert [(one.kind, one.text) for one in fresh_notices(before, now)] == [("done", "4 cells")]
    assert fresh_notices(now, now) == []


def test_an_engine_that_is_gone_while_there_is_work_is_told(half_way: Snapshot) -> None:
    assert half_way.queue
    alive = replace(half_way, engine=EngineView(EngineState.RUNNING))
    gone = replace(half_way, engine=EngineView(EngineState.STOPPED))
    assert [one.kind for one in fresh_notices(alive, gone)] == ["gone"]
    assert fresh_notices(gone, gone) == []


def test_a_bad_end_goes_before_what_is_newer_until_its_job_has_ended_again(
    half_way: Snapshot,
) -> None:
    at = half_way.taken_at - 9
    bad, other, good = (
        {"kind": "settled", "seq": seq, "at": at + seq, "job": job, "verdict": verdict}
        for seq, job, verdict in ((1, "a/x", "failed"), (2, "b/x", "done"), (3, "a/x", "done"))
    )
    for lines, told in (((bad, other), "a/x failed"), ((bad, other, good), "a/x done")):
        assert told in plain(last_line(replace(half_way, events=lines), 80))
