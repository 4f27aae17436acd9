"""The right pane: events and queue."""

from __future__ import annotations

from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.glyphs import UNICODE
from tuilab.tui.present.side_pane import event_lines, event_text
from tuilab.tui.present.styled_text import plain


def test_what_was_asked_for_is_counted_whole() -> None:
    assert event_text({"kind": "wanted", "verb": "retry", "jobs": ["a"]})[0] == "retry: 1 job"
    brief = {"kind": "wanted", "jobs": ["a"], "count": 38}
    assert event_text(brief)[0] == "run: 38 jobs"


def test_events_of_a_narrow_pane_keep_their_reason(half_way: Snapshot) -> None:
    shown = "\n".join(plain(line) for line in event_lines(half_way, 37, 20, UNICODE))
    assert "killed" in shown
    assert "merge-empty" in shown
    assert len(shown.splitlines()) == 20
    assert all(len(line) <= 37 for line in shown.splitlines())
