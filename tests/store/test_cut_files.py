"""Any state file may be cut at any byte: nothing crashes, nothing finished is lost or made up."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tuilab.contract.report import OUTCOME_FILE
from tuilab.contract.spec import SPEC_FILE
from tuilab.contract.worker import LEASE_FILE
from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.grid.ledger import Ledger
from tuilab.grid.states import LIVE, State, Verdict
from tuilab.store.attempts import CLAIM_FILE, UnusableInputError, next_number, usable_input
from tuilab.store.engine_file import write_heartbeat
from tuilab.store.journal import Journal, follow
from tuilab.store.quarantine import quarantined
from tuilab.store.reader import Reader
from tuilab.store.recovery import recover
from tuilab.store.snapshot import Snapshot
from tuilab.store.status import status

from .scene import ALIVE, DEAD, NOW, Scene, fold_journal, small_plan

DATA, TRAIN = "data/villain", "train/villain@0#42"
TRUTH = {DATA: State.DONE, TRAIN: State.FAILED}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Two jobs: one done at its second attempt, one failed."""
    plan = small_plan(("villain",), (0,))
    scene = Scene(tmp_path / "x", replace(plan, jobs=plan.jobs[:2]))
    scene.want()
    scene.worker("w1", DEAD)
    scene.claim(DATA)
    scene.settle(DATA, "lost", detail="no worker ever began it")
    scene.finish(DATA)
    scene.claim(TRAIN)
    scene.begin(TRAIN)
    scene.outcome(TRAIN, "failed", reason="gpu-oom", detail="2.3 GiB")
    scene.settle(TRAIN, "failed", reason="gpu-oom", detail="2.3 GiB")
    return scene


def cuts(path: Path, step: int = 1) -> Iterator[int]:
    """Cut a file at every ``step``-th byte, shortest last, and put it back in the end.

    Around the ends of lines, where a cut looks most like a whole file, at every byte.
    """
    whole = path.read_bytes()
    for cut in range(len(whole) - 1, -1, -1):
        if cut % step and b"\n" not in whole[max(0, cut - 2) : cut + 2]:
            continue
        path.unlink()  # a new inode, as after a restore
        path.write_bytes(whole[:cut])
        yield cut
    path.write_bytes(whole)


def states(scene: Scene) -> dict[str, State]:
    return of(Reader(scene.root).poll(NOW))


def of(snapshot: Snapshot) -> dict[str, State]:
    [view] = snapshot.cells
    return {status.job: status.state for status in (*snapshot.shared, *view.jobs)}


def test_a_cut_journal_shows_the_same_states(scene: Scene) -> None:
    fold_journal(scene.layout)
    for cut in cuts(scene.layout.journal, step=29):
        assert states(scene) == TRUTH, cut


def test_a_journal_cut_under_a_living_engine_shows_the_same_states(scene: Scene) -> None:
    fold_journal(scene.layout)
    lines = scene.layout.journal.read_bytes().splitlines(keepends=True)
    view = EngineView(EngineState.RUNNING, sequence=len(lines))
    write_heartbeat(scene.layout, ALIVE, "token", view, NOW)
    last = json.dumps({"seq": len(lines) + 1, "kind": "request", "id": "r"}).encode() + b"\n"
    for kept in range(len(lines)):
        follower = Reader(scene.root)
        scene.layout.journal.write_bytes(b"".join(lines))
        follower.poll(NOW)
        for more in (b"", last):
            scene.layout.journal.write_bytes(b"".join(lines[:kept]) + more)
            assert states(scene) == of(follower.poll(NOW)) == TRUTH, (kept, more)


def test_a_cut_journal_is_mended_from_the_attempts(scene: Scene) -> None:
    for cut in cuts(scene.layout.journal, step=71):
        shutil.rmtree(scene.layout.quarantine, ignore_errors=True)
        recovery = recover(scene.layout, scene.plan, NOW)
        ledger = recovery.ledger
        found = {job: ledger.of(job) for job in TRUTH}
        (first, data), [train] = found[DATA].attempts, found[TRAIN].attempts
        # An attempt whose end alone was cut off is live again: the engine settles it once more.
        assert first.verdict in (Verdict.LOST, *LIVE), cut
        assert data.verdict in LIVE or data.output_hash == scene.output_of(DATA)
        assert train.verdict in LIVE or (train.verdict, train.reason) == ("failed", "gpu-oom")
        # What was mended is what the next reader folds, and numbers go on.
        again = Ledger()
        again.fold(follow(scene.layout).read())
        assert again.evidence == ledger.evidence
        assert Journal(scene.layout).append("note")["seq"] == ledger.sequence + 1


