"""What the files of a base model tell without loading it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.grid.planned import changed, load
from tuilab.store.base_model import base_shape


def written(folder: Path, **config: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_the_blocks_of_the_tiny_base_and_of_a_rebuilt_one_are_counted(tmp_path: Path) -> None:
    assert base_shape(load().config).blocks == 4
    rebuilt = written(tmp_path / "tiny", num_hidden_layers=6)
    assert base_shape(changed('model = "tiny"', f'model = "tiny"\npath = "{rebuilt}"')).blocks == 6


def test_the_blocks_of_a_model_that_lies_here_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    here = written(tmp_path / "model", num_hidden_layers=12)
    assert base_shape(changed('"tiny"', f'"{here}"')).blocks == 12
    cached = tmp_path / "hub" / "models--org--model" / "snapshots"
    written(cached / "abc", num_hidden_layers=30)
    written(cached / "def", num_hidden_layers=40)
    assert base_shape(changed('"tiny"', '"org/model"\nrevision = "def"')).blocks == 40
    assert base_shape(changed('"tiny"', '"org/model"')).blocks == 30


def test_weights_are_counted_in_their_files_where_the_config_says_no_sizes(tmp_path: Path) -> None:
    odd = written(tmp_path / "odd", model_type="odd", layers=3)
    assert not base_shape(changed('"tiny"', f'"{odd}"')).is_known
    head = json.dumps({"w": {"dtype": "F32", "shape": [5, 4], "data_offsets": [0, 80]}}).encode()
    (odd / "model.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + bytes(80))
    shape = base_shape(changed('"tiny"', f'"{odd}"'))
    assert (shape.weights, shape.is_known) == (20, True)


def test_a_base_that_nothing_here_tells_of_has_no_known_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert base_shape(changed('"tiny"', '"org/other"')).blocks is None
    assert base_shape(changed('"tiny"', '"Qwen/Qwen2.5-1.5B-Instruct"')).blocks == 28
    strange = written(tmp_path / "strange", num_hidden_layers="many")
    assert base_shape(changed('"tiny"', f'"{strange}"')).blocks is None
