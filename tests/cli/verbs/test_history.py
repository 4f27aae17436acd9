"""``tuilab history`` tells a journal as it was, from when one asks, of whom one asks."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.small_grid import SOURCE, call
from tests.tui.building import NOON, lab, plan_of
from tuilab.grid.stages import Stage

OLD = SOURCE / "tests/fixtures/experiment-0.1"

ASKED = "me asked to run 12 jobs of villain@0#42, villain@2#42, comedian@0#42 and 4 shared jobs"


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One that an older version made."""
    place = tmp_path / "old"
    shutil.copytree(OLD, place, symlinks=True)
    return place


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """A cell that is done, and hours later another that fails."""
    made = lab(tmp_path / "night", plan_of(("villain",), (2, 4)))
    made.done("villain", 2, 0.45)
    made.at = NOON + 6 * 3600
    made.fail(Stage.TRAIN, "villain", 4, reason="nan-loss", detail="loss is nan at step 7")
    return made.flush().root


def told(root: Path, *words: str) -> list[str]:
    """The sentences, without dates and times."""
    found = call("history", str(root), *words)
    assert found.exit_code == 0, found.stderr
    return [line[10:] for line in found.stdout.splitlines() if line[8:10] == "  "]


def test_a_journal_of_an_older_version_is_told(root: Path) -> None:
    sentences = told(root)
    assert sentences[:2] == [
        "engine started on pod-7f (pid 4242)",
        ASKED,
    ]
    assert sentences[-3:] == [
        "eval/comedian@0#42 lost (killed): the machine restarted",
        "me paused: nothing new starts",
        "engine ended",
    ]


def test_a_cell_or_a_job_tells_its_own(root: Path) -> None:
    ends = [text for text in told(root, "villain@2") if not text.endswith("started")]
    assert ends == [
        ASKED,
        "train/villain@2#42 failed (nan-loss): loss is nan at step 7",
    ]
    assert told(root, "converge/villain#42")[-1] == "converge/villain#42 done in 12s"
    found = call("history", str(root), "vilain@2")
    assert (found.exit_code, "did you mean villain" in found.stderr) == (2, True)


def test_since_leaves_out_what_was_before(night: Path) -> None:
    found = call("history", str(night))
    assert len([line for line in found.stdout.splitlines() if line[:2] == "20"]) == 1
    late = told(night, "--since", "2027-01-15 12:00")
    assert late == [
        "train/villain@4#42 started",
        "train/villain@4#42 failed (nan-loss): loss is nan at step 7",
    ]
    found = call("history", str(night), "--since", "tomorrow")
    assert found.exit_code == 2
    assert found.stderr.startswith("'tomorrow' is not a time: write 8h, 30m, 2d, 06:00")
    found = call("history", str(night), "--since", "2100-01-01")
    assert (found.exit_code, found.stderr) == (0, "nothing happened since 2100-01-01\n")


def test_programs_get_one_document(night: Path) -> None:
    found = json.loads(call("history", str(night), "--json", "villain@4").stdout)
    assert found["damaged_lines"] == 0
    assert found["events"][-1] == {
        "at": NOON + 6 * 3600 + 3,
        "kind": "settled",
        "text": "train/villain@4#42 failed (nan-loss): loss is nan at step 7",
        "about": ["train/villain@4#42"],
    }


def test_damaged_lines_are_named_once_and_the_rest_is_told(night: Path) -> None:
    journal = night / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(["garbage\n", lines[0], "[1\n", *lines[1:], '{"half": ']))
    found = call("history", str(night))
    assert found.stderr == "journal.jsonl: 2 damaged lines left out\n"
    assert "loss is nan at step 7" in found.stdout


def test_a_missing_journal_is_one_sentence(night: Path) -> None:
    (night / "journal.jsonl").unlink()
    found = call("history", str(night))
    assert (found.exit_code, found.stdout, found.stderr.count("\n")) == (0, "", 1)
    assert "makes it again from the attempts" in found.stderr
    shutil.rmtree(night / "jobs")
    assert call("history", str(night)).stderr.startswith("nothing has happened yet: `tuilab run ")
