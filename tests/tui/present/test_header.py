"""The header."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.glyphs import UNICODE
from tuilab.tui.present.header import header
from tuilab.tui.present.styled_text import plain


@pytest.mark.parametrize("columns", [1, 20, 40, 60, 80, 140])
def test_the_header_never_overflows_and_keeps_the_progress(
    half_way: Snapshot, columns: int
) -> None:
    loud = replace(
        half_way,
        synthetic=True,
        read_only=True,
        config_changed=True,
        other_code=("eval",),
        problems=("x",),
    )
    for snapshot in (half_way, loud):
        line = plain(header(snapshot, columns, UNICODE))
        assert len(line) <= columns
        assert "64/77" in line or columns < 20


def test_the_host_has_the_room_that_a_wider_part_could_not_use(half_way: Snapshot) -> None:
    line = plain(header(half_way, 80, UNICODE))
    assert "ends " not in line and " pod  GPU0 97%" in line
    changed = plain(header(replace(half_way, other_code=("eval",)), 80, UNICODE))
    assert "code changed" in changed and " pod " in changed


def test_the_header_of_a_copy_names_its_original_and_offers_no_engine(half_way: Snapshot) -> None:
    engine = EngineView(copy_of="/runs/eps109", note="this is a copy of /runs/eps109")
    line = plain(header(replace(half_way, engine=engine), 80, UNICODE))
    assert "copy of /runs/eps109" in line and "S starts it" not in line


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (EngineState.STOPPED, "no engine: S starts it"),
        (EngineState.WAITING, "engine waiting: S continues"),
        (EngineState.PAUSED, "paused soft"),
        (EngineState.UNKNOWN, "engine unknown"),
    ],
)
def test_the_header_says_what_the_engine_does(
    half_way: Snapshot, state: EngineState, words: str
) -> None:
    engine = EngineView(state=state, pause="soft", host="pod", eta_seconds=60.0)
    assert words in plain(header(replace(half_way, engine=engine), 80, UNICODE))
    assert "ends " not in plain(header(replace(half_way, engine=engine), 200, UNICODE))
    if state is EngineState.STOPPED:
        idle = replace(half_way, engine=engine, queue=())
        assert "no engine, nothing queued" in plain(header(idle, 80, UNICODE))
