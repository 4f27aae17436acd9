"""The commits of fetched bases stand in plan.json, and nothing else of it changes for them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.test_fetching import FETCH, plan_on_hub
from tuilab.grid.jobs import with_commits
from tuilab.store.experiment import create_experiment
from tuilab.store.layout import Layout
from tuilab.store.plan_file import load_plan, load_plan_file, write_learned


def keep(layout: Layout, commits: dict[str, str]) -> None:
    write_learned(layout, replace(load_plan(layout.root), commits=commits))


def test_commits_are_written_into_a_plan_and_all_else_stays(tmp_path: Path) -> None:
    layout = create_experiment(tmp_path / "e", "name = 'x'", plan_on_hub())
    before, written = load_plan_file(layout.root), layout.plan.read_bytes()
    keep(layout, {FETCH: "a" * 40})
    keep(layout, {FETCH: "b" * 40})
    after = load_plan_file(layout.root)
    assert after.plan.commits == {FETCH: "b" * 40}
    assert (after.plan, after.config_digest) == (before.plan, before.config_digest)
    keep(layout, {})
    assert sorted(layout.plan.read_bytes().split(b"\n")) == sorted(written.split(b"\n"))


def test_a_new_plan_keeps_the_commit_while_it_asks_for_the_same(tmp_path: Path) -> None:
    layout = create_experiment(tmp_path / "e", "", plan_on_hub())
    keep(layout, {FETCH: "a" * 40})
    before = load_plan(layout.root)
    assert with_commits(plan_on_hub(), before).commits == {FETCH: "a" * 40}
    assert with_commits(plan_on_hub("v2"), before).commits == {}


@pytest.mark.parametrize("indent", [None, 2])
def test_a_plan_that_somebody_formatted_anew_takes_commits_too(
    tmp_path: Path, indent: int | None
) -> None:
    layout = create_experiment(tmp_path / "e", "", plan_on_hub())
    keep(layout, {FETCH: "b" * 40})
    layout.plan.write_text(json.dumps(json.loads(layout.plan.read_text()), indent=indent))
    keep(layout, {FETCH: "a" * 40})
    assert load_plan(layout.root).commits == {FETCH: "a" * 40}
    assert len(load_plan(layout.root).jobs) == len(plan_on_hub().jobs)
