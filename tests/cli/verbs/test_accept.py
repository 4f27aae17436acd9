"""A person keeps stale results as current: on record, named, and without an engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.small_grid import call, call_in, states, wait_until, write_config
from tests.copies import own_copy
from tuilab.cli.requests import Reply
from tuilab.report.folder import make_report
from tuilab.store.layout import Layout
from tuilab.study.study import open_study

WHY = "only the count differs"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grid that the fake runner finished."""
    folder = tmp_path_factory.mktemp("finished")
    script = folder / "script.json"
    script.write_text("{}")
    write_config(folder, script, idle=0.1)
    done = call_in(folder, "run", "micro.toml", "--headless", "--dir", "grid")
    assert done.exit_code == 0, done.stderr + done.stdout
    wait_until(lambda: not Layout(folder / "grid").lock.exists())
    return folder / "grid"


@pytest.fixture
def root(finished: Path, tmp_path: Path) -> Path:
    """The grid, now that its config asks for more samples."""
    root = own_copy(finished, tmp_path / "grid")
    config = root / "experiment.toml"
    config.write_text(config.read_text().replace("samples = 2", "samples = 3"))
    return root


def test_an_accepted_cell_is_done_again_and_no_engine_was_started(root: Path) -> None:
    found = call("accept", str(root), "villain@1", "--why", WHY)
    assert found.exit_code == 0, found.stderr
    assert "villain@1#42: eval.samples 2 → 3" in found.stdout
    assert "accepted as current" in found.stderr
    assert states(root) == {"villain@0": "stale", "villain@1": "done"}
    assert not Layout(root).lock.exists()
    assert not list(Layout(root).requests.iterdir())
    told = call("history", str(root)).stdout
    assert f"accepted eval/villain@1#42 as current: {WHY}" in told


def test_a_wish_without_an_answer_is_no_success(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("run", str(root), "--headless").exit_code == 3  # takes the change in
    silent = Reply(None, "no answer in 60 s")
    monkeypatch.setattr("tuilab.cli.verbs.accept.ask", lambda *given, **named: silent)
    found = call("accept", str(root), "villain@1", "--why", WHY)
    assert (found.exit_code, found.stderr.splitlines()[-1]) == (1, silent.why)


def test_a_dry_run_accepts_nothing(root: Path) -> None:
    found = call("accept", str(root), "*", "--why", WHY, "--dry-run")
    assert "villain@0#42, villain@1#42: eval.samples 2 → 3" in found.stdout
    assert call("run", str(root), "--headless").exit_code == 3
    assert set(states(root).values()) == {"stale"}


def test_every_stale_cell_can_be_accepted_at_once_and_again_after_another_change(
    root: Path,
) -> None:
    assert call("accept", str(root), "*", "--why", WHY).exit_code == 0
    assert set(states(root).values()) == {"done"}
    config = root / "experiment.toml"
    config.write_text(config.read_text().replace("samples = 3", "samples = 4"))
    found = call("run", str(root), "--headless")
    assert "eval.samples 2 → 4" in found.stderr
    assert set(states(root).values()) == {"stale"}


def test_where_it_was_accepted_can_be_read_by_programs(root: Path) -> None:
    found = json.loads(call("accept", str(root), "villain@0", "--why", WHY, "--json").stdout)
    assert list(found["jobs"]) == ["eval/villain@0#42"]
    cells = json.loads(call("status", str(root), "--json").stdout)["cells"]
    assert [list(one["accepted"]) for one in cells] == [["eval"], []]
    [word] = cells[0]["accepted"].values()
    assert word.startswith("eval.samples 2 → 3; accepted by ")
    assert word.endswith(WHY)


def test_its_number_is_marked_wherever_it_is_read_and_named_in_the_report(
    root: Path, tmp_path: Path
) -> None:
    assert call("accept", str(root), "villain@1", "--why", WHY).exit_code == 0
    told = call("status", str(root)).stdout
    assert "‡ stale, and accepted as current by a person: villain@1#42 (eval.samples 2 → 3" in told
    table = call("table", str(root)).stdout
    assert "villain ‡" in table.lower()
    assert WHY in " ".join(table.split())
    written = make_report(open_study(root), tmp_path / "report", kinds=())
    assert "1 cell counts though stale, and accepted as current by a person: villain@1#42" in (
        written.report.read_text()
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["villain@9", "--why", WHY], "villain@9"),
        (["villain@1", "--why", " "], "--why is empty"),
        (["villain@1"], "--why"),
    ],
)
def test_what_cannot_be_accepted_says_why_and_plans_nothing(
    root: Path, words: list[str], said: str
) -> None:
    before = (root / "plan.json").read_bytes()
    found = call("accept", str(root), *words)
    assert found.exit_code == 2
    assert said in found.stderr
    assert "Traceback" not in found.stderr
    assert (root / "plan.json").read_bytes() == before


def test_a_cell_that_is_not_stale_is_not_accepted(root: Path) -> None:
    assert call("accept", str(root), "villain@1", "--why", WHY).exit_code == 0
    found = call("accept", str(root), "villain@1", "--why", WHY)
    assert found.exit_code == 1
    assert "villain@1#42 is not stale: there is nothing to accept" in found.stderr
