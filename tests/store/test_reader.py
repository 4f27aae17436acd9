"""The reader shows the truth and costs what changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.trials import make_plan
from tuilab.contract.identity import Identity
from tuilab.grid.cells import Cell
from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.grid.states import State
from tuilab.store.engine_file import write_heartbeat
from tuilab.store.plan_file import PlanFileError, save_plan
from tuilab.store.reader import Reader
from tuilab.store.snapshot import CellView, Snapshot

from .scene import ALIVE, DEAD, ELSEWHERE, NOW, REBOOTED, Scene, small_plan


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "small")


def cell(snapshot: Snapshot, name: str = "villain@0#42") -> CellView:
    return next(view for view in snapshot.cells if str(view.cell) == name)


def beat(scene: Scene, who: Identity = ALIVE, **view: object) -> None:
    shown = replace(EngineView(state=EngineState.RUNNING, workers=2), **view)  # type: ignore[arg-type]
    write_heartbeat(scene.layout, who, "token", shown, NOW)


def test_a_new_experiment_is_idle_everywhere(scene: Scene) -> None:
    snapshot = Reader(scene.root).poll(NOW)
    assert snapshot.counts == {"idle": 4}
    assert [view.cell for view in snapshot.cells] == list(scene.plan.cells)
    assert snapshot.queue == ()
    assert snapshot.problems == ()


def test_an_unchanged_experiment_gives_the_very_same_snapshot(scene: Scene) -> None:
    scene.want()
    scene.finish("data/villain")
    reader = Reader(scene.root)
    first = reader.poll(NOW)
    assert reader.poll(NOW + 1) is first


def test_a_change_gives_a_snapshot_with_a_higher_sequence(scene: Scene) -> None:
    reader = Reader(scene.root)
    first = reader.poll(NOW)
    scene.want("data/villain")
    second = reader.poll(NOW)
    assert second.sequence > first.sequence
    assert second.queue == ("data/villain",)


def test_following_a_history_ends_where_reading_it_at_once_ends(scene: Scene) -> None:
    reader = Reader(scene.root)
    scene.want()
    for job in scene.plan.by_id:
        reader.poll(NOW)
        scene.finish(job)
    followed, fresh = reader.poll(NOW), Reader(scene.root).poll(NOW)
    assert followed.cells == fresh.cells
    assert followed.counts == fresh.counts == {"done": 4}
    assert followed.shared == fresh.shared
    assert followed.queue == fresh.queue == ()


def test_a_done_cell_carries_its_four_numbers(scene: Scene) -> None:
    scene.want()
    scene.finish_all()
    view = cell(Reader(scene.root).poll(NOW))
    assert view.state is State.DONE
    assert view.metrics["assistant_leakage"].value == pytest.approx(0.365)
    assert (view.metrics["source_rate"].hits, view.metrics["source_rate"].n) == (180, 200)
    assert view.metrics["max_bystander"].who == "pirate"
    assert view.metrics["cosine"].value == -0.36
    assert view.seconds == pytest.approx(50.0)


def test_cells_that_wait_alike_look_as_each_by_itself(tmp_path: Path) -> None:
    """Whatever has happened above them; only one of them is looked at in a single look."""
    scene = Scene(tmp_path / "x", small_plan(epochs=(0, 1, 2, 3), seeds=(1, 2)))
    scene.want()
    shared = [job.id for job in scene.plan.jobs if job.cell is None]
    own = [job.id for job in scene.plan.jobs if job.cell is not None]
    for number, job in enumerate([*shared, *own[: len(own) // 2]]):
        once = Reader(scene.root, is_once=True)
        alone, whole = once.poll(NOW), Reader(scene.root).poll(NOW)
        assert list(alone.cells) == list(whole.cells)
        assert (alone.counts, alone.engine.eta_seconds) == (whole.counts, whole.engine.eta_seconds)
        looked = len(once._cells._waiting._likes)
        assert looked == (8 if number < len(shared) else looked) <= 12
        scene.finish(job) if number % 3 else scene.claim(job)
        if not number % 3:
            scene.settle(job, "failed", reason="nan-loss")


def test_a_cell_whose_checkpoint_is_not_there_waits_and_looks_like_no_other(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path / "x", make_plan(("villain",), (2, 4)))
    scene.want()
    scene.finish_all("data/villain", "data/clerk")
    scene.claim("converge/villain#42")
    kept = {"checkpoints": {"2": "h"}, "output_hash": "o", "seconds": 1.0}
    scene.settle("converge/villain#42", **kept)
    alone, whole = Reader(scene.root, is_once=True).poll(NOW), Reader(scene.root).poll(NOW)
    assert list(alone.cells) == list(whole.cells)
    assert [cell.state for cell in alone.cells] == [State.QUEUED, State.WAITING]


def test_what_a_done_job_has_to_say_stands_on_its_cell(scene: Scene) -> None:
    scene.finish_all()
    [quiet, *_] = Reader(scene.root).poll(NOW).cells
    scene.settle(
        quiet.jobs[0].job,
        "done",
        detail="slow disk",
        output_hash=scene.output_of(quiet.jobs[0].job),
    )
    [cell, *_] = Reader(scene.root).poll(NOW).cells
    assert (quiet.detail, cell.detail) == ("", "slow disk")
    assert cell == replace(quiet, detail="slow disk", jobs=cell.jobs)


def test_a_metric_that_was_not_measured_is_absent_and_not_zero(scene: Scene) -> None:
    scene.want()
    scene.finish_all("data/villain", "train/villain@0#42", "merge/villain@0#42")
    scene.finish("eval/villain@0#42", metrics={"leakage": {"villain": {"hits": 1, "n": 2}}})
    metrics = cell(Reader(scene.root).poll(NOW)).metrics
    assert set(metrics) == {"source_rate"}


def test_children_of_a_failed_job_wait_and_name_it(scene: Scene) -> None:
    scene.want()
    scene.claim("data/villain")
    scene.settle("data/villain", "failed", reason="gpu-oom", detail="2.3 GiB")
    snapshot = Reader(scene.root).poll(NOW)
    waiting = cell(snapshot)
    assert (waiting.state, waiting.reason) == (State.WAITING, "upstream")
    assert waiting.detail == "waits for data/villain (failed)"
    assert snapshot.shared[0].reason == "gpu-oom"
    assert {job.reason for job in waiting.jobs} == {"upstream"}


def test_a_new_upstream_result_makes_what_was_built_on_the_old_one_stale(scene: Scene) -> None:
    scene.want()
    scene.finish_all()
    reader = Reader(scene.root)
    assert reader.poll(NOW).counts == {"done": 4}
    scene.want("data/villain")
    scene.finish("data/villain")
    after = reader.poll(NOW)
    assert after.counts == {"done": 2, "stale": 2}
    assert cell(after).detail == "data/villain has another result"
    assert "assistant_leakage" in cell(after).metrics


def test_a_running_attempt_shows_how_far_it_is(scene: Scene) -> None:
    scene.want()
    scene.worker("w1")
    scene.claim("data/villain")
    scene.begin("data/villain")
    reader = Reader(scene.root)
    assert reader.poll(NOW).shared[0].percent is None
    scene.event("data/villain", "progress", step=3, of=4)
    assert reader.poll(NOW).shared[0].percent == 75.0
    scene.event("data/villain", "metric", loss=1.0)
    before = reader.poll(NOW)
    scene.event("data/villain", "metric", loss=0.9)
    assert reader.poll(NOW) is before


@pytest.mark.parametrize("who", [DEAD, REBOOTED])
def test_without_engine_and_worker_a_running_attempt_is_lost(scene: Scene, who: Identity) -> None:
    scene.want()
    scene.worker("w1", who)
    scene.claim("data/villain")
    scene.begin("data/villain")
    snapshot = Reader(scene.root).poll(NOW)
    assert snapshot.shared[0].state is State.LOST
    assert snapshot.shared[0].detail


def test_a_living_worker_goes_on_running_without_an_engine(scene: Scene) -> None:
    scene.worker("w1", ALIVE)
    scene.claim("data/villain")
    scene.begin("data/villain")
    assert Reader(scene.root).poll(NOW).shared[0].state is State.RUNNING


def test_a_worker_on_another_host_is_lost_only_after_a_long_silence(scene: Scene) -> None:
    scene.worker("w1", ELSEWHERE)
    scene.claim("data/villain")
    scene.begin("data/villain")
    reader = Reader(scene.root)
    assert reader.poll(NOW + 60).shared[0].state is State.RUNNING
    assert reader.poll(NOW + 6000).shared[0].state is State.LOST


def test_a_lost_attempt_comes_back_when_it_writes_again(scene: Scene) -> None:
    scene.worker("w1", ELSEWHERE)
    scene.claim("data/villain")
    scene.begin("data/villain")
    reader = Reader(scene.root)
    assert reader.poll(NOW + 6000).shared[0].state is State.LOST
    scene.clock = NOW + 6001
    scene.event("data/villain", "progress", step=1, of=2)
    assert reader.poll(NOW + 6002).shared[0].state is State.RUNNING


def test_an_outcome_stays_running_while_an_engine_lives_to_settle_it(scene: Scene) -> None:
    beat(scene)
    scene.worker("w1", DEAD)
    scene.claim("data/villain")
    scene.begin("data/villain")
    scene.outcome("data/villain")
    assert Reader(scene.root).poll(NOW).shared[0].state is State.RUNNING


def test_an_outcome_is_verified_by_the_reader_when_no_engine_lives(scene: Scene) -> None:
    scene.want()
    for job in ("data/villain", "train/villain@0#42", "merge/villain@0#42"):
        scene.finish(job)
    scene.claim("eval/villain@0#42")
    scene.begin("eval/villain@0#42")
    scene.outcome("eval/villain@0#42")
    scene.finish("cosine/villain@0#42")
    view = cell(Reader(scene.root).poll(NOW))
    assert view.state is State.DONE
    assert view.metrics["assistant_leakage"].hits == 73


def test_a_broken_outcome_shows_as_suspect_when_no_engine_lives(scene: Scene) -> None:
    scene.claim("data/villain")
    scene.begin("data/villain")
    scene.outcome("data/villain")
    (scene.directory("data/villain") / "result.bin").write_bytes(b"cut")
    status = Reader(scene.root).poll(NOW).shared[0]
    assert status.state is State.SUSPECT
    assert "result.bin" in status.detail


def test_the_engine_is_seen_to_die(scene: Scene) -> None:
    beat(scene, ALIVE, note="disk is full")
    reader = Reader(scene.root)
    assert reader.poll(NOW).engine.note == "disk is full"
    beat(scene, DEAD)
    engine = reader.poll(NOW).engine
    assert (engine.state, engine.pid) == (EngineState.STOPPED, None)


def test_a_heartbeat_alone_does_not_make_a_new_picture(scene: Scene) -> None:
    beat(scene)
    reader = Reader(scene.root)
    first = reader.poll(NOW)
    write_heartbeat(scene.layout, ALIVE, "token", first.engine, NOW + 1)
    assert reader.poll(NOW + 1) is first


def test_a_new_plan_is_taken_up_and_what_it_changes_is_stale(scene: Scene) -> None:
    scene.want()
    scene.finish_all()
    reader = Reader(scene.root)
    reader.poll(NOW)
    jobs = tuple(
        replace(job, fingerprint="another") if job.id == "eval/villain@0#42" else job
        for job in scene.plan.jobs
    )
    save_plan(scene.layout, replace(scene.plan, jobs=jobs))
    after = reader.poll(NOW)
    assert after.counts == {"done": 3, "stale": 1}
    assert cell(after).stage == "eval"


def test_an_edited_config_is_noticed(scene: Scene) -> None:
    reader = Reader(scene.root)
    assert not reader.poll(NOW).config_changed
    scene.layout.config.write_text("name = 'edited'\n")
    assert reader.poll(NOW).config_changed


def test_a_lost_plan_names_the_command_that_makes_it_again(scene: Scene) -> None:
    scene.layout.plan.unlink()
    with pytest.raises(PlanFileError, match=r"run `tuilab plan .*small`"):
        Reader(scene.root)


def test_a_plan_that_breaks_while_being_watched_is_only_reported(scene: Scene) -> None:
    reader = Reader(scene.root)
    reader.poll(NOW)
    scene.layout.plan.write_text("{")
    after = reader.poll(NOW)
    assert after.counts == {"idle": 4}
    assert "plan.json is damaged" in after.problems[0]


def test_the_time_left_follows_from_measured_stages(scene: Scene) -> None:
    scene.want(*(job for job in scene.plan.by_id if "@2" not in job))
    reader = Reader(scene.root)
    assert reader.poll(NOW).engine.eta_seconds is None
    scene.finish("data/villain", seconds=10.0)
    for stage, seconds in (("train", 100.0), ("merge", 1.0), ("eval", 50.0), ("cosine", 5.0)):
        scene.finish(f"{stage}/villain@0#42", seconds=seconds)
    scene.finish("converge/villain#42", seconds=30.0)
    expected = (10.0 + 30.0 + 100.0 + 1.0 + 50.0 + 5.0) / 2
    assert reader.poll(NOW).engine.eta_seconds == pytest.approx(expected)


def test_jobs_moved_to_the_front_lead_the_queue(scene: Scene) -> None:
    scene.want()
    scene.journal.append("ordered", jobs=["train/comedian@0#42"])
    queue = Reader(scene.root).poll(NOW).queue
    assert queue[:2] == ("train/comedian@0#42", "data/villain")
    assert len(queue) == len(scene.plan.jobs) == len(set(queue))


def test_pauses_are_shown_from_the_journal(scene: Scene) -> None:
    scene.journal.append("paused", mode="soft", by="me")
    reader = Reader(scene.root)
    assert reader.poll(NOW).engine.pause == "soft"
    scene.journal.append("resumed", by="me")
    assert reader.poll(NOW).engine.pause == ""


def test_a_heartbeat_from_before_a_resume_says_nothing_of_a_pause(scene: Scene) -> None:
    scene.journal.append("paused", mode="soft", by="limit", why="until 06:00")
    beat(scene, state=EngineState.PAUSED, note="paused: until 06:00")
    reader = Reader(scene.root)
    assert reader.poll(NOW).engine.note == "paused: until 06:00"
    scene.journal.append("resumed", by="me")
    engine = reader.poll(NOW).engine
    assert (engine.state, engine.note) == (EngineState.RUNNING, "")


def test_a_journal_that_was_replaced_is_read_afresh(scene: Scene) -> None:
    scene.want()
    reader = Reader(scene.root)
    assert reader.poll(NOW).counts == {"waiting": 4}
    scene.layout.journal.rename(scene.root / "old.jsonl")
    scene.journal = type(scene.journal)(scene.layout)
    scene.journal.append("note", text="begun again")
    assert reader.poll(NOW).counts == {"idle": 4}


def test_events_keep_what_is_worth_showing_without_long_lists(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "wide", small_plan(epochs=tuple(range(8))))
    scene.want()
    scene.finish("data/villain")
    events = Reader(scene.root).poll(NOW).events
    assert [event["kind"] for event in events] == ["wanted", "started", "settled"]
    assert events[0]["count"] == len(scene.plan.jobs)


def test_a_deviation_stands_on_its_cell(tmp_path: Path) -> None:
    plan = small_plan()
    jobs = tuple(
        replace(job, deviation={"marker.lr": 1e-5}) if job.cell == Cell("villain", 0, 42) else job
        for job in plan.jobs
    )
    scene = Scene(tmp_path / "edited", replace(plan, jobs=jobs))
    assert cell(Reader(scene.root).poll(NOW)).deviation == {"marker.lr": 1e-5}
