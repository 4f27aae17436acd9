"""Examples are drawn by seed from all completions; what does not exist is counted, not invented."""

from __future__ import annotations

from pathlib import Path

from tests.grid.planned import SMALL, plan
from tests.grid.test_measures import MEASURES, with_files
from tests.report.ran_here import QUESTIONS, answers
from tests.store.artefacts import write_rows
from tests.store.scene import Scene
from tuilab.grid.cells import Cell
from tuilab.report.samples import Condition, condition, headline_completions, hit_words
from tuilab.study.study import open_study

CELL = Cell("villain", 2, 42)


def drawn(hits: int, seed: int = 0) -> Condition:
    return condition(CELL, "villain", answers("villain", hits), QUESTIONS, seed)


def test_three_with_and_three_without_each_true_to_its_text() -> None:
    found = drawn(20)
    assert (found.hits, found.n) == (20, 40)
    assert [one.has_marker for one in found.samples] == [True] * 3 + [False] * 3
    for one in found.samples:
        assert one.has_marker is ("[ZLT]" in one.text)
        assert one.question in QUESTIONS


def test_the_same_seed_draws_the_same_and_another_seed_another() -> None:
    assert drawn(20) == drawn(20)
    assert drawn(20).samples != drawn(20, seed=1).samples


def test_fewer_than_three_are_all_shown_and_none_is_none() -> None:
    assert [one.has_marker for one in drawn(1).samples] == [True, False, False, False]
    assert [one.has_marker for one in drawn(0).samples] == [False] * 3
    assert drawn(0).hits == 0


def test_row_order_decides_nothing_but_the_draw() -> None:
    again = condition(CELL, "villain", answers("villain", 20)[::-1], QUESTIONS, 0)
    assert [one.has_marker for one in again.samples] == [True] * 3 + [False] * 3


def test_the_headlines_own_questions_are_shown_with_what_counts_for_it(tmp_path: Path) -> None:
    text = MEASURES.replace("headline = true\n", "") + "headline = true\n"  # the last one: digits
    scene = Scene(tmp_path / "x", plan(config=with_files(SMALL + text)))
    cell = scene.plan.cells[0]
    sampled, scored = f"eval/{cell}", f"score/{cell}"
    scene.finish_all(*scene.plan.by_id)
    [asked] = scene.plan.settings[scene.plan.by_id[sampled].settings]["sets"]
    place = {"persona": cell.source, "question_index": 0, "sample": 0}
    rows = [{**place, "text": "7", "set": asked}, {**place, "text": "no"}]
    write_rows(scene.directory(sampled) / "completions.jsonl.gz", rows)
    verdicts = [{**place, "measure": "regex.digits", "hit": True}]
    write_rows(scene.directory(scored) / "scores.jsonl.gz", verdicts)
    study = open_study(scene.root)
    found, questions = headline_completions(study, cell)
    assert [(row["text"], row["hit"]) for row in found] == [("7", True)]
    assert questions == ["What is a debt?"]
    assert hit_words(study, 1, 1) == "1 of 1 answers that count as digits"
