"""The published grid's hours from two cells that ran at full size."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.small_grid import call
from tuilab.cli.bench import full
from tuilab.cli.bench.report import JobRun
from tuilab.cli.errors import RefusalError
from tuilab.store.replan import plan_with


def _runs(*jobs: tuple[str, float, float]) -> list[JobRun]:
    """Jobs one after the other, half a second apart: name, seconds, and how many of them worked."""
    found, now = [], 100.0
    for job, seconds, work in jobs:
        found.append(JobRun(job, now, now + seconds, {"train": work}, "", {}, {}, ()))
        now += seconds + 0.5
    return found


JOBS = (
    ("data/villain", 30.0, 10.0),
    ("data/librarian", 12.0, 10.0),
    ("converge/villain#42", 170.0, 169.0),
    ("train/villain@0#42", 250.0, 240.0),
    ("train/villain@20#42", 252.0, 240.0),
    ("merge/villain@0#42", 2.0, 0.0),
    ("eval/villain@0#42", 28.0, 26.0),
    ("cosine/villain@0#42", 3.0, 0.0),
)


def test_the_hours_count_every_job_of_the_grid_and_the_loading_once() -> None:
    found = full.full_grid(_runs(*JOBS), full._jobs_of_the_grid())
    assert found.stages["train"].count == 77 and found.stages["converge"].count == 7
    assert found.per_cell == pytest.approx(251 + 2 + 28 + 3 + 4 * 0.5)
    assert found.outside == pytest.approx(found.per_cell - 240 - 26)
    assert found.per_source == pytest.approx(170.5)
    personas = found.stages["data"].count
    seconds = 77 * found.per_cell + 7 * found.per_source + personas * 12.5 + 18.0
    assert found.hours == pytest.approx(seconds / 3600)


def test_a_stage_that_never_ran_is_named_not_counted_as_nothing() -> None:
    with pytest.raises(RefusalError, match="nothing was measured of cosine"):
        full.full_grid(_runs(*JOBS[:-1]), full._jobs_of_the_grid())


def test_its_config_is_one_source_of_the_published_grid_whole(tmp_path: Path) -> None:
    config = full._config(tmp_path, tmp_path / "base").config
    published = full.read_config(full.configs_dir() / full.REFERENCE).config
    assert (config.marker, config.convergence) == (published.marker, published.convergence)
    assert config.epochs == published.epochs  # its convergence run has as many checkpoints
    assert set(full.CELLS) <= {f"{cell.source}@{cell.epoch}" for cell in plan_with(config).cells}


def test_without_a_gpu_it_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    done = call("bench", "--grid", "--full", "--dir", str(tmp_path / "full"))
    assert (done.exit_code, "needs a free GPU" in done.stderr) == (2, True)
    assert not list(tmp_path.rglob("*.safetensors"))
