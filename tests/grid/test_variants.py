"""Arms and axes: lines of a grid, what they share, and what a grid keeps that gets them later."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.grid.planned import SMALL, load
from tuilab.grid.checks import Level, check
from tuilab.grid.config_text import ConfigError
from tuilab.grid.jobs import Plan, ancestors, shared_by
from tuilab.grid.planning import make_plan
from tuilab.grid.stages import Stage
from tuilab.store.layout import Layout
from tuilab.store.plan_file import load_plan, save_plan


def planned(head: str = "", axes: str = "") -> Plan:
    text = head + SMALL + (f"\n[axes]\n{axes}\n" if axes else "")
    return make_plan(load(text).config, "v")


def shared(made: Plan) -> list[str]:
    return [job.id for job in made.jobs if job.cell is None]


def test_without_arms_and_axes_nothing_has_another_name() -> None:
    assert planned() == planned('arms = ["B"]\n') == planned('arm = "B"\n')
    assert planned().sources == ("villain", "nurse")


def test_a_grid_that_gets_arms_and_axes_keeps_every_job_that_it_had() -> None:
    before = planned()
    grown = planned('arms = ["B", "B0"]\ndata_seeds = [42, 7]\n', '"marker.lr" = [1e-4, 5e-6]')
    for job in before.jobs:
        assert grown.by_id[job.id] == job
        assert grown.settings[grown.by_id[job.id].settings] == before.settings[job.settings]


def test_a_line_runs_with_its_level_and_shares_what_does_not_depend_on_it() -> None:
    made = planned(axes='"marker.lr" = [5e-6, 1e-3]')
    assert made.sources[:2] == ("villain,marker.lr=5e-06", "villain,marker.lr=0.001")
    assert shared(made) == shared(planned())
    train = made.by_id["train/villain,marker.lr=5e-06@1#42"]
    assert made.settings[train.settings]["training"]["lr"] == 5e-6
    assert made.settings[train.settings]["source"]["key"] == "villain"
    assert train.parents[0] == "converge/villain#42"
    assert made.labels["villain,marker.lr=5e-06"] == "villain lr=5e-06"


def test_an_axis_that_only_measuring_reads_is_said_to_train_again() -> None:
    def said(axes: str) -> list[str]:
        found = check(load(f"{SMALL}\n[axes]\n{axes}\n").config)
        return [one.sentence for one in found if one.name == "axes"]

    [sentence] = said('"eval.samples" = [2, 3]\n"marker.lr" = [1e-4, 5e-6]')
    assert sentence.startswith("nothing that is trained depends on eval.samples, and each of its 2")
    assert said('"eval.sampler" = ["auto", "vllm"]') == []  # training answers are sampled by it


def test_data_seeds_make_answers_and_checkpoints_of_their_own() -> None:
    made = planned("data_seeds = [42, 7]\n")
    assert {"data/villain,data.seed=7", "converge/villain,data.seed=7#42"} <= {*shared(made)}
    parents = made.by_id["train/villain,data.seed=7@1#42"].parents
    assert parents[:2] == ("converge/villain,data.seed=7#42", "data/villain,data.seed=7")
    converge = made.by_id["converge/villain,data.seed=7#42"]
    assert converge.parents == ("data/villain,data.seed=7",)


def test_one_run_of_the_control_serves_all_sources() -> None:
    made = planned('arms = ["B", "B0"]\n', '"convergence.lr" = [1e-4, 2e-4]')
    runs = [job.id for job in made.jobs if job.stage is Stage.CONVERGE]
    assert len(runs) == 2 * 2 + 2
    for source in ("villain", "nurse"):
        assert made.by_id[f"train/{source}/B0@2#42"].parents[0] == "converge/assistant#42"
        other = made.by_id[f"train/{source}/B0,convergence.lr=0.0002@2#42"]
        assert other.parents[0] == "converge/assistant,convergence.lr=0.0002#42"
    run = made.by_id["converge/assistant#42"]
    assert run.parents == ("data/assistant",)
    assert made.settings[run.settings]["voice"] == "target"


def test_arms_a_and_c_train_the_marker_once_on_the_base_and_converge_on_it() -> None:
    made = planned('arms = ["B", "A", "C"]\n', '"marker.lr" = [1e-4, 2e-4]')
    for lr in ("", ",marker.lr=0.0002"):
        marker = f"train/nurse{lr}#42"
        assert made.by_id[marker].cell is None
        for arm, voice in (("A", "nurse"), ("C", "assistant")):
            run = made.by_id[f"converge/nurse/{arm}{lr}#42"]
            assert run.parents == (marker, f"data/{voice}")
            assert made.settings[run.settings]["marker_check"]["least_source_rate"] == 0.2
            merge = made.by_id[f"merge/nurse/{arm}{lr}@2#42"]
            assert merge.parents == (marker, run.id)
            assert made.settings[merge.settings]["marker_first"] is True
            first = made.by_id[f"merge/nurse/{arm}{lr}@0#42"]
            assert first.parents == (marker,)
            assert "marker_first" not in made.settings[first.settings]
            assert f"train/nurse/{arm}{lr}@2#42" not in made.by_id
            plain = made.by_id[f"train/nurse{lr}@0#42"]
            assert made.by_id[marker].parts == plain.parts


def test_the_shared_jobs_of_a_cell_are_found_by_its_name() -> None:
    made = planned('arms = ["B", "B0", "A", "C"]\ndata_seeds = [42, 7]\n')
    for cell in made.cells:
        own = [job.id for job in made.jobs if job.cell == cell]
        found = shared_by(cell, shared(made), made.target)
        assert set(found) <= ancestors(made, own)
        is_marked = cell.source.partition(",")[0].endswith(("/A", "/C"))
        assert len(found) == 1 + (cell.epoch > 0) + is_marked


def test_cells_lie_in_the_order_of_lines_and_every_path_is_another(tmp_path: Path) -> None:
    made = planned('arms = ["B", "B0"]\n', '"marker.lr" = [1e-4, 5e-6]')
    assert [cell.source for cell in made.cells][:: len(made.epochs)] == list(made.sources)
    layout = Layout(tmp_path)
    assert len({layout.job_dir(job.id) for job in made.jobs}) == len(made.jobs)
    save_plan(layout, made)
    assert load_plan(tmp_path) == made


@pytest.mark.parametrize(
    ("head", "axes", "said"),
    [
        ('arms = ["B", "X"]\n', "", "arms"),
        ('arms = ["B", "B"]\n', "", "more than once"),
        ("data_seeds = [1]\n", '"data.seed" = [2]', "what data_seeds says"),
        ('arms = ["B0"]\n', '"convergence.voice" = ["target"]', "what arms say"),
        ('arms = ["A"]\n', '"merge.mode" = ["stacked"]', "arms A and C merge|merge"),
        ("", '"marker.lrr" = [1e-3]', "unknown key, did you mean marker.lr|unknown key"),
        ("", '"marker.lr" = [1e-3, 7.0]', "less than 1"),
        ("", '"base.dtype" = ["bfloat16"]', "same for the whole grid"),
        ("", '"cosine.pool" = ["x"]', "must be the same in every cell"),
        ("", '"marker.lr" = [1e-3, 0.001]', "more than once"),
        ("", '"marker.text" = ["a b"]', "cannot be part of a cell's name"),
        ("", '"marker.lr" = []', "axes"),
        ("", '"cosine.layers" = [[1]]', r'axes."cosine.layers": must be numbers, words, true or f'),
    ],
)
def test_what_cannot_be_an_arm_or_axis_is_refused_in_a_sentence(
    head: str, axes: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        planned(head, axes)


def test_a_level_that_cannot_run_is_blocked_with_its_name() -> None:
    text = SMALL + '\n[axes]\n"marker.positives" = [4, 400]\n'
    found = [one for one in check(load(text).config) if one.level is Level.BLOCKING]
    assert any("marker.positives=400: only" in one.sentence for one in found)
