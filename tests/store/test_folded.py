"""The fold of a journal: what comes of it and of the lines behind it is what comes of all lines."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.engine.facts_of import Story
from tests.engine.trials import make_plan
from tuilab.grid import packed_evidence
from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.grid.ledger import Ledger
from tuilab.grid.packed_evidence import BrokenBlockError, EvidenceByJob
from tuilab.grid.states import Evidence
from tuilab.store.folded import Mark, mark_at, read_any_fold, read_folded
from tuilab.store.journal import Journal, follow
from tuilab.store.layout import Layout
from tuilab.store.lease import acquire, held
from tuilab.store.read_state import read_state
from tuilab.store.reader import Reader
from tuilab.store.recovery import recover

from .scene import NOW, Scene, fold_journal

BROKEN = [
    (b'"nan-loss"', b'{"a": 1}'),
    (b"[[", b"[7, ["),
    (b"train/comedian@0#42\t", b"\t"),
    (b'"w1"', b"7"),
    (b"2", b"\xff"),
]
"""What stands in a record, and what somebody put in its place."""
DATA, TRAIN, EVAL = "data/villain", "train/villain@0#42", "eval/villain@0#42"


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Jobs that are done, failed, lost, under way, held, accepted, wanted; notes and a limit."""
    scene = Scene(tmp_path / "x")
    scene.want()
    scene.finish(DATA)
    for job in ("data/comedian", TRAIN):
        scene.finish(job)
    scene.claim(EVAL)
    scene.settle(EVAL, "lost", reason="killed", detail="gone")
    scene.claim("train/comedian@0#42")
    scene.settle("train/comedian@0#42", "failed", reason="nan-loss", detail="at 7; \u2028 \t ü")
    scene.claim("train/comedian@2#42")
    tell = scene.journal.append
    tell("held", jobs=["merge/comedian@0#42"], why="by a test")
    tell("accepted", jobs={TRAIN: {"attempt": 1, "parts": None, "inputs": {}}}, by="me", why="so")
    tell("noted", cells=["villain@0#42"], text="odd", tags=["a"], by="me")
    tell("limited", until=NOW + 9, gpu_hours=2)
    tell("request", id="r1")
    tell("settled", job=DATA)  # lacks what it needs
    tell("wanted", jobs={EVAL: 2}, verb="relaunch", restart=True)
    tell("ordered", jobs=[EVAL])
    tell("paused", mode="soft", by="me")
    return scene


def ledger_of(layout: Layout) -> Ledger:
    found = Ledger()
    found.fold(follow(layout).stream())
    return found


def test_a_fold_at_any_line_and_the_rest_come_to_the_same(scene: Scene) -> None:
    truth = Reader(scene.root).poll(NOW)
    lines = len(scene.layout.journal.read_bytes().splitlines())
    assert lines > 20
    for kept in range(lines + 1):
        fold_journal(scene.layout, kept)
        assert read_folded(scene.layout, scene.plan) is not None
        reader = Reader(scene.root)
        now = reader.poll(NOW)
        assert (now.cells, now.shared, now.queue) == (truth.cells, truth.shared, truth.queue), kept
        assert (now.events, now.problems) == (truth.events, truth.problems), kept


def test_a_ledger_is_read_back_as_it_was(scene: Scene) -> None:
    fold_journal(scene.layout)
    folded, ledger = read_folded(scene.layout, scene.plan), ledger_of(scene.layout)
    assert folded is not None and folded.ledger == ledger
    found, told = folded.ledger.evidence, ledger.evidence
    assert found.live == told.live != set() and found.lost == told.lost != set()
    due = [job for job in told if told.is_due(job)]
    assert [job for job in found if found.is_due(job)] == due
    plan = scene.plan
    assert [plan.table.ids[place] for place in found.due_places(plan)] == due != []
    assert told.due_places(plan) == found.due_places(plan)


def test_another_journal_is_read_anew_and_a_shorter_one_is_known_to_be_cut(scene: Scene) -> None:
    fold_journal(scene.layout)
    whole = scene.layout.journal.read_bytes()
    for other in (whole.replace(b"nan-loss", b"gpu-oom "), whole[:-1], b"", whole[:400]):
        scene.layout.journal.write_bytes(other)
        assert read_folded(scene.layout, scene.plan) is None
        assert read_any_fold(scene.layout, scene.plan) is not None
    scene.layout.journal.unlink()
    assert read_folded(scene.layout, scene.plan) is None
    scene.layout.journal.write_bytes(whole + b'{"kind": "note"}\n')
    assert read_folded(scene.layout, scene.plan) is not None


