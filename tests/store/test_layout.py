"""Whatever a persona is called, its files stay below the experiment."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuilab.grid.jobs import job_id
from tuilab.grid.stages import Stage
from tuilab.store.layout import Layout, slug

NASTY = [
    "../../x",
    "/etc/passwd",
    "..",
    ".",
    "",
    " ",
    "org/model",
    "[/b]",
    "\x1b[2J\x1b]0;title\x07",
    "a" * 300,
    "ä ö ü",
    "名前",
    "a\x00b",
    "a\nb",
    "Villain",
    "con.txt",
    "-rf",
    "latest",
    "~",
    "\ud800",
]


@pytest.mark.parametrize("key", NASTY)
def test_a_nasty_name_is_one_harmless_path_component(key: str, tmp_path: Path) -> None:
    name = slug(key)
    (tmp_path / name).mkdir()
    assert (tmp_path / name).resolve().parent == tmp_path.resolve()
    assert not name.startswith(("-", "."))
    assert name.isascii() and name.isprintable() and len(name) <= 64


def test_nasty_names_differ_from_one_another_and_from_plain_ones() -> None:
    names = [*NASTY, "villain", "a" * 299, "x", "org-model", "b"]
    assert len({slug(name) for name in names}) == len(names)
    assert slug("villain") == "villain"


# An alphabet of one's own: that of all characters takes Hypothesis seconds to make.
TEXTS = st.text("aA0 ._-/@#é日🙂\n\x1b\x00", max_size=90)


@settings(max_examples=20, deadline=None)
@given(TEXTS, TEXTS)
def test_different_keys_never_share_a_directory(one: str, other: str) -> None:
    assert (slug(one) == slug(other)) == (one == other)


@pytest.mark.parametrize("key", ["../../x", "[/b]", "\x1b[2J", "x" * 300, "a\nb"])
def test_attempts_of_a_nasty_persona_lie_below_the_jobs(key: str, tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    for job in (job_id(Stage.DATA, key), job_id(Stage.TRAIN, key, 10, 42)):
        path = layout.attempt_dir(job, 1)
        path.mkdir(parents=True)
        assert path.resolve().is_relative_to(layout.jobs.resolve())


def test_paths_are_as_the_design_says(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    found = {
        job: layout.attempt_dir(job, 3).relative_to(tmp_path).as_posix()
        for job in ("data/villain", "converge/villain#42", "eval/villain@10#42")
    }
    assert found == {
        "data/villain": "jobs/data/villain/attempt-3",
        "converge/villain#42": "jobs/converge/villain/seed-42/attempt-3",
        "eval/villain@10#42": "jobs/eval/villain/seed-42/epoch-10/attempt-3",
    }
