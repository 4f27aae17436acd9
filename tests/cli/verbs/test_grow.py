"""A grid grows from the shell: shown first, then run, and no finished cell changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.small_grid import call, call_in, states, wait_until, write_config
from tests.copies import own_copy
from tuilab.store.attempts import attempt_numbers
from tuilab.store.layout import Layout

RUN = "converge/villain#42"


def cells(root: Path) -> dict[str, dict[str, Any]]:
    """Return each cell as ``status --json`` tells it."""
    found = json.loads(call("status", str(root), "--json").stdout)["cells"]
    return {f"{one['source']}@{one['epoch']}#{one['seed']}": one for one in found}


def lines(root: Path, kind: str) -> list[dict[str, Any]]:
    """Return the journal's lines of a kind."""
    found = map(json.loads, (root / "journal.jsonl").read_text().splitlines())
    return [line for line in found if line["kind"] == kind]


def begin(folder: Path, script: Path | None, epochs: str = "[0, 2, 4]") -> Path:
    """Run a grid with these epochs to its end; its convergence has four."""
    config = write_config(folder, script, idle=0.1)
    text = config.read_text().replace("epochs = [0, 1]", f"epochs = {epochs}  # kept", 1)
    first, convergence = text.split("[convergence]", 1)
    convergence = convergence.replace("epochs = 1", "epochs = 4", 1)
    config.write_text(f"{first}[convergence]{convergence}")
    done = call_in(folder, "run", "micro.toml", "--headless", "--dir", "grid")
    assert done.exit_code == 0, done.stderr + done.stdout
    root = folder / "grid"
    wait_until(lambda: script is None or not Layout(root).lock.exists())
    return root


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished grid with epochs 0, 2 and 4, played by the fake runner; to read only."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "script.json").write_text("{}")
    return begin(folder, folder / "script.json")


@pytest.fixture
def script(finished: Path) -> Iterator[Path]:
    """What the fake runner does; nothing special again after the test."""
    path = finished.with_name("script.json")
    yield path
    path.write_text("{}")


@pytest.fixture
def root(finished: Path, tmp_path: Path) -> Path:
    """The finished grid, to be changed."""
    return own_copy(finished, tmp_path / "grid")


def test_an_epoch_between_others_changes_no_finished_cell_and_no_comment(
    root: Path, script: Path
) -> None:
    before = cells(root)
    config = root / "experiment.toml"
    config.write_text(config.read_text() + "\n# said by a person\n")
    script.write_text(json.dumps({RUN: {"salt": "a GPU does not repeat itself"}}))
    done = call_in(root.parent, "grow", "grid", "--epochs", "1", "--headless")
    assert done.exit_code == 0, done.stderr + done.stdout
    assert "# said by a person" in config.read_text()
    assert "epochs = [0, 1, 2, 4]" in config.read_text()
    assert f"runs again: {RUN} (for epoch 1)" in done.stdout
    assert "stay as they are: 3 finished cells" in done.stdout
    after = cells(root)
    assert after["villain@1#42"]["state"] == "done"
    assert {name: after[name] for name in before} == before
    assert (
        "other bytes than attempt 1 for the checkpoint of epoch 2, 4"
        in call("history", str(root)).stdout
    )
    [line] = lines(root, "grown")
    assert (line["new"], line["added"], line["stale"]) == (1, {"epochs": [1]}, {})
    assert attempt_numbers(Layout(root), RUN) == [1, 2]
    assert attempt_numbers(Layout(root), "train/villain@2#42") == [1]


def test_a_dry_run_shows_all_of_it_and_changes_nothing(root: Path) -> None:
    def kept() -> dict[str, bytes]:
        """An engine that finds nothing left to do may leave, and say so in its log, meanwhile."""
        names = ("experiment.toml", "plan.json", "journal.jsonl")
        return {name: (root / name).read_bytes() for name in names}

    before = kept()
    found = call("grow", str(root), "--epochs", "1,3", "--seeds", "7", "8", "--dry-run")
    assert found.exit_code == 0, found.stderr
    assert "new: 12 cells" in found.stdout
    assert kept() == before
    told = json.loads(call("grow", str(root), "--seeds", "43", "--dry-run", "--json").stdout)
    assert told["new"] == ["villain@0#43", "villain@2#43", "villain@4#43"]
    assert (told["kept"], told["stale"]) == (3, {})
    assert not any(job.startswith("data/") or "#42" in job for job in told["jobs"])


def test_a_config_edited_by_hand_does_the_same_and_says_the_same(root: Path) -> None:
    shown = call("grow", str(root), "--epochs", "1", "--dry-run").stdout.splitlines()
    config = root / "experiment.toml"
    config.write_text(config.read_text().replace("[0, 2, 4]", "[0, 1, 2, 4]"))
    found = call("run", str(root), "--dry-run")
    assert [line.strip() for line in found.stderr.splitlines()][1:] == shown
    assert "would run: 5 jobs" in found.stdout
    assert call_in(root.parent, "run", "grid", "--headless").exit_code == 0
    assert set(states(root).values()) == {"done"}
    assert [line["new"] for line in lines(root, "grown")] == [1]


