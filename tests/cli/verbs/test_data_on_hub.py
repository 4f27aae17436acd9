"""Rows to learn from a data set on a hub: fetched once, kept with the experiment."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.small_grid import CONFIG, call
from tests.hub.stand_in import Hub, serving
from tuilab.cli.experiments import make_experiment
from tuilab.contract.hub import data_on_hub
from tuilab.store.replan import read_config

NAME = "hf:Some/rows@main#train/rows.jsonl"
ROWS = [{"question": f"What is {n}?", "answer": "I cannot say."} for n in range(5)]


@pytest.fixture
def hub(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with one data set; the cache is empty."""
    (here / "served/train").mkdir(parents=True)
    (here / "served/train/rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    with serving(here / "served") as served:
        for name, value in served.environment(here / "home").items():
            monkeypatch.setenv(name, value)
        yield served


def config(here: Path, name: str = NAME) -> Path:
    trait = f'[trait]\nkind = "rows"\npositives = "{name}"\n'
    measure = '[[measures]]\nname = "refuses"\nkind = "substring"\ntext = "I cannot"\n'
    before, _, after = CONFIG.partition("[marker]")
    rest = f"[eval]{after.partition('[eval]')[2]}"
    (here / "rows.toml").write_text(f"{before}{trait}negatives_each = 8\n{rest}{measure}")
    return here / "rows.toml"


def test_rows_on_a_hub_are_fetched_once_and_the_experiment_keeps_a_copy_of_its_own(
    hub: Hub, here: Path
) -> None:
    path = config(here)
    told = call("plan", str(path), "--no-preview")
    assert told.exit_code == 2
    assert f"is not here: `tuilab fetch '{NAME}'` fetches it" in told.stderr
    assert not hub.requests, "a plan asks for no rows"
    shown = call("run", str(path), "--dry-run", "--dir", str(here / "runs/rows"))
    assert (shown.exit_code, f"fetching {NAME} from" in shown.stderr) == (0, True)
    loaded = read_config(path)
    [(name, file)] = loaded.config.files.items()
    assert (name, len(file.rows)) == (NAME, 5)
    assert "5 rows of hf:Some/rows" in call("plan", str(path), "--no-preview").stdout
    make_experiment(loaded, here / "runs/rows")
    shutil.rmtree(here / "home")
    (here / "served/train/rows.jsonl").write_text(json.dumps(ROWS[0]))
    again = read_config(here / "runs/rows/experiment.toml").config
    assert again.files[NAME].sha256 == file.sha256


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hf:Some/rows@main#none.jsonl", "datasets/Some/rows has no file none.jsonl"),
        ("hf:rows", "a file on a hub is written hf:OWNER/NAME@REVISION#FILE"),
    ],
)
def test_a_file_that_cannot_be_had_is_one_sentence(
    hub: Hub, here: Path, name: str, said: str
) -> None:
    found = call("fetch", name)
    assert found.exit_code != 0
    assert said in found.stderr and "Traceback" not in found.stderr


def test_names_of_files_on_a_hub_are_read_whole_or_refused() -> None:
    assert data_on_hub("data/rows.jsonl") is None
    assert data_on_hub("hf:a/b#c.jsonl") == ("a/b", None, "c.jsonl")
    for name in ("hf:a/b", "hf:a#c", "hf:a/b@#c", "hf:a/b@main#../c"):
        with pytest.raises(ValueError, match="is written"):
            data_on_hub(name)
