"""An experiment opened for its numbers, and its figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from tests.report.ran_here import whole
from tuilab.science.questions import interval_of
from tuilab.study.comparability import Comparability
from tuilab.study.comparison import compare
from tuilab.study.comparison_text import as_lines
from tuilab.study.study import SYNTHETIC, Study, open_study


def test_a_figure_of_a_synthetic_model_says_so_where_it_is_seen_alone(tmp_path: Path) -> None:
    study = open_study(whole(tmp_path / "x").root)
    note = study.figure("leakage").note
    made_up = replace(study.snapshot, synthetic=True)
    marked = Study(study.root, made_up, study.reader, study.rows).figure("leakage")
    assert marked.note == f"{note} {SYNTHETIC}"


def test_a_number_has_one_interval_also_where_the_journal_is_older_than_questions(
    tmp_path: Path,
) -> None:
    root = whole(tmp_path / "x").root
    now = open_study(root)
    journal = root / "journal.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line in lines:
        for entry in (line.get("metrics") or {}).values():
            if isinstance(entry, dict):
                del entry["questions"], entry["squares"]
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for study in (now, open_study(root)):
        runs = [run.trajectory for one in study.analysis.sources for run in one.runs]
        told = {(one.source, point.epoch): point.interval for one in runs for point in one.points}
        seen = {
            (view.cell.source, view.cell.epoch): interval_of(view.metrics.get("assistant_leakage"))
            for view in study.snapshot.cells
        }
        assert seen == told
        assert {one.method for one in seen.values() if one} == {"Wilson over 4 questions"}
    same = compare(now.snapshot, now.snapshot, "assistant_leakage").cells[0]
    assert same.gap is not None and same.gap.interval.method == "Newcombe over 4 questions"


def test_cosines_of_two_scales_are_shown_and_not_compared(tmp_path: Path) -> None:
    snapshot = open_study(whole(tmp_path / "x").root).snapshot
    other = replace(snapshot, headline_cosine={**snapshot.headline_cosine, "model_state": "base"})
    found = compare(snapshot, other, "cosine")
    assert not found.measured and found.cells[0].one is not None
    [said] = [line for line in as_lines(found, Comparability(1, {})) if "not compared" in line]
    assert "layer 3, panel, marked" in said and "layer 3, panel, base" in said
