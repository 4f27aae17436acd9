"""An experiment opened for its numbers, and its figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.report.ran_here import whole
from tuilab.study.study import SYNTHETIC, Study, open_study


def test_a_figure_of_a_synthetic_model_says_so_where_it_is_seen_alone(tmp_path: Path) -> None:
    study = open_study(whole(tmp_path / "x").root)
    note = study.figure("leakage").note
    made_up = replace(study.snapshot, synthetic=True)
    marked = Study(study.root, made_up, study.reader, study.rows, study.hits).figure("leakage")
    assert marked.note == f"{note} {SYNTHETIC}"
