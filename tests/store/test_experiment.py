"""Experiment directories are made whole, never over another, and found again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tuilab.grid.jobs import PLAN_SCHEMA
from tuilab.grid.request import Request
from tuilab.store.experiment import ExperimentExistsError, create_experiment, replace_plan
from tuilab.store.find_experiments import find_experiments, is_experiment
from tuilab.store.journal import Journal
from tuilab.store.layout import Layout
from tuilab.store.plan_file import PlanFileError, load_plan, load_plan_file, save_plan
from tuilab.store.requests import leave

from .scene import small_plan


def test_a_new_experiment_holds_its_config_and_its_plan(tmp_path: Path) -> None:
    settings = {**small_plan().settings, "train": {"questions": ["why?"] * 40, "r": 8}}
    plan = replace(small_plan(), settings=settings)
    layout = create_experiment(tmp_path / "runs" / "one", "a = 1\n", plan)
    assert layout.config.read_text() == "a = 1\n"
    assert load_plan(layout.root) == plan
    assert is_experiment(layout.root)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["one"]


def test_another_experiment_is_never_overwritten(tmp_path: Path) -> None:
    layout = create_experiment(tmp_path / "one", "a = 1\n", small_plan())
    before = {path: path.read_bytes() for path in layout.root.rglob("*") if path.is_file()}
    with pytest.raises(ExperimentExistsError, match="already an experiment: `tuilab run"):
        create_experiment(tmp_path / "one", "a = 2\n", small_plan())
    assert {path: path.read_bytes() for path in layout.root.rglob("*") if path.is_file()} == before


def test_a_directory_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("precious")
    with pytest.raises(ExperimentExistsError, match="not empty"):
        create_experiment(tmp_path / "full", "", small_plan())
    (tmp_path / "link").symlink_to(tmp_path / "full")
    with pytest.raises(ExperimentExistsError, match="not a directory"):
        create_experiment(tmp_path / "link", "", small_plan())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "link"]


def test_an_empty_directory_may_become_an_experiment(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    create_experiment(tmp_path / "one", "", small_plan())
    assert is_experiment(tmp_path / "one")


def test_experiments_are_found_beside_a_config_newest_first(tmp_path: Path) -> None:
    import os

    for number, name in enumerate(("old", "new")):
        layout = create_experiment(tmp_path / "runs" / name, "", small_plan())
        os.utime(layout.plan, (number, number))
    (tmp_path / "runs" / "notes").mkdir()
    assert [found.root.name for found in find_experiments(tmp_path)] == ["new", "old"]
    assert find_experiments(tmp_path / "runs" / "old")[0].root.name == "old"
    assert find_experiments(tmp_path / "nowhere") == []


def test_long_settings_are_written_once_however_many_jobs_use_them(tmp_path: Path) -> None:
    panel = [{"key": "villain", "prompt": "p" * 300}]
    settings = {f"eval/{number}": {"panel": panel, "seed": number} for number in range(20)}
    settings |= small_plan().settings
    plan = replace(small_plan(), settings=settings)
    layout = create_experiment(tmp_path / "one", "", plan)
    assert load_plan(layout.root).settings == settings
    assert layout.plan.read_text().count("p" * 300) == 1


def test_a_plan_remembers_the_config_it_was_made_of(tmp_path: Path) -> None:
    layout = create_experiment(tmp_path / "one", "a = 1\n", small_plan())
    first = load_plan_file(layout.root).config_digest
    replace_plan(layout, "a = 2\n", small_plan())
    assert load_plan_file(layout.root).config_digest != first != ""


def test_a_plan_cut_anywhere_says_how_to_make_it_again(tmp_path: Path) -> None:
    layout = create_experiment(tmp_path / "one", "", small_plan(("villain",), (0,)))
    whole = layout.plan.read_bytes()
    for cut in [*range(200), *range(200, len(whole) - 2, 3)]:
        layout.plan.write_bytes(whole[:cut])
        with pytest.raises(PlanFileError, match=r"run `tuilab plan .*one`"):
            load_plan(layout.root)


def test_a_plan_of_a_newer_program_is_refused_in_words(tmp_path: Path) -> None:
    layout = create_experiment(tmp_path / "one", "", small_plan())
    raw = json.loads(layout.plan.read_text()) | {"schema": PLAN_SCHEMA + 1}
    layout.plan.write_text(json.dumps(raw))
    with pytest.raises(PlanFileError, match=r"newer than this program's \d+: update tuilab"):
        load_plan(layout.root)


@pytest.mark.parametrize("part", ["sources", "target", "epochs", "tables", "settings", "prints"])
def test_a_plan_that_lacks_a_part_is_refused_in_words(tmp_path: Path, part: str) -> None:
    layout = create_experiment(tmp_path / "one", "", small_plan())
    raw = json.loads(layout.plan.read_text())
    del (raw if part in raw else raw["tables"])[part]
    layout.plan.write_text(json.dumps(raw))
    with pytest.raises(PlanFileError, match=part):
        load_plan(layout.root)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("of_kind", "0 1"),
        ("of_kind", "0 x"),
        ("of_kind", 9999),
        ("of_seed", -1),
        ("of_epoch", None),
        ("prints", [1]),
        ("parts", [[]]),
        ("kinds", [["train", "villain", ["data/villain"], [], "["]]),
        ("settings", [[["eval"], {"panel": 7}]]),
    ],
)
def test_a_plan_with_a_damaged_table_is_refused_in_words(
    tmp_path: Path, name: str, column: object
) -> None:
    layout = create_experiment(tmp_path / "one", "", small_plan())
    raw = json.loads(layout.plan.read_text())
    raw["tables"][name] = column
    layout.plan.write_text(json.dumps(raw))
    with pytest.raises(PlanFileError, match="is damaged"):
        load_plan(layout.root)


def test_a_plan_of_the_schema_before_is_read_as_it_was(tmp_path: Path) -> None:
    panel = [{"key": "villain", "prompt": "p"}]
    planned = replace(small_plan(), settings=small_plan().settings | {"eval": {"panel": panel}})
    layout = create_experiment(tmp_path / "one", "", planned)
    raw = json.loads(layout.plan.read_text()) | {"schema": 2}
    del raw["tables"]
    raw["settings"] = dict(planned.settings) | {"eval": {"panel": {"$shared": "d1"}}}
    raw["shared"] = {"d1": panel}
    raw["jobs"] = [
        {
            name: getattr(job, name)
            for name in ("stage", "source", "epoch", "seed", "parents", "settings", "fingerprint")
        }
        for job in planned.jobs
    ]
    layout.plan.write_text(json.dumps(raw))
    read = load_plan(layout.root)
    assert (read.jobs, read.settings, read.schema) == (planned.jobs, planned.settings, PLAN_SCHEMA)


def test_a_job_before_its_parent_is_refused(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    plan = small_plan()
    save_plan(layout, replace(plan, jobs=plan.jobs[::-1]))
    with pytest.raises(PlanFileError, match="before what it depends on"):
        load_plan(tmp_path)


def test_a_plan_without_the_settings_of_a_job_is_refused_in_words(tmp_path: Path) -> None:
    layout = create_experiment(tmp_path / "one", "", small_plan())
    raw = json.loads(layout.plan.read_text())
    groups = raw["tables"]["settings"]
    groups[:] = [[[key for key in keys if key != "cosine"], columns] for keys, columns in groups]
    layout.plan.write_text(json.dumps(raw))
    with pytest.raises(PlanFileError, match="there are no settings"):
        load_plan(layout.root)


def test_no_secret_of_a_comment_a_request_or_a_journal_line_reaches_the_disk(
    tmp_path: Path,
) -> None:
    secret = "hf_" + "aB3dE6" * 5
    layout = create_experiment(tmp_path / "one", f"a = 1  # {secret}\n", small_plan())
    leave(layout, Request(verb="run", by="me", options={"command": ["x", "--api-key", secret]}))
    Journal(layout).append("note", text=f"export HF_TOKEN={secret}")
    held = [path.read_text() for path in layout.root.rglob("*") if path.is_file()]
    assert len(held) >= 4 and not any(secret in text for text in held)
    assert sum("[redacted]" in text for text in held) == 3
    value = create_experiment(tmp_path / "two", f'a = "{secret}"\n', small_plan())
    assert secret in value.config.read_text()
