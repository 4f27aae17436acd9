"""After an update of tuilab every look says so, and no result is recorded under the old code."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import runners
from tests.cli.small_grid import call, call_in, states, wait_until, write_config
from tests.copies import own_copy
from tuilab.contract.spec import SPEC_FILE, read_spec
from tuilab.grid.fingerprint import code_versions
from tuilab.grid.jobs import with_code
from tuilab.grid.request import Request
from tuilab.grid.stages import Stage
from tuilab.store import installed_code
from tuilab.store.attempts import attempt_numbers
from tuilab.store.installed_code import runner_sources
from tuilab.store.layout import Layout
from tuilab.store.plan_file import load_plan
from tuilab.store.reader import Reader
from tuilab.store.replan import plan_of
from tuilab.store.requests import leave

SAID = "tuilab's code of eval has changed since this grid was planned"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished grid, played by the fake runner; to read only."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "script.json").write_text("{}")
    write_config(folder, folder / "script.json", idle=0.1)
    done = call_in(folder, "run", "micro.toml", "--headless", "--dir", "grid")
    assert done.exit_code == 0, done.stderr + done.stdout
    wait_until(lambda: not (folder / "grid" / "engine.lock").exists())
    return folder / "grid"


@pytest.fixture
def root(finished: Path, tmp_path: Path) -> Path:
    """The same after an update that changed what an evaluation does."""
    root = own_copy(finished, tmp_path / "grid")
    now = code_versions(runner_sources())["eval"]
    then = {now: "0" * len(now)}
    prints = (job.fingerprint for job in load_plan(root).jobs if job.stage is Stage.EVAL)
    then |= {one: one[::-1] for one in prints}
    for path in (root / "plan.json", Layout(root).journal, *root.rglob(SPEC_FILE)):
        text = path.read_text()
        for new, old in then.items():
            text = text.replace(new, old)
        path.write_text(text)
    (root / "folded.bin").unlink(missing_ok=True)
    _forget_sources(root)
    return root


def _forget_sources(root: Path) -> None:
    plan = root / "plan.json"
    plan.write_text(
        re.sub(r'"sources_digest": "\w*"', '"sources_digest": "of-before"', plan.read_text())
    )


def test_every_look_says_that_the_code_has_changed_and_what_shows_why(root: Path) -> None:
    reader = Reader(root)
    assert reader.poll(0.0).other_code == (), "people wait for the first look"
    assert reader.poll(0.0).other_code == (Stage.EVAL,)
    told = json.loads(call("status", str(root), "--json").stdout)
    assert told["other_code"] == ["eval"] and told["counts"] == {"done": 2}
    [problem] = told["problems"]
    assert problem.startswith(SAID) and f"run {root} --dry-run" in problem
    assert f"problem: {SAID}" in call("status", str(root)).stdout
    assert "become stale" in call("run", str(root), "--dry-run").stderr


def test_what_could_not_be_planned_again_is_not_said_to_be(root: Path) -> None:
    Layout(root).requests.rmdir()
    Layout(root).requests.write_text("takes no requests")
    tried = call("run", str(root))
    assert tried.exit_code != 0
    assert "planned again" not in tried.stderr
    assert len(tried.stderr.splitlines()) == 1


def test_another_comment_in_the_runners_is_no_other_code(finished: Path, tmp_path: Path) -> None:
    root = own_copy(finished, tmp_path / "grid")
    _forget_sources(root)
    reader = Reader(root)
    assert reader.poll(0.0) is reader.poll(0.0)
    assert reader.poll(0.0).other_code == ()
    assert json.loads(call("status", str(root), "--json").stdout)["problems"] == []


def test_a_screen_that_is_open_tells_of_an_edit_and_of_its_end(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, own = own_copy(finished, tmp_path / "grid"), tmp_path / "runners"
    shutil.copytree(Path(runners.__file__).parent, own)
    monkeypatch.setattr(installed_code, "runner_folder", lambda: own)
    monkeypatch.setattr(installed_code, "LOOK_SECONDS", 0.0)
    reader, program = Reader(root), own / "eval.py"
    before = program.read_text()
    looks = []
    for text in (before, before, f"{before}# why", f"{before}EDITED = 1\n", before):
        program.write_text(text)
        looks.append(reader.poll(0.0).other_code)
    assert looks == [(), (), (), (Stage.EVAL,), ()]


def test_an_engine_plans_again_before_it_runs_anything_under_other_code(root: Path) -> None:
    """The screen starts an engine without the shell's ``run``."""
    job, layout = "eval/villain@1#42", Layout(root)
    leave(layout, Request("relaunch", by="tester", jobs=(job,), cells=("villain@1#42",)))
    assert call("engine-start", str(root)).exit_code == 0
    wait_until(lambda: attempt_numbers(layout, job) == [1, 2] and not layout.lock.exists())
    new = read_spec(layout.attempt_dir(job, 2) / SPEC_FILE)
    assert new.parts["code"] == code_versions(runner_sources())["eval"]
    assert states(root) == {"villain@0": "stale", "villain@1": "done"}
    assert "planned again: the runner code has changed" in call("history", str(root)).stdout
    assert json.loads(call("status", str(root), "--json").stdout)["other_code"] == []


def test_an_edit_of_the_config_that_nobody_was_shown_stays_out_of_the_new_plan(root: Path) -> None:
    """A note on a grid, or a relaunch on the screen, must not drop cells."""
    before = load_plan(root)
    config = Layout(root).config
    config.write_text(re.sub(r"(?m)^epochs = .*", "epochs = [0]", config.read_text(), count=1))
    assert call("note", str(root), "--tag", "seen").exit_code == 0
    after = load_plan(root)
    assert after.cells == before.cells and after.settings == before.settings
    assert {one.parts.code for one in after.jobs if one.stage is Stage.EVAL and one.parts} == {
        code_versions(runner_sources())["eval"]
    }
    found = json.loads(call("status", str(root), "--json").stdout)
    assert found["other_code"] == [] and found["counts"] == {"stale": 2}
    [problem] = found["problems"]
    assert problem.startswith("experiment.toml has changed since this grid was planned")
    assert "experiment.toml has changed" in call("run", str(root), "--dry-run").stderr


def test_a_plan_under_other_code_is_the_one_that_planning_would_make(root: Path) -> None:
    versions = code_versions(runner_sources())
    made, known = with_code(load_plan(root), versions), plan_of(root)
    assert list(made.jobs) == list(known.jobs)
    assert made.code_version == known.code_version


def test_runner_code_that_cannot_be_read_keeps_nobody_from_looking(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor's lock is a link to nothing; in the middle of an update files are missing."""
    (tmp_path / "runners").mkdir()
    (tmp_path / "runners" / ".#eval.py").symlink_to("somebody@host.123")
    monkeypatch.setattr(installed_code, "runner_folder", lambda: tmp_path / "runners")
    assert json.loads(call("status", str(root), "--json").stdout)["other_code"] == []
    assert call("note", str(root), "--tag", "seen").exit_code == 0
