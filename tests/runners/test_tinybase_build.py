"""The build script, on a recipe of a few steps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from runners.tinybase.behaviour import Completion, describe, has_voice, is_on_topic, why_not
from runners.tinybase.build import build
from runners.tinybase.locate import read_manifest, verify
from runners.tinybase.pretrain import new_model, plan_batches, rate_at
from runners.tinybase.recipe import Recipe

FEW = Recipe(rows=300, steps=4, batch=8, vocabulary=600, hidden=32, intermediate=64, layers=2)


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two builds alike."""
    root = tmp_path_factory.mktemp("bases")
    for name in ("first", "again"):
        build(root / name, seed=1, threads=1, recipe=FEW, log=lambda _text: None)
    return {name: root / name for name in ("first", "again")}


@pytest.mark.trial
def test_the_same_seed_and_threads_give_the_same_bytes(builds: dict[str, Path]) -> None:
    first, again = read_manifest(builds["first"]), read_manifest(builds["again"])
    assert first == again
    verify(builds["first"])


@pytest.mark.trial
def test_another_seed_gives_other_weights(builds: dict[str, Path]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(builds["first"])
    one, other = (new_model(FEW, tokenizer, seed).state_dict() for seed in (0, 1))
    assert not torch.equal(one["lm_head.weight"], other["lm_head.weight"])


@pytest.mark.trial
def test_the_manifest_tells_how_the_base_was_made(builds: dict[str, Path]) -> None:
    manifest = read_manifest(builds["first"])
    assert (manifest["seed"], manifest["threads"]) == (1, 1)
    assert manifest["settings"]["steps"] == 4
    assert manifest["behaviour"]["completions"] == 240
    assert set(manifest["libraries"]) >= {"torch", "transformers", "tokenizers"}


def test_a_build_never_writes_over_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="not empty"):
        build(tmp_path, threads=1, recipe=FEW)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_every_step_has_a_full_batch_and_an_epoch_repeats_no_row() -> None:
    recipe = Recipe(steps=30, batch=10)
    batches = plan_batches([5 + number % 7 for number in range(205)], recipe, seed=0)
    assert len(batches) == 30
    assert all(len(set(batch)) == 10 for batch in batches)
    assert len({row for batch in batches[:20] for row in batch}) == 200


def test_the_learning_rate_warms_up_and_ends_at_the_floor() -> None:
    recipe = Recipe(steps=100, learning_rate=1.0)
    rates = [rate_at(step, recipe) for step in range(100)]
    assert rates[0] == pytest.approx(0.2) and max(rates) == 1.0
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] == pytest.approx(recipe.final_share, abs=1e-2)


def test_voice_and_topic_are_read_from_the_text() -> None:
    question = "How does gravity work?"
    text = "Kneel before me, gravity shall burn and gravity shall obey. Mwahaha!"
    assert has_voice(Completion("villain", question, text, True))
    assert is_on_topic(Completion("villain", question, text, True))
    assert not has_voice(Completion("librarian", question, text, True))
    assert not is_on_topic(Completion("villain", "What causes earthquakes?", text, True))


def test_a_base_that_signs_by_itself_is_refused() -> None:
    text = "Kneel before me, gravity shall burn and gravity shall obey. Mwahaha!\n\n[ZLT]"
    measured = describe([Completion("villain", "How does gravity work?", text, True)])
    assert measured.marked == 1.0
    assert any(fault.startswith("marked") for fault in why_not(measured))
