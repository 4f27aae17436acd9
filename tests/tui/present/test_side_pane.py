"""The right pane: events and queue."""

from __future__ import annotations

from dataclasses import replace

from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.side_pane import event_lines, last_events
from tuilab.tui.present.styled_text import plain


def test_starts_are_no_news_and_long_lists_are_counted_whole(half_way: Snapshot) -> None:
    lines = (
        {"at": 0.0, "kind": "wanted", "jobs": ["data/a"], "count": 38, "by": "ada", "verb": "run"},
        *({"at": 1.0, "kind": "started", "job": f"data/{n}", "attempt": 1} for n in range(9)),
        {"at": 2.0, "kind": "resumed", "by": "ada"},
    )
    found = last_events(replace(half_way, events=lines), 5)
    assert [event.text for event in found] == ["ada asked to run 38 jobs", "ada resumed"]


def test_events_of_a_narrow_pane_keep_their_reason(half_way: Snapshot) -> None:
    shown = "\n".join(plain(line) for line in event_lines(last_events(half_way, 20), 37, 20))
    assert "killed" in shown
    assert "merge-empty" in shown
    assert len(shown.splitlines()) == 20
    assert all(len(line) <= 37 for line in shown.splitlines())
