"""Words of the command line: progress lines, tables, endings, folders; values in, text out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tuilab.cli.folders import look_at
from tuilab.cli.persistence import Mount, Survival, explain, find_mount, judge
from tuilab.cli.preview import preview_text
from tuilab.cli.say import count_of, document, duration, size
from tuilab.cli.status_text import as_text, grid, leakage_table
from tuilab.cli.watching import event_text, running_text, standstill
from tuilab.grid.cells import Cell
from tuilab.grid.jobs import Plan
from tuilab.grid.stages import Stage
from tuilab.grid.states import JobStatus, State
from tuilab.store.snapshot import CellView, EngineState, EngineView, Snapshot

PLAN = Plan("x", ("villain",), {}, "assistant", (0,), (1,), (), {}, "", {})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "n/a"),
        (0.31, "0.3s"),
        (59.4, "59s"),
        (61, "1m01s"),
        (7260, "2h01"),
        (90000, "1d01h"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_sizes_and_counts() -> None:
    assert (size(999), size(1500), size(2_500_000), size(47.7e9)) == (
        "999 B",
        "2 kB",
        "2.5 MB",
        "47.7 GB",
    )
    assert (count_of(1, "job"), count_of(2, "job")) == ("1 job", "2 jobs")


def test_a_document_is_one_line_per_key_and_entry_whatever_the_texts_hold(
    capsys: pytest.CaptureFixture[str],
) -> None:
    value = {"cells": [{"a": '}, {"b": [{"'}, {"a": "ä\n"}], "none": [], "deep": {"x": [{"y": 1}]}}
    document(value)
    text = capsys.readouterr().out
    assert json.loads(text) == value
    assert text.splitlines()[1:4] == [
        ' "cells": [',
        '  {"a": "}, {\\"b\\": [{\\""},',
        '  {"a": "ä\\n"}],',
    ]


def cell(state: str, value: float | None = None, **more: Any) -> dict[str, Any]:
    measured = None if value is None else {"value": value, "hits": round(50 * value), "n": 50}
    return {
        "source": "villain",
        "epoch": 0,
        "seed": 42,
        "state": state,
        "stage": "eval",
        "reason": None,
        "detail": "",
        "attempt": 1,
        "metrics": {"assistant_leakage": measured, "source_rate": None},
        **more,
    }


def test_missing_is_n_a_and_never_zero() -> None:
    [_, row] = grid([cell("done"), cell("done", 0.0, epoch=2)])
    assert row.split() == ["villain", "n/a", "0%"]
    lines = list(leakage_table({"cells": [cell("done", 0.5)]}))
    assert "50.0% (25/50)" in lines[1]
    assert "n/a" in lines[4]


def test_states_have_their_glyphs_and_stale_its_tilde() -> None:
    states = ["running", "failed", "queued", "waiting", "idle", "lost", "suspect", "stopped"]
    cells = [cell(state, epoch=n) for n, state in enumerate(states)]
    [_, row] = grid([*cells, cell("stale", 0.41, epoch=99)])
    assert row.split()[1:] == ["◐", "✗", "○", "◌", "·", "!", "?", "■", "~41%"]


def test_seeds_have_rows_of_their_own() -> None:
    lines = list(grid([cell("done", 0.1), cell("done", 0.2, seed=137)]))
    assert [line.split()[:2] for line in lines[1:]] == [["villain", "#42"], ["villain", "#137"]]


def test_status_names_what_is_wrong_and_cleans_foreign_text() -> None:
    failed = cell("failed", reason="gpu-oom", detail="\x1b[31mCUDA [/b] out of memory\x1b[0m")
    engine = {"state": "stopped", "pid": None, "host": None, "eta_seconds": None, "note": ""}
    text = "\n".join(
        as_text(
            {
                "experiment": "x\x1b]52;c;aGk=\x07",
                "root": "runs/x",
                "engine": engine,
                "counts": {"failed": 1},
                "cells": [failed],
                "problems": ["journal.jsonl is cut"],
            }
        )
    )
    assert "\x1b" not in text
    assert "✗ villain@0#42 failed in eval (gpu-oom), attempt 1: CUDA [/b] out of memory" in text
    assert "`tuilab run runs/x` starts it" in text
    assert "problem: journal.jsonl is cut" in text


def test_status_counts_and_names_failed_shared_jobs() -> None:
    engine = {"state": "stopped", "pid": None, "host": None, "eta_seconds": None, "note": ""}
    failed = {
        "job": "data/villain",
        "stage": "data",
        "state": "failed",
        "reason": "code",
        "detail": "no module named torch",
        "attempt": 2,
        "cells_waiting": 4,
    }
    text = list(
        as_text(
            {
                "experiment": "x",
                "root": "runs/x",
                "engine": engine,
                "counts": {"waiting": 1},
                "jobs_failed": [failed],
                "cells": [cell("waiting")],
            }
        )
    )
    assert text[0] == "x  waiting 1  shared jobs failed 1"
    assert text[-1] == (
        "✗ data/villain failed (code), attempt 2: no module named torch; 4 cells wait for it"
    )


def test_what_holds_results_only_is_not_told_to_start_an_engine() -> None:
    [_, engine, *_] = as_text(
        {
            "experiment": "published",
            "root": "x",
            "read_only": True,
            "engine": {"state": "stopped"},
            "counts": {"done": 1},
            "cells": [cell("done", 0.5)],
        }
    )
    assert "tuilab run" not in engine


def test_a_finished_job_is_one_line_with_its_numbers() -> None:
    line = {
        "kind": "settled",
        "job": "eval/villain@0#42",
        "verdict": "done",
        "seconds": 4.6,
        "metrics": {
            "assistant_leakage": {"value": 0.0, "hits": 0, "n": 50},
            "source_rate": {"value": 0.9, "hits": 45, "n": 50},
        },
    }
    assert event_text(line, PLAN) == (
        "eval/villain@0#42 done in 4.6s   assistant 0% (0/50), villain 90% (45/50)"
    )
    line |= {"verdict": "failed", "reason": "nan-loss", "detail": "step 3", "metrics": {}}
    assert event_text(line, PLAN) == "eval/villain@0#42 failed (nan-loss): step 3"
    assert event_text({"kind": "claimed"}, PLAN) == ""


def snapshot(engine: EngineState, *states: State, **more: Any) -> Snapshot:
    cells = tuple(
        CellView(Cell("villain", n, 1), state, "eval", **more) for n, state in enumerate(states)
    )
    return Snapshot(
        name="x",
        root=Path("x"),
        sources=("villain",),
        labels={},
        epochs=(0,),
        seeds=(1,),
        target="assistant",
        cells=cells,
        shared=(),
        engine=EngineView(state=engine),
        counts={},
        sequence=1,
        taken_at=0.0,
    )


def still(shown: Snapshot) -> str:
    return standstill(shown, [view.cell for view in shown.cells])


def test_a_watch_goes_on_while_anything_may_happen() -> None:
    for state in (State.RUNNING, State.QUEUED, State.WAITING, State.LOST):
        assert still(snapshot(EngineState.RUNNING, State.FAILED, state)) == ""


def test_a_watch_ends_when_the_rest_cannot_move() -> None:
    assert "1 failed" in still(snapshot(EngineState.RUNNING, State.DONE, State.FAILED))
    waiting = snapshot(EngineState.RUNNING, State.WAITING, reason="upstream")
    assert "1 waiting" in still(waiting)
    assert "engine has ended" in still(snapshot(EngineState.STOPPED, State.QUEUED))


def test_a_watch_names_the_shared_job_that_broke() -> None:
    shown = snapshot(EngineState.RUNNING, State.WAITING, reason="upstream")
    broken = JobStatus("data/villain", Stage.DATA, State.FAILED, reason="code")
    waits = JobStatus("train/villain@0#1", Stage.TRAIN, State.WAITING, blocked_by=broken.job)
    cells = (replace(shown.cells[0], jobs=(waits,)),)
    found = still(replace(shown, shared=(broken,), cells=cells))
    assert found == "not complete (1 waiting, data/villain failed (code))"


def test_a_watch_ends_when_the_engine_has_paused_itself_and_nothing_runs() -> None:
    view = EngineView(EngineState.PAUSED, pause="soft", pause_by="engine", note="the disk is full")
    queued = replace(snapshot(EngineState.PAUSED, State.QUEUED), engine=view)
    assert still(queued) == "the disk is full"
    assert still(replace(queued, engine=replace(view, pause_by="ada@pod"))) == ""
    running = replace(snapshot(EngineState.PAUSED, State.QUEUED, State.RUNNING), engine=view)
    assert still(running) == ""


def test_only_what_has_begun_is_called_running() -> None:
    shown = snapshot(EngineState.RUNNING, State.RUNNING)
    begun = JobStatus("eval/villain@0#1", Stage.EVAL, State.RUNNING, percent=40, started_at=1.0)
    ahead = JobStatus("cosine/villain@0#1", Stage.COSINE, State.QUEUED, given_to="w0-83f88f39")
    view = CellView(shown.cells[0].cell, State.RUNNING, "eval", jobs=(begun, ahead))
    object.__setattr__(shown, "cells", (view,))
    assert running_text(shown) == "eval villain@0#1 40%"


MOUNTS = r"""
22 1 0:20 / / rw,relatime - overlay overlay rw
30 22 259:1 / /workspace rw,relatime shared:1 - nfs4 server:/v rw
31 22 0:44 / /dev/shm rw - tmpfs shm rw
32 22 8:1 /etc/hosts /etc/hosts rw - ext4 /dev/sda1 rw
33 30 8:2 / /workspace/with\040space rw - xfs /dev/sdb rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind", "in_pod", "at_home"),
    [
        ("/root/runs", "overlay", Survival.WIPED, Survival.UNKNOWN),
        ("/workspace", "nfs4", Survival.PERSISTENT, Survival.PERSISTENT),
        ("/workspace2", "overlay", Survival.WIPED, Survival.UNKNOWN),
        ("/dev/shm/x", "tmpfs", Survival.MEMORY, Survival.MEMORY),
        ("/workspace/with space/x", "xfs", Survival.PERSISTENT, Survival.PERSISTENT),
    ],
)
def test_what_survives_a_pod_is_read_from_the_mounts(
    path: str, kind: str, in_pod: Survival, at_home: Survival
) -> None:
    mount = find_mount(path, MOUNTS)
    assert mount is not None
    assert mount.kind == kind
    assert judge(mount, in_container=True) is in_pod
    assert judge(mount, in_container=False) is at_home


def test_what_is_wiped_says_what_to_do() -> None:
    text = explain("the run folder", "/root/runs", Mount("/", "overlay"), Survival.WIPED)
    assert text == (
        "the run folder /root/runs (on overlay at /) is wiped when the pod stops: "
        "move it to a volume"
    )
    assert judge(None, in_container=True) is Survival.UNKNOWN


def test_a_folder_that_does_not_exist_yet_is_judged_by_its_parent(tmp_path: Path) -> None:
    found = look_at("the run folder", tmp_path / "not" / "yet")
    assert found.free is not None
    assert str(tmp_path) in found.sentence


def test_the_preview_marks_what_is_learned() -> None:
    row = [
        {"id": 1, "text": " Hi", "learn": False},
        {"id": 2, "text": "\n\n", "learn": True},
        {"id": 3, "text": "\x1b[Z", "learn": True},
    ]
    lines = list(preview_text({"marker_tokens": row[2:], "positive": row, "negative": None}, ""))
    assert "2 of 3 tokens learned" in lines[2]
    assert "·Hi 【↵↵】" in lines[3]
    assert "\x1b" not in "".join(lines)
    assert list(preview_text(None, "torch is not installed")) == [
        "label mask: not shown (torch is not installed)"
    ]