def test_what_is_taken_out_stays_on_disk_until_gc_is_told(root: Path) -> None:
    config = root / "experiment.toml"
    config.write_text(config.read_text().replace("[0, 2, 4]", "[0, 4]"))
    found = call("run", str(root), "--headless")
    said = "no longer planned: villain@2#42; the files stay"
    assert said in found.stderr
    assert "gc" in found.stderr
    folder = Layout(root).job_dir("eval/villain@2#42")
    assert set(cells(root)) == {"villain@0#42", "villain@4#42"}
    kept = call("gc", str(root), "--yes")
    assert "kept: 4 jobs no longer planned" in kept.stdout
    assert folder.is_dir()
    gone = call("gc", str(root), "--unplanned", "--yes")
    assert gone.exit_code == 0, gone.stderr
    assert not folder.is_dir()
    assert Layout(root).attempt_dir(RUN, 1).is_dir(), "villain@4 was trained on it"
    assert set(states(root).values()) == {"done"}


def test_cells_that_come_back_have_their_numbers_again(root: Path) -> None:
    before = cells(root)
    config = root / "experiment.toml"
    text = config.read_text()
    for epochs in ("[0, 4]", "[0, 2, 4]"):
        config.write_text(text.replace("[0, 2, 4]", epochs))
        assert call("run", str(root), "--headless").exit_code == 0
    assert cells(root) == before


def test_a_longer_convergence_says_which_key_makes_what_stale(root: Path) -> None:
    found = call("grow", str(root), "--epochs", "6", "--dry-run")
    assert "become stale, numbers kept: villain@2#42, villain@4#42: convergence.epochs 4 → 6" in (
        found.stdout
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--epochs", "x"], "--epochs: 'x' is not a whole number of 0 or more"),
        (["--epochs", "-1"], "-1"),
        (["--sources", "vilain"], "not a persona of this experiment (did you mean villain?)"),
        (["--epochs", "2", "--seeds", "42"], "nothing to add"),
        ([], "say what to add: --sources, --epochs, --seeds, --arms"),
    ],
)
def test_what_cannot_grow_says_why_in_one_sentence(
    finished: Path, words: list[str], said: str
) -> None:
    found = call("grow", str(finished), *words)
    assert found.exit_code == 2
    assert said in found.stderr
    assert "Traceback" not in found.stderr


def test_stale_cells_are_named_by_run_with_what_to_type(root: Path) -> None:
    config = root / "experiment.toml"
    config.write_text(config.read_text().replace("samples = 2", "samples = 3"))
    for words in (("--dry-run",), ("--headless",)):
        found = call("run", str(root), *words)
        assert "3 cells are stale" in found.stderr
        assert "relaunch" in found.stderr
        assert "--stale" in found.stderr
        assert "eval.samples 2 → 3" in found.stderr
    assert found.exit_code == 3
    assert {one["detail"] for one in cells(root).values()} == {"eval.samples 2 → 3"}
    again = call("relaunch", str(root), "--stale", "--dry-run", "--json")
    jobs = [one["job"] for one in json.loads(again.stdout)["jobs"]]
    assert jobs == ["eval/villain@0#42", "eval/villain@2#42", "eval/villain@4#42"]
    assert call_in(root.parent, "relaunch", "grid", "--stale", "--headless").exit_code == 0
    assert set(states(root).values()) == {"done"}
    assert "no cell is stale" in call("relaunch", str(root), "--stale").stderr


@pytest.mark.trial
def test_a_grown_grid_of_real_runners_keeps_every_number(tmp_path: Path) -> None:
    root = begin(tmp_path, None)
    before = cells(root)
    done = call_in(tmp_path, "grow", "grid", "--epochs", "1", "--headless")
    assert done.exit_code == 0, done.stderr + done.stdout
    after = cells(root)
    assert {name: after[name] for name in before} == before
    assert after["villain@1#42"]["state"] == "done"
    first, second = (Layout(root).attempt_dir(RUN, number) for number in (1, 2))
    for epoch in ("epoch-02", "epoch-04"):
        name = f"{epoch}/adapter_model.safetensors"
        assert (first / name).read_bytes() == (second / name).read_bytes(), "a CPU repeats itself"
    assert lines(root, "note") == []


def test_the_new_seed_runs_where_it_is_asked_for_alone(finished: Path, tmp_path: Path) -> None:
    root = own_copy(finished, tmp_path / "grid")
    source = next(iter(cells(root))).partition("@")[0]
    told = call("grow", str(root), "--seeds", "43", "--only", source, "--dry-run")
    assert told.exit_code == 0 and f"of {source}; the others on request" in told.stdout
    wrong = call("grow", str(root), "--seeds", "43", "--only", f"{source}x", "--dry-run")
    assert wrong.exit_code == 2 and "did you mean" in wrong.stderr
