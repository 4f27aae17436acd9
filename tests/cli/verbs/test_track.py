"""``tuilab track refill``: what is lacking is named, a broken program is told of in a sentence."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.cli.small_grid import call
from tests.store.scene import Scene

DATA = "data/villain"


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path / "x")
    made.want()
    made.finish(DATA)
    return made


def refill(scene: Scene, *words: str, **environment: str | None) -> Result:
    own: dict[str, str | None] = {"WANDB_MODE": None, "WANDB_API_KEY": None}
    return call("track", "refill", str(scene.root), *words, **{**own, **environment})


def told(result: Result) -> dict[str, Any]:
    return dict(json.loads(result.stdout))


def test_a_dry_run_names_what_is_lacking_and_writes_nothing(scene: Scene) -> None:
    result = refill(scene, "--dry-run")
    assert result.exit_code == 0
    assert f"{DATA} attempt 1: it was never copied" in result.stdout
    assert told(refill(scene, "--dry-run", "--json"))["lacking"] == 1
    assert not scene.layout.tracker.exists()


def test_an_unknown_mode_is_refused(scene: Scene) -> None:
    result = refill(scene, "--mode", "sideways")
    assert result.exit_code == 2
    assert "online or offline" in result.stderr


@pytest.mark.skipif(find_spec("wandb") is None, reason="wandb is an optional extra")
def test_a_refill_makes_the_copies_whole_and_a_second_one_has_nothing_to_do(scene: Scene) -> None:
    first = told(refill(scene, "--mode", "offline", "--json"))
    assert (first["lacking"], first["copied"]) == (1, 1)
    assert Path(first["attempts"][0]["place"]).parent.parent == scene.layout.tracker
    second = refill(scene, WANDB_MODE="offline")
    assert (second.exit_code, second.stdout) == (0, "nothing to copy\n")


def test_where_the_library_is_missing_the_sentence_says_what_to_install(
    scene: Scene, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "wandb.py").write_text("raise ImportError('no wandb', name='wandb')\n")
    result = refill(scene, PYTHONPATH=str(broken))
    assert result.exit_code == 1
    assert "pip install 'tuilab[wandb]'" in result.stdout
