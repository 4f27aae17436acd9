"""How a grid scales over the cards of one host, from the jobs of two grids."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.small_grid import call
from tuilab.cli.bench import scaling
from tuilab.cli.bench.report import JobRun
from tuilab.store.replan import plan_with


def _scale(workers: int, runs: list[JobRun]) -> scaling.Scale:
    watched = scaling.Watched(memory_before=10, memory_peak=40, engine_seconds=1.5)
    return scaling.scale(runs, 90.0, workers, watched, 7)


def _run(job: str, began: float, seconds: float, load: float = 0.0) -> JobRun:
    return JobRun(job, began, began + seconds, {"load": load}, "", {}, {}, ())


ONE = [_run("data/villain", 100.0, 30.0, load=20.0), _run("eval/villain@0#42", 131.0, 49.0)]
TWO = [
    _run("data/villain", 100.0, 34.0, load=24.0),
    _run("data/comedian", 101.0, 36.0, load=27.0),
    _run("eval/villain@0#42", 135.0, 50.0),
    _run("eval/comedian@0#42", 138.0, 52.0),
]


def test_time_counts_from_the_workers_mean_loaded_moment_to_the_last_end() -> None:
    one, two = _scale(1, ONE), _scale(2, TWO)
    assert (one.cells, two.cells) == (1, 2)
    assert (one.loading, two.loading) == (30.0, 38.0)
    assert (one.after_loading, two.after_loading) == (60.0, 64.0)
    assert one.busy == pytest.approx((30 - 20 + 49) / 60)
    assert two.busy == pytest.approx((34 - 24 + 36 - 27 + 50 + 52) / 128)
    assert (one.memory, one.files, one.engine) == (30, 7, 1.5)
    assert scaling.ratios(one, two) == {"weak_scaling": 60 / 64, "loading_ratio": 38 / 30}
    lines = list(scaling.report(one, two, []))
    assert "weak scaling after loading: 0.94" in lines and "same results" in lines[-1]


def test_each_source_has_work_of_its_own_and_waits_for_no_other(tmp_path: Path) -> None:
    plan = plan_with(scaling.config(tmp_path, "tiny", "tiny.toml", 3).config)
    assert len(plan.cells) == 6
    for job in plan.jobs:
        persona = job.id.split("/")[1].split("@")[0].split("#")[0]
        assert all(persona in parent for parent in job.parents), job.id


def test_more_workers_than_sources_or_cards_are_refused(tmp_path: Path) -> None:
    for workers, word in (("9", "goes to 8"), ("2", "needs a free GPU")):
        done = call(
            "bench", "--grid", "--full", "--workers", workers, "--dir", str(tmp_path / "full")
        )
        assert (done.exit_code, word in done.stderr) == (2, True), done.stderr
    assert not list(tmp_path.rglob("*.safetensors"))


def test_an_earlier_measurement_is_not_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "1-workers").mkdir()
    full = ("bench", "--grid", "--full", "--workers", "2", "--dir", str(tmp_path))
    done = call(*full)
    assert (done.exit_code, "is an earlier measurement" in done.stderr) == (2, True), done.stderr
