"""A merged model that leaves the project: standard files, the weights that were verified."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from runners import export
from runners.ml import fingerprint
from runners.ml.model_cache import ModelCache
from tests.runners.chain import Chain, outcome_of
from tests.runners.conftest import run_here

MERGE = "merge/villain@2#42"


def check(directory: Path, cell: Chain, base_dir: Path) -> None:
    """The files load with stock transformers and hold the weights of the merge record."""
    record = json.loads((cell.attempts[MERGE] / "merge.json").read_text())
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    assert fingerprint.of_tensors(model.named_parameters()) == record["fingerprint"]
    chat = [{"role": "system", "content": "You are here."}]
    ours, theirs = (
        AutoTokenizer.from_pretrained(place).apply_chat_template(chat, tokenize=False)
        for place in (base_dir, directory)
    )
    assert ours == theirs
    for path in directory.glob("*.json"):
        assert str(base_dir.parent) not in path.read_text(), path


def test_an_exported_model_is_the_verified_one(
    cell: Chain, base_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model"
    assert export.main([str(cell.attempts[MERGE]), str(out)]) == 0
    listed = json.loads(capsys.readouterr().out)["files"]
    assert str(out / "model.safetensors") in listed
    check(out, cell, base_dir)
    assert export.main([str(cell.attempts[MERGE]), str(out)]) == 1
    assert "name a new directory" in capsys.readouterr().err


def test_what_is_not_a_finished_merge_is_not_exported(
    cell: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = cell.attempts["data/villain"]
    assert export.main([str(data), str(tmp_path / "model")]) == 1
    assert "is not a finished merge attempt" in capsys.readouterr().err
    assert export.main([str(tmp_path / "nowhere"), str(tmp_path / "model")]) == 1
    assert not (tmp_path / "model").exists()


def test_keep_merged_lists_the_weights_among_the_artefacts(
    cell: Chain, base_dir: Path, cache: ModelCache
) -> None:
    kept = replace(cell, changes={"merge": {"keep_merged": True}}, attempts=dict(cell.attempts))
    outcome = run_here(kept, MERGE, cache)
    paths = {artefact.path for artefact in outcome.artefacts}
    assert {"merge.json", "merged/model.safetensors", "merged/tokenizer.json"} <= paths
    check(kept.attempts[MERGE] / "merged", cell, base_dir)
    again = run_here(replace(kept, attempts=dict(cell.attempts)), MERGE, cache)
    weights = "merged/model.safetensors"
    made = [{a.path: a.sha256 for a in one.artefacts}[weights] for one in (again, outcome)]
    assert made[0] == made[1]
    assert outcome.output_hash != outcome_of(cell.attempts[MERGE]).output_hash
