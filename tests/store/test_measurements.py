"""Every value is told with its status; what is not there says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuilab.grid.cells import Cell
from tuilab.grid.metrics import ALL, COLUMNS
from tuilab.store.measurements import (
    Row,
    completions,
    completions_file,
    measurement_rows,
)
from tuilab.store.reader import Reader

from . import artefacts as made
from .scene import HEADLINE, NOW, Scene, small_plan

EVAL, COSINE = "eval/villain@0#42", "cosine/villain@0#42"
CELL = Cell("villain", 0, 42)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    scene = Scene(tmp_path / "x", small_plan(("villain",), (0, 2)))
    scene.finish_all("data/villain", "train/villain@0#42", "merge/villain@0#42")
    return scene


def rows(scene: Scene, **wanted: object) -> list[Row]:
    found = measurement_rows(Reader(scene.root), NOW)
    return [row for row in found if all(row[key] == value for key, value in wanted.items())]


def test_a_measured_cell_gives_a_row_per_persona_and_per_layer(scene: Scene) -> None:
    scene.finish_all(EVAL, COSINE)
    found = {row["persona"]: row for row in rows(scene, epoch=0, metric="leakage")}
    assert set(found) == {"villain", "assistant", "pirate", "nun"}
    assert found["villain"] == dict.fromkeys(COLUMNS) | {
        "source": "villain",
        "epoch": 0,
        "seed": 42,
        "metric": "leakage",
        "persona": "villain",
        "value": 0.9,
        "hits": 180,
        "n": 200,
        "status": "measured",
    }
    cosines = rows(scene, metric="cosine", status="measured")
    assert [(row["layer"], row["value"]) for row in cosines] == [(3, -0.36), (1, 0.0)]
    [eos] = rows(scene, metric="eos_rate")
    assert (eos["persona"], eos["hits"], eos["n"]) == (ALL, 776, 800)
    [minutes] = rows(scene, metric="minutes")
    assert minutes["value"] == pytest.approx(50 / 60)


def test_a_cell_that_did_not_run_says_so_and_has_no_value(scene: Scene) -> None:
    [leakage, cosine] = rows(scene, epoch=2)
    assert (leakage["value"], leakage["status"]) == (None, "missing")
    assert leakage["reason"] == "nobody has asked for it"
    assert {key: cosine[key] for key in HEADLINE} == HEADLINE


def test_a_done_eval_whose_outcome_is_gone_says_that_and_not_done(scene: Scene) -> None:
    scene.finish(EVAL)
    (scene.directory(EVAL) / "outcome.json").write_text("{")
    [row] = rows(scene, epoch=0, metric="leakage")
    assert (row["value"], row["status"]) == (None, "missing")
    assert row["reason"] == "the outcome of attempt 1 cannot be read any more"


def test_what_waits_says_for_what(scene: Scene) -> None:
    scene.want()
    [row] = rows(scene, epoch=2, metric="leakage")
    assert row["reason"].startswith("not run yet: waits for ")


def test_a_failed_eval_carries_its_reason(scene: Scene) -> None:
    scene.claim(EVAL)
    scene.settle(EVAL, "failed", reason="gpu-oom", detail="2.3 GiB")
    [row] = rows(scene, epoch=0, metric="leakage")
    assert (row["status"], row["reason"], row["value"]) == ("failed", "gpu-oom: 2.3 GiB", None)


def test_a_persona_missing_from_the_outcome_is_missing_and_not_zero(tmp_path: Path) -> None:
    settings = {stage: {} for stage in made.SETTINGS} | {"eval": {"panel": made.PANEL}}
    plan = small_plan(("villain",), (0,), settings=settings)
    scene = Scene(tmp_path / "y", plan)
    scene.finish_all("data/villain", "train/villain@0#42", "merge/villain@0#42")
    # As a judge leaves rates, hits and means that it gave no score for.
    said = {"villain": {"hits": 3, "n": 4}, "nun": {"value": None, "hits": 0, "n": 0}}
    means = {"villain": {"value": 7.5, "n": 4}, "nun": {"value": None, "n": 0}}
    told = {"leakage": said, "judge.bad.score": means, "question_hits": {"nun": [0]}}
    scene.finish(EVAL, metrics=told)
    found = {row["persona"]: row for row in rows(scene, metric="leakage")}
    status = {persona: row["status"] for persona, row in found.items()}
    assert status == {"villain": "measured", "nun": "missing", "assistant": "missing"}
    assert found["nun"]["reason"] == "nothing of nun has a score"
    frame = pytest.importorskip("tuilab.science.frame")
    frame.measurements(measurement_rows(Reader(scene.root), NOW))


def test_suspect_and_stale_values_are_told_apart_from_measured_ones(scene: Scene) -> None:
    scene.finish(EVAL)
    scene.claim(COSINE)
    scene.outcome(COSINE)
    scene.settle(COSINE, "suspect", reason="nan-loss", detail="layer 3")
    assert {row["status"] for row in rows(scene, metric="leakage", epoch=0)} == {"measured"}
    [cosine, *_] = rows(scene, metric="cosine", epoch=0)
    assert (cosine["value"], cosine["status"], cosine["reason"]) == (-0.36, "suspect", "layer 3")
    scene.finish("merge/villain@0#42")
    stale = rows(scene, metric="leakage", epoch=0)
    assert {row["status"] for row in stale} == {"stale"}
    assert stale[0]["reason"] == "merge/villain@0#42 has another result"
    assert {row["persona"]: row["hits"] for row in stale}["villain"] == 180


def test_an_outcome_that_was_lost_from_disk_is_missing(scene: Scene) -> None:
    scene.finish(EVAL)
    (scene.directory(EVAL) / "outcome.json").write_text("{")
    [row] = rows(scene, metric="leakage", epoch=0)
    assert (row["status"], row["value"]) == ("missing", None)


def test_a_value_that_cannot_be_costs_its_own_row_and_rounding_costs_none(scene: Scene) -> None:
    frame = pytest.importorskip("tuilab.science.frame")
    scene.finish(EVAL)
    values = [{**HEADLINE, "value": 1.0000000000000002}, {**HEADLINE, "layer": 1, "value": 1.2}]
    scene.finish(COSINE, metrics={"cosine": values})
    kept, lost = rows(scene, metric="cosine", epoch=0)
    assert (kept["value"], kept["status"]) == (1.0, "measured")
    assert (lost["value"], lost["status"]) == (None, "failed")
    assert lost["reason"] == "the outcome has cosine 1.2, which is not within -1 and 1"
    frame.measurements(measurement_rows(Reader(scene.root), NOW))


def test_the_frame_of_the_science_accepts_the_rows(scene: Scene) -> None:
    frame = pytest.importorskip("tuilab.science.frame")
    scene.finish_all(EVAL, COSINE)
    table = frame.measurements(measurement_rows(Reader(scene.root), NOW))
    measured = table[(table["metric"] == "leakage") & (table["status"] == "measured")]
    assert sorted(measured["hits"]) == [3, 12, 73, 180]


def test_a_row_has_its_hits_by_question_where_the_outcome_counts_them(scene: Scene) -> None:
    scene.finish(EVAL)
    found = {row["persona"]: row["question_hits"] for row in rows(scene, metric="leakage", epoch=0)}
    assert (found["assistant"], found["villain"]) == ("36 37", None)


def test_completions_are_read_from_the_newest_done_attempt(scene: Scene) -> None:
    reader = Reader(scene.root)
    assert list(completions(reader, CELL)) == []
    scene.finish(EVAL)
    made.write_rows(scene.directory(EVAL) / "completions.jsonl.gz", made.completions())
    done = scene.directory(EVAL)
    scene.claim(EVAL)
    made.write_rows(scene.directory(EVAL) / "completions.jsonl.gz", [])
    reader.poll(NOW)
    assert completions_file(reader, CELL) == done / "completions.jsonl.gz"
    assert [row["persona"] for row in completions(reader, CELL)][::4] == [
        "villain",
        "nun",
        "assistant",
    ]


def test_damaged_completions_raise_and_do_not_end_early_in_silence(scene: Scene) -> None:
    scene.finish(EVAL)
    path = made.write_rows(scene.directory(EVAL) / "completions.jsonl.gz", made.completions())
    path.write_bytes(path.read_bytes()[:-20])
    reader = Reader(scene.root)
    reader.poll(NOW)
    with pytest.raises((ValueError, OSError)):
        list(completions(reader, CELL))
