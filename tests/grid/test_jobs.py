"""Job ids are composed and read back, and a plan knows who reads whom."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tuilab.grid.cells import Cell
from tuilab.grid.jobs import Job, Plan, job_id, parse_job_id
from tuilab.grid.stages import Stage

PLACES = [
    (Stage.DATA, "villain", None, None, "data/villain"),
    (Stage.CONVERGE, "villain", None, 42, "converge/villain#42"),
    (Stage.TRAIN, "villain", 0, 42, "train/villain@0#42"),
    (Stage.EVAL, "../../x", 10, 42, "eval/../../x@10#42"),
]


@pytest.mark.parametrize(("stage", "source", "epoch", "seed", "name"), PLACES)
def test_an_id_is_composed_and_read_back(
    stage: Stage, source: str, epoch: int | None, seed: int | None, name: str
) -> None:
    assert job_id(stage, source, epoch, seed) == name
    assert parse_job_id(name) == (stage, source, epoch, seed)


@pytest.mark.parametrize("text", ["", "train", "train/", "paint/a", "train/a@b#1", "train/a#"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a job id"):
        parse_job_id(text)


def test_a_job_knows_its_name_and_its_cell() -> None:
    job = Job(Stage.TRAIN, "villain", 0, 42, (), "s", "f")
    assert (job.id, job.cell) == ("train/villain@0#42", Cell("villain", 0, 42))
    moved = replace(job, epoch=2)
    assert (moved.id, moved.cell) == ("train/villain@2#42", Cell("villain", 2, 42))
    assert Job(Stage.DATA, "villain", None, None, (), "s", "f").cell is None
    assert Job(Stage.CONVERGE, "villain", None, 42, (), "s", "f").cell is None


def test_a_plan_knows_children_cells_and_jobs() -> None:
    data = Job(Stage.DATA, "a", None, None, (), "s", "f")
    train = Job(Stage.TRAIN, "a", 0, 1, (data.id,), "s", "f")
    merge = Job(Stage.MERGE, "a", 0, 1, (train.id, data.id), "s", "f")
    plan = Plan("x", ("a", "b"), {}, "t", (0, 2), (1, 7), (data, train, merge), {}, "h", {})
    assert plan.children == {
        data.id: (train.id, merge.id),
        train.id: (merge.id,),
        merge.id: (),
    }
    assert plan.by_id[merge.id] == merge
    assert [str(cell) for cell in plan.cells][:4] == ["a@0#1", "a@2#1", "a@0#7", "a@2#7"]
