"""The queue and the machine in words."""

from __future__ import annotations

from dataclasses import replace

from tuilab.grid.engine_view import EngineState, EngineView, Meter
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.glyphs import UNICODE
from tuilab.tui.present.header import meter_text
from tuilab.tui.present.queue_text import (
    expected_ends,
    machine_lines,
    moved,
    queue_rows,
    typical_seconds,
)
from tuilab.tui.present.side_pane import load_of
from tuilab.tui.present.styled_text import plain


def card(index: int, percent: float | None, jobs: tuple[str, ...] = ()) -> dict[str, object]:
    used, total = 61 * 2**30, 140 * 2**30
    memory = {"memory_used": used, "memory_total": total, "unattributed": 0}
    return {"index": index, "name": "NVIDIA H200", "percent": percent, **memory, "jobs": jobs}


def test_two_gpus_stand_side_by_side_and_more_are_counted(half_way: Snapshot) -> None:
    two = (card(0, 97.0, ("train/villain@2#42",)), card(1, 41.0))
    assert meter_text(Meter(gpus=two)) == "GPU0 97% 61/140G GPU1 41% 61/140G"
    assert meter_text(Meter(gpus=(*two, card(2, 5.0)))).endswith("61/140G +1")
    assert load_of(Meter(gpus=two)) == 69.0
    assert load_of(Meter(gpus=(card(0, None), card(1, 41.0)))) == 41.0
    engine = EngineView(EngineState.RUNNING, workers=2, meter=Meter(gpus=two))
    lines = [plain(x) for x in machine_lines(replace(half_way, engine=engine), 0.0, 80, UNICODE)]
    first = next(number for number, line in enumerate(lines) if line.startswith(" GPU0"))
    assert lines[first + 1].strip() == "train/villain@2#42"
    assert lines[first + 2].startswith(" GPU1")


def test_a_job_moves_in_the_queue_and_stays_at_its_ends() -> None:
    assert moved(["a", "b", "c"], 1, -1) == ["b", "a", "c"]
    assert moved(["a", "b", "c"], 0, -1) == ["a", "b", "c"]
    assert moved(["a", "b", "c"], 1, 1) == ["a", "c", "b"]


def test_each_job_says_when_it_should_end_after_the_stages_of_its_cell(half_way: Snapshot) -> None:
    known = half_way.statuses
    ends = expected_ends(half_way, half_way.queue, known)
    train, merge = (f"{stage}/villain@20#42" for stage in ("train", "merge"))
    typical = typical_seconds(known.values())
    assert ends[merge] >= ends[train] + typical["merge"]
    running = "eval/villain@18#42"
    left = typical["eval"] * (1 - (known[running].percent or 0) / 100)
    assert ends[running] == half_way.taken_at + left
    stopped = replace(half_way, engine=replace(half_way.engine, state=EngineState.STOPPED))
    assert expected_ends(stopped, half_way.queue, known) == {}


def test_jobs_of_one_cell_stand_under_its_name(half_way: Snapshot) -> None:
    rows = dict(queue_rows(half_way, half_way.queue, half_way.statuses, UNICODE))
    assert "villain@20#42" in plain(rows["train/villain@20#42"])
    assert "villain@20#42  " not in plain(rows["merge/villain@20#42"])
    assert "  ends " in plain(rows["merge/villain@20#42"])
    assert plain(rows["merge/villain@20#42"]).endswith("waits for train")
    assert len({plain(row).index("ends ") for row in rows.values()}) == 1


def test_a_worker_that_waits_is_told_of_once(half_way: Snapshot) -> None:
    waiting = ({"phase": "pending", "why": "Resources"},)
    engine = replace(half_way.engine, machines=waiting, note="1 worker pending: Resources")
    lines = machine_lines(replace(half_way, engine=engine), 0.0, 80, UNICODE)
    assert sum("1 worker pending: Resources" in plain(line) for line in lines) == 1


def test_a_worker_that_has_reported_nothing_says_what_it_does(half_way: Snapshot) -> None:
    name = "eval/villain@18#42"
    cells = tuple(
        replace(
            view,
            jobs=tuple(replace(job, percent=None) if job.job == name else job for job in view.jobs),
        )
        for view in half_way.cells
    )
    fresh = replace(half_way, cells=cells)
    [row] = [line for key, line in queue_rows(fresh, (), fresh.statuses, UNICODE) if key == name]
    assert "starts: loads the model" in plain(row)
