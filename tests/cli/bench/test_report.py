"""What a grid spent its time on, and whether two runs of it came to the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.small_grid import CONFIG, call, spawn
from tuilab.cli.bench.report import JobRun, differences, spent

FIRST = JobRun(
    job="data/villain",
    started_at=110.0,
    finished_at=114.0,
    timings={"load": 1.5, "sample": 2.0, "overhead": 0.5},
    output_hash="a",
    peak_memory={},
    metrics={"rows": 3},
    losses=(),
)
SECOND = JobRun(
    job="train/villain@0#42",
    started_at=115.0,
    finished_at=120.0,
    timings={"train": 4.0, "save": 0.5},
    output_hash="b",
    peak_memory={},
    metrics={"final_loss": 0.5},
    losses=(2.0, 0.5),
)


def test_every_second_is_counted_once() -> None:
    found = spent([FIRST, SECOND], began=100.0)
    assert found.stages == {
        "training": 4.0,
        "sampling": 2.0,
        "loading": 1.5,
        "merging": 0.0,
        "saving and checking": 0.5,
        "other": 1.0,
        "between jobs": 11.0,
    }
    assert sum(found.stages.values()) == found.wall == 20.0
    assert found.overhead_per_job == pytest.approx((20.0 - 6.0) / 2)
    assert found.overhead_per_later_job == pytest.approx(6.0 - 4.0)
    assert spent([FIRST], began=100.0).overhead_per_later_job is None


def test_with_two_workers_the_seconds_of_both_are_counted() -> None:
    beside = replace(SECOND, started_at=111.0, finished_at=116.0)
    found = spent([FIRST, beside], began=100.0, workers=2)
    assert (found.wall, found.workers) == (16.0, 2)
    assert sum(found.stages.values()) == pytest.approx(2 * 16.0)
    assert found.stages["between jobs"] == pytest.approx(32.0 - 9.0)
    assert found.overhead_per_job == pytest.approx((32.0 - 6.0) / 2)


def test_more_workers_than_places_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = [{"index": 0, "uuid": "GPU-0", "name": "H", "memory_total": 80, "memory_used": 0}]
    made = tmp_path / "devices.json"
    made.write_text(json.dumps([{**one, "holders": []} for one in cards]))
    monkeypatch.setenv("TUILAB_FAKE_DEVICES", str(made))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    config = tmp_path / "one.toml"
    config.write_text(CONFIG.replace('device = "cpu"', 'device = "auto"'))
    done = call("bench", "--grid", "--workers", "2", "--config", str(config))
    assert (done.exit_code, "this machine can run 1 at a time, not 2" in done.stderr) == (2, True)


def test_files_metrics_and_losses_are_compared_job_by_job() -> None:
    assert differences([FIRST, SECOND], [SECOND, FIRST]) == []
    other = replace(SECOND, output_hash="c", losses=(2.0, 0.4))
    assert differences([FIRST, SECOND], [FIRST, other]) == [
        "train/villain@0#42: files differ",
        "train/villain@0#42: training losses differ",
    ]
    assert differences([FIRST], [FIRST, SECOND]) == ["train/villain@0#42: in one grid only"]
    assert differences([FIRST], [replace(FIRST, metrics={})]) == ["data/villain: metrics differ"]


@pytest.mark.trial
def test_a_grid_is_run_and_accounted_for(tmp_path: Path) -> None:
    """One cell at epoch 0, warm, through the engine; the other way is the runners' to test."""
    config = tmp_path / "one.toml"
    config.write_text(CONFIG.replace("epochs = [0, 1]", "epochs = [0]"))
    done = spawn("bench", "--grid", "--warm-only", "--config", str(config), "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["equal"] is None and found["times_faster"] is None
    [(way, warm)] = found["ways"].items()
    stages = [run["job"].split("/")[0] for run in warm["runs"]]
    assert way == "warm worker"
    assert stages == ["data", "data", "train", "merge", "eval", "cosine"]
    assert sum(warm["stages"].values()) == pytest.approx(warm["wall"])
    assert 0 < warm["overhead_per_later_job"] < warm["overhead_per_job"]
