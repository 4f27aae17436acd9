"""Personas with names and labels that attack paths, markup and terminals, run by real processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.small_grid import call
from tests.engine.conftest import trials
from tests.engine.trials import Trial, make_plan

SOURCES = ("../../x", "[/b]", "~", "-rf", "名前")
LABEL = "\x1b]0;owned\x07\x1b[2JEvil [/red] \u202e"


@pytest.fixture(scope="module")
def grid() -> Iterator[Trial]:
    """A finished grid of such personas."""
    plan = replace(make_plan(SOURCES), labels=dict.fromkeys(SOURCES, LABEL))
    with trials() as make:
        made = make(plan, workers=2)
        made.ask("run")
        assert made.run("--go") == 0
        yield made


def test_they_run_and_every_file_stays_below_the_experiment(grid: Trial) -> None:
    assert grid.all_done()
    beside = {path.name for path in grid.layout.root.parent.iterdir()}
    assert beside == {grid.layout.root.name}
    folders = {path.name for path in (grid.layout.root / "jobs" / "train").iterdir()}
    assert len(folders) == len(SOURCES)
    assert all(name.isascii() and name[0].isalnum() for name in folders)


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["table"],
        ["table", "--format", "md"],
        ["claims"],
        ["plot"],
        pytest.param(["report"], marks=pytest.mark.trial),
    ],
)
def test_what_is_shown_of_them_is_text_alone(grid: Trial, words: list[str], tmp_path: Path) -> None:
    verb, *rest = words
    more = ["--out", str(tmp_path / "report")] if verb == "report" else []
    found = call(verb, str(grid.layout.root), *rest, *more)
    assert found.exit_code == 0, found.output
    written = [p.read_text() for p in tmp_path.rglob("*") if p.suffix in (".md", ".csv", ".tex")]
    for text in (found.output, *written):
        assert not {"\x1b", "\x07", "\u202e"} & set(text)


def test_their_comparison_is_text_alone(grid: Trial) -> None:
    root = str(grid.layout.root)
    found = call("compare", root, root)
    assert found.exit_code == 0, found.output
    assert not {"\x1b", "\x07", "\u202e"} & set(found.output)


@pytest.mark.parametrize("source", SOURCES)
def test_they_are_chosen_by_the_names_people_gave(grid: Trial, source: str) -> None:
    found = call("logs", "--stage", "train", "--", str(grid.layout.root), f"{source}@0")
    assert found.exit_code == 0, found.output
    assert f"train/{source}@0#42" in found.output
