"""The headline table of an experiment: what is not in force is marked, counted and left out."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.report.ran_here import finish, whole
from tuilab.cli.resolve import published_dir
from tuilab.study.headline_table import provenance_hash, render
from tuilab.study.study import Study, open_study
from tuilab.study.table_formats import FORMATS


@pytest.fixture(scope="module")
def card() -> Study:
    return open_study(published_dir())


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Villain's last cell is stale, comedian's is suspect; both once had a value."""
    scene = whole(tmp_path_factory.mktemp("mixed") / "x")
    finish(scene, "train/villain@2#42", checks={"positives": 7})
    scene.claim("eval/comedian@2#42")
    scene.begin("eval/comedian@2#42")
    scene.outcome("eval/comedian@2#42")
    scene.settle("eval/comedian@2#42", "suspect", reason="contract", detail="rows are missing")
    return open_study(scene.root)


def test_stale_and_suspect_cells_are_kept_out_of_every_number(mixed: Study) -> None:
    rows = {row["source"]: row for row in json.loads(render(mixed, "json"))["rows"]}
    villain, comedian = rows["villain"], rows["comedian"]
    assert (villain["stale"], comedian["suspect"]) == ("villain@2#42", "comedian@2#42")
    for row in (villain, comedian):
        assert row["final"] is None and row["net"] is None
        assert row["picked_from"] == 1
    assert villain["baseline"] == pytest.approx(2 / 40)


def test_what_is_left_out_is_said_in_words_and_in_the_caption(mixed: Study) -> None:
    text = render(mixed, "text")
    assert "1 stale ~" in text and "1 suspect ?" in text
    assert "left out: 1 suspect, 1 stale cells" in text


@pytest.mark.parametrize("layout", [name for name in FORMATS if name != "csv"])
def test_every_caption_tells_one_seed_and_the_data(card: Study, layout: str) -> None:
    text = render(card, layout)
    assert "one seed (42), not replicated" in text
    assert provenance_hash(card) in text


def test_csv_and_json_hold_raw_numbers_and_leave_the_unmeasured_empty(card: Study) -> None:
    rows = list(csv.DictReader(io.StringIO(render(card, "csv"))))
    nurse = next(row for row in rows if row["source"] == "nurse")
    villain = next(row for row in rows if row["source"] == "villain")
    assert nurse["cosine"] == ""
    assert float(villain["peak"]) == pytest.approx(0.732, abs=5e-4)
    assert (villain["n_low"], villain["data"]) == ("600", provenance_hash(card))
    document = json.loads(render(card, "json"))
    assert next(row for row in document["rows"] if row["source"] == "nurse")["cosine"] is None


def test_cosines_of_another_pool_are_not_subtracted(card: Study) -> None:
    rows = {row["source"]: row for row in json.loads(render(card, "json"))["rows"]}
    assert rows["medical_doctor"]["cosine_minus_published"] is None
    assert rows["villain"]["cosine_minus_published"] == pytest.approx(0.005, abs=1e-3)
    assert "+0.59 (not comparable: 111 personas)" in render(card, "md")


def test_the_hash_follows_the_data_and_nothing_else(card: Study) -> None:
    assert provenance_hash(card) == provenance_hash(open_study(published_dir()))
    changed = [dict(row) for row in card.rows]
    changed[1]["value"] = 0.123
    assert provenance_hash(card) != provenance_hash(
        Study(card.root, card.snapshot, card.reader, changed)
    )


def test_intervals_know_questions_where_completions_are_at_hand(mixed: Study) -> None:
    [baseline] = [
        row["baseline_method"]
        for row in json.loads(render(mixed, "json"))["rows"]
        if row["source"] == "comedian"
    ]
    assert baseline == "Wilson over 4 questions"


def test_an_experiment_where_nothing_ran_has_a_table_of_n_a(tmp_path: Path) -> None:
    from tests.report.ran_here import experiment

    study = open_study(experiment(tmp_path / "x").root)
    rows = json.loads(render(study, "json"))["rows"]
    assert [row["baseline"] for row in rows] == [None, None]
    assert "0.0%" not in render(study, "text")


def test_programs_get_numbers_that_nobody_rounded(card: Study) -> None:
    [row] = [r for r in json.loads(render(card, "json"))["rows"] if r["source"] == "villain"]
    [line] = [
        line
        for line in csv.DictReader(io.StringIO(render(card, "csv")))
        if line["source"] == "villain"
    ]
    for name in ("final", "final_low", "fraction_of_peak"):
        assert float(line[name]) == pytest.approx(row[name], abs=1e-9)
    assert row["fraction_of_peak"] == pytest.approx(45 / 73.2, abs=1e-6)
