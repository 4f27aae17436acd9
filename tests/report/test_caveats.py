"""Caveats come by rule: each condition brings its sentence, and its absence takes it away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.report.ran_here import SETTINGS, finish, whole
from tuilab.grid.report_text import ReportText
from tuilab.report.caveats import caveats, sizes_said
from tuilab.report.finished_jobs import current, finished_jobs
from tuilab.report.markdown import (
    confidence,
    doubts,
    methodology,
    next_steps,
    seeds_said,
    title,
)
from tuilab.science.claims.standard import standard_claims
from tuilab.study.study import Study, open_study


def told(root: Path) -> str:
    study = open_study(root)
    return "\n".join(caveats(study, current(finished_jobs(study))))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole(tmp_path_factory.mktemp("caveats") / "x").root


def test_one_seed_picked_peaks_cut_completions_and_clusters_are_always_said(plain: Path) -> None:
    said = told(plain)
    assert "Single seed (42)" in said
    assert "largest of 2 checkpoints" in said
    assert "32 of 320 completions (10.0%) were cut" in said
    assert "treat all completions of a cell as independent" in said
    assert "none of the 4 evaluation questions is among the 2 training questions" in said
    assert "stale" not in said and "deviate" not in said and "different n" not in said


def test_several_seeds_take_the_single_seed_caveat_away(tmp_path: Path) -> None:
    root = whole(tmp_path / "x", sources=("villain",), seeds=(42, 137)).root
    assert "Single seed" not in told(root)
    assert seeds_said(open_study(root)) == "2 seeds: 42, 137"


def test_stale_suspect_and_missing_cells_are_named(tmp_path: Path) -> None:
    scene = whole(tmp_path / "x")
    finish(scene, "train/villain@2#42", checks={"positives": 7})
    scene.claim("eval/comedian@2#42")
    scene.begin("eval/comedian@2#42")
    scene.outcome("eval/comedian@2#42")
    scene.settle("eval/comedian@2#42", "suspect", reason="contract", detail="rows are missing")
    said = told(scene.root)
    assert "1 cell is stale and kept out of every number: villain@2#42." in said
    assert "1 cell is suspect and kept out of every number: comedian@2#42." in said


def test_different_n_is_said_with_who_has_which(tmp_path: Path) -> None:
    scene = whole(tmp_path / "x")
    metrics = {"leakage": {who: {"hits": 3, "n": 20} for who in ("villain", "assistant")}}
    finish(scene, "eval/villain@2#42", metrics=metrics)
    finish(scene, "cosine/villain@2#42")
    assert "20 for Villain; 40 for Comedian, Villain" in told(scene.root)
    assert "per cell" in sizes_said(open_study(scene.root))


def test_an_unmeasured_source_is_not_zero(tmp_path: Path) -> None:
    scene = whole(tmp_path / "x", sources=("villain",))
    for epoch in (0, 2):
        only = {"leakage": {"assistant": {"hits": 3, "n": 40}}}
        finish(scene, f"eval/villain@{epoch}#42", metrics=only)
    assert "not measured for Villain: it is n/a, not 0" in told(scene.root)


def test_shared_questions_are_no_test_of_unseen_ones(tmp_path: Path) -> None:
    same = {**SETTINGS, "eval": {**SETTINGS["eval"], "questions": SETTINGS["data"]["questions"]}}
    root = tmp_path / "x"
    study = open_study(whole(root).root)
    ran = [
        replace(one, settings=same[one.stage]) if one.stage == "eval" else one
        for one in finished_jobs(study)
    ]
    assert "2 of 2 evaluation questions were also trained on" in "\n".join(caveats(study, ran))


def test_edits_kept_per_cell_and_a_changed_config_are_said(plain: Path) -> None:
    study = open_study(plain)
    views = [replace(view, edits={"marker.lr": 1e-05}) for view in study.snapshot.cells[:1]]
    changed = replace(
        study.snapshot, cells=(*views, *study.snapshot.cells[1:]), config_changed=True
    )
    said = "\n".join(caveats(replace_snapshot(study, changed), []))
    name = views[0].cell
    assert f"1 cell ran with settings unlike the config: {name} (marker.lr=1e-05)." in said
    assert "experiment.toml has been changed" in said


def replace_snapshot(study: Study, snapshot: Any) -> Study:
    return Study(study.root, snapshot, study.reader, study.rows)


def test_the_design_counts_variants_as_variants_and_not_as_sources(plain: Path) -> None:
    study = open_study(plain)
    lines = ("villain", "villain/B0", "nurse", "nurse/B0")
    variants = replace_snapshot(study, replace(study.snapshot, sources=lines))
    assert "2 sources x 2 checkpoints (epochs 0, 2) x 1 seed" in methodology(study, ())
    assert "2 sources x 2 variants x 2 checkpoints (epochs" in methodology(variants, ())


def test_any_doubt_makes_the_confidence_low(plain: Path) -> None:
    study = open_study(plain)
    claims = standard_claims(study.analysis)
    assert "one seed (42), not replicated" in confidence(study, claims)
    assert title(study, claims).endswith("one seed (42), not replicated (LOW confidence)")
    assert next_steps(study, claims, ReportText())[0].startswith("Repeat with more seeds")


def test_without_a_doubt_the_grade_is_moderate_and_says_what_is_lacking(tmp_path: Path) -> None:
    scene = whole(tmp_path / "x", sources=("villain",), seeds=(42, 137))
    study = open_study(scene.root)
    claims = standard_claims(study.analysis)
    assert doubts(study, claims) == []
    said = confidence(study, claims)
    assert "MODERATE" in said and "fewer than 5 seeds" in said and "no claim was locked" in said
    assert "LOW" not in title(study, claims)
