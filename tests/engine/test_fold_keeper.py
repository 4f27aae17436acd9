"""When the journal is folded: often enough, and never at a high price."""

from __future__ import annotations

from pathlib import Path

from tests.store.scene import NOW, Scene
from tuilab.engine.fold_keeper import SHARE, FoldKeeper, is_worth_writing
from tuilab.engine.state import JournaledStates
from tuilab.store.folded import read_folded
from tuilab.store.journal import TOLD_BYTES, Journal
from tuilab.store.recovery import recover


def test_it_is_folded_when_much_has_come_and_the_last_time_is_long_ago() -> None:
    assert not is_worth_writing(TOLD_BYTES - 1, passed=1e9, cost=0.0)
    assert is_worth_writing(TOLD_BYTES, passed=1.0, cost=0.01)
    assert not is_worth_writing(TOLD_BYTES, passed=1.0 / SHARE - 1, cost=1.0)
    assert is_worth_writing(TOLD_BYTES, passed=1.0 / SHARE, cost=1.0)


def test_what_is_folded_is_what_was_read_and_written(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "x")
    scene.want()
    scene.finish("data/villain")
    found = recover(scene.layout, scene.plan, NOW)
    states = JournaledStates(scene.plan, found.journal, scene.layout, found.ledger)
    keeper = FoldKeeper(scene.layout, states)
    states.record("held", jobs=["data/comedian"], why="a test")
    keeper.keep()
    assert not scene.layout.folded.exists(), "little has come"
    keeper.keep(force=True)
    folded = read_folded(scene.layout, scene.plan)
    assert folded is not None and folded.ledger == states.ledger
    assert folded.mark.offset == scene.layout.journal.stat().st_size
    scene.layout.folded.unlink()
    keeper.keep(force=True)
    assert not scene.layout.folded.exists(), "nothing has come"


def test_a_journal_in_which_another_wrote_is_not_folded(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "x")
    scene.want()
    found = recover(scene.layout, scene.plan, NOW)
    states = JournaledStates(scene.plan, found.journal, scene.layout, found.ledger)
    Journal(scene.layout).append("held", jobs=["data/villain"], why="an engine that took over")
    states.record("note", text="from the one before")
    FoldKeeper(scene.layout, states).keep(force=True)
    assert not scene.layout.folded.exists()