def test_a_damaged_fold_is_passed_over(scene: Scene) -> None:
    fold_journal(scene.layout)
    whole = scene.layout.folded.read_bytes()
    for at in range(0, len(whole), 97):
        scene.layout.folded.write_bytes(whole[:at] + b"#" + whole[at + 1 :])
        assert read_any_fold(scene.layout, scene.plan) is None or whole[at : at + 1] == b"#"
    for rest in (b"", b"{}\n", b'{"shape": 99}\n', b"null\n", b'{"shape": 1, "ledger": []}\n'):
        seal = hashlib.sha256(rest).hexdigest().encode()
        scene.layout.folded.write_bytes(seal + b"\n" + rest)
        assert read_any_fold(scene.layout, scene.plan) is None
    assert Reader(scene.root).poll(NOW).problems == ("journal.jsonl: left out 1 damaged line",)


@pytest.mark.parametrize("old, new", BROKEN)
def test_a_broken_record_under_a_right_seal_is_read_from_the_journal(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, old: bytes, new: bytes
) -> None:
    truth = Reader(scene.root).poll(NOW)
    whole = packed_evidence._packed

    def broken(some: Mapping[str, Evidence]) -> bytes:
        first = zlib.decompressobj()
        texts = first.decompress(whole(some)), zlib.decompress(first.unused_data)
        return b"".join(zlib.compress(text.replace(old, new)) for text in texts)

    with monkeypatch.context() as patched:
        patched.setattr(packed_evidence, "_packed", broken)
        fold_journal(scene.layout)
    found = read_folded(scene.layout, scene.plan)
    assert found is not None, "its seal is right"
    with pytest.raises((ValueError, BrokenBlockError)):
        dict(found.ledger.evidence), list(found.ledger.evidence.rows())
    assert read_state(scene.root, now=NOW).statuses == truth.statuses
    now = Reader(scene.root).poll(NOW)
    assert (now.cells, now.shared, now.queue) == (truth.cells, truth.shared, truth.queue)
    assert (
        recover(scene.layout, scene.plan, NOW).ledger.evidence == ledger_of(scene.layout).evidence
    )


def test_an_engine_that_left_in_order_has_no_folder_looked_into(scene: Scene) -> None:
    stranger = scene.layout.attempt_dir("cosine/comedian@2#42", 1)
    lease = acquire(scene.layout, NOW)
    scene.journal.append("engine-started", pid=1, host="h", go=True)
    fold_journal(scene.layout)
    stranger.mkdir(parents=True)
    assert recover(scene.layout, scene.plan, NOW).losses, "it died: it may have made an attempt"
    Journal(scene.layout).append("engine-stopped", why="done", lease=lease.holder.token)
    (stranger.parent / "attempt-2").mkdir()
    fold_journal(scene.layout)
    lease.release(NOW)
    assert recover(scene.layout, scene.plan, NOW).losses == ()
    with held(scene.layout):  # for a moment, as the shell does
        assert recover(scene.layout, scene.plan, NOW).losses == ()
    assert recover(scene.layout, scene.plan, NOW).losses == ()
    folded = scene.layout.folded.read_bytes()
    scene.layout.folded.unlink()
    assert recover(scene.layout, scene.plan, NOW).losses, "nothing says how far the journal went"
    scene.layout.folded.write_bytes(folded)
    (stranger.parent / "attempt-3").mkdir()
    acquire(scene.layout, NOW).heartbeat(EngineView(state=EngineState.RUNNING), NOW)
    assert recover(scene.layout, scene.plan, NOW).losses, "another came, of whom it says nothing"


@pytest.mark.parametrize("block", [1, 3, 256])
def test_what_is_packed_again_and_again_is_what_was_put_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr("tuilab.grid.packed_evidence.BLOCK", block)
    monkeypatch.setattr("tuilab.grid.packed_evidence.MOST_UNPACKED", 2)
    story = Story(make_plan(("villain", "nurse"), (0, 2)))
    names = [job.id for job in story.plan.jobs]
    story.want(*names)
    plain = {job: story.states.ledger.of(job) for job in names}
    for verdict in ("failed", "done"):
        for job in names:
            story.claim(job)
            story.settle(job, verdict)
            plain[job] = story.states.ledger.of(job)
            assert dict(story.states.ledger.evidence) == plain
    evidence = story.states.ledger.evidence
    columns = evidence.columns()
    assert columns is not None
    again = EvidenceByJob.from_columns(columns)
    assert dict(again) == plain and list(again) == list(evidence)
    del again[names[0]]
    assert names[0] not in again and len(again) == len(names) - 1


def test_an_id_that_no_block_can_hold_leaves_the_fold_unwritten(scene: Scene) -> None:
    scene.journal.append("wanted", jobs={"data/two\nlines": 1})
    fold_journal(scene.layout)
    assert not scene.layout.folded.exists()


def test_a_mark_goes_on_from_another(scene: Scene) -> None:
    size = scene.layout.journal.stat().st_size
    part = mark_at(scene.layout, 300)
    assert part is not None and mark_at(scene.layout, size, part) == mark_at(scene.layout, size)
    assert mark_at(scene.layout, size + 1) is None
    assert Mark().after(b"ab").after(b"c") == Mark().after(b"abc")