def test_the_damaged_journal_is_kept_in_quarantine(scene: Scene) -> None:
    whole = scene.layout.journal.read_bytes()
    damaged = whole[:300] + b"\xff\xfe\x00" + whole[320:]
    scene.layout.journal.write_bytes(damaged)
    recovery = recover(scene.layout, scene.plan, NOW)
    assert recovery.losses
    [kept] = quarantined(scene.layout)
    assert kept.path.read_bytes() == damaged
    snapshot = Reader(scene.root).poll(NOW)
    assert any("journal.jsonl" in problem for problem in snapshot.problems)
    assert states(scene) == TRUTH


def test_recovering_a_sound_journal_changes_nothing(scene: Scene) -> None:
    before = scene.layout.journal.read_bytes()
    recovery = recover(scene.layout, scene.plan, NOW)
    assert recovery.losses == ()
    assert scene.layout.journal.read_bytes() == before
    assert not scene.layout.quarantine.exists()


def test_a_lost_journal_is_rebuilt_from_the_attempts(scene: Scene) -> None:
    scene.layout.journal.unlink()
    assert states(scene) == TRUTH
    recover(scene.layout, scene.plan, NOW)
    assert states(scene) == TRUTH
    assert Reader(scene.root).poll(NOW).problems == ()


def test_a_new_experiment_without_a_journal_is_not_damaged(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "new")
    assert recover(scene.layout, scene.plan, NOW).losses == ()
    assert Reader(scene.root).poll(NOW).problems == ()


def test_a_cut_fold_is_ignored(scene: Scene) -> None:
    fold_journal(scene.layout)
    truth = status(scene.root, NOW)
    assert truth["cells"][0]["state"] == "failed"
    for cut in cuts(scene.layout.folded, step=29):
        assert status(scene.root, NOW) == truth, cut


def test_a_cut_engine_file_means_no_engine(scene: Scene) -> None:
    write_heartbeat(scene.layout, ALIVE, "t", EngineView(state=EngineState.RUNNING, workers=2), NOW)
    for cut in cuts(scene.layout.engine, step=13):
        found = Reader(scene.root).poll(NOW).engine.state
        whole = cut == len(scene.layout.engine.read_bytes()) and found is EngineState.RUNNING
        assert found is EngineState.STOPPED or whole, cut


def test_a_cut_outcome_of_a_settled_attempt_changes_no_state(scene: Scene) -> None:
    reader_dir = scene.layout.attempt_dir(TRAIN, 2)
    whole = len((scene.directory(DATA) / OUTCOME_FILE).read_bytes())
    for cut in cuts(scene.directory(DATA) / OUTCOME_FILE):
        if cut % 20 == 0:
            assert states(scene) == TRUTH
        if cut < whole - 1:
            with pytest.raises(UnusableInputError, match="no readable outcome"):
                usable_input(scene.layout, DATA, 2, reader_dir)
    assert usable_input(scene.layout, DATA, 2, reader_dir).output_hash == scene.output_of(DATA)


def test_a_cut_outcome_nobody_settled_is_suspect_and_never_done(scene: Scene) -> None:
    scene.claim(TRAIN)
    scene.begin(TRAIN)
    scene.outcome(TRAIN)
    assert states(scene)[TRAIN] is State.DONE
    path = scene.directory(TRAIN) / OUTCOME_FILE
    whole = len(path.read_bytes())
    for cut in cuts(path, step=31):
        assert states(scene)[TRAIN] in (
            (State.DONE, State.SUSPECT) if cut >= whole - 1 else (State.SUSPECT,)
        ), cut


@pytest.mark.parametrize("name", [SPEC_FILE, CLAIM_FILE])
def test_a_cut_spec_or_claim_never_frees_its_attempt_number(scene: Scene, name: str) -> None:
    for _ in cuts(scene.directory(DATA) / name, step=31):
        assert states(scene) == TRUTH
        assert next_number(scene.layout, DATA) == 3
    scene.layout.journal.unlink()
    for _ in cuts(scene.directory(DATA) / name, step=31):
        assert states(scene)[TRAIN] is State.FAILED
        assert states(scene)[DATA] in (State.DONE, State.SUSPECT)


def test_a_cut_lease_means_that_the_worker_is_not_known_to_live(scene: Scene) -> None:
    scene.worker("w2", ALIVE)
    scene.claim(TRAIN, "w2")
    scene.begin(TRAIN)
    assert states(scene)[TRAIN] is State.RUNNING
    path = scene.layout.worker_dir("w2") / LEASE_FILE
    whole = len(path.read_bytes())
    for cut in cuts(path, step=17):
        assert states(scene)[TRAIN] is State.LOST or cut >= whole - 1
    assert states(scene)[TRAIN] is State.RUNNING


def test_lines_of_a_known_kind_without_their_parts_are_skipped_and_told(scene: Scene) -> None:
    for kind in ("wanted", "claimed", "started", "settled", "held", "ordered", "request"):
        scene.journal.append(kind)
        scene.journal.append(kind, jobs=3, job=4, attempt="x")
    assert states(scene) == TRUTH
    assert any("damaged lines" in problem for problem in Reader(scene.root).poll(NOW).problems)
