"""``tuilab init``: a config that can be planned, from five answers or as many flags."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.small_grid import call
from tuilab.store.replan import read_config


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_a_terminal_the_defaults_make_a_small_grid_and_its_plan() -> None:
    found = call("init")
    assert found.exit_code == 0, found.stderr
    assert "wrote my-grid.toml: 2 sources x 3 epochs x 1 seed" in found.stdout
    assert "expected:" in found.stdout and "run my-grid.toml" in found.stdout
    config = read_config(Path("my-grid.toml")).config
    assert config.is_synthetic and config.reference == "none"
    assert config.convergence.epochs == 4


def test_flags_answer_all_five_questions() -> None:
    words = ("--base", "Qwen/Qwen2.5-7B-Instruct", "--sources", "villain,nurse", "--epochs", "8,0")
    found = call("init", "big.toml", *words, "--seeds", "1 2 3", "--gpus", "2")
    config = read_config(Path("big.toml")).config
    assert (config.name, config.sources, config.epochs) == ("big", ("villain", "nurse"), (0, 8))
    assert config.seeds == (1, 2, 3) and config.resources.workers == 2
    assert config.base.revision and config.reference == "eps109"
    assert "6 cells" not in found.stdout and "12 cells" in found.stdout


def test_a_grid_that_cannot_run_is_not_sent_to_run() -> None:
    Path("model").mkdir()
    Path("model/config.json").write_text('{"num_hidden_layers": 2}')
    found = call("init", "--base", "./model")
    assert found.exit_code == 2 and "cosine.layers [10, 15, 20, 25] do not exist" in found.stderr
    assert "run my-grid.toml" not in found.stdout
    assert found.stdout.splitlines()[-1].startswith("next: edit my-grid.toml, then `tuilab plan")


def test_what_cannot_be_is_named_and_nothing_is_written() -> None:
    for words, said in (
        (("--sources", "vilain"), "did you mean villain?"),
        (("--epochs", "one"), "not a list of whole numbers"),
        (
            ("--sources", "assistant"),
            "assistant cannot be a source here: use villain, medical_doctor",
        ),
        (("no/folder.toml",), "there is no folder no: make it first"),
        (("--base", "no;where"), "no;where is neither a folder"),
        (("--base", "asdf"), "no folder asdf here: write tiny, a folder, or OWNER/NAME of a hub"),
        (("--base", "."), "the folder . holds no model: there is no config.json"),
        (("--gpus", "64"), "6 cells keep at most 6 GPUs busy"),
    ):
        found = call("init", *words)
        assert found.exit_code == 2 and said in found.stderr
    assert list(Path().iterdir()) == []


def test_a_file_that_is_there_is_kept() -> None:
    Path("my-grid.toml").write_text("mine")
    assert call("init").exit_code == 2
    assert Path("my-grid.toml").read_text() == "mine"
    assert call("init", "--force").exit_code == 0
