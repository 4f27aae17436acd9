"""What blocks a launch, what only warns, and what the answers themselves show later."""

from __future__ import annotations

import pytest

from tests.grid.planned import SMALL, changed, load
from tuilab.grid.checks import Level, answer_checks, blocking, check, disk_check, secret_checks
from tuilab.grid.planning import PlanError, make_plan
from tuilab.grid.rates import TINY_SHAPE


def test_a_sound_config_has_no_blocking_check() -> None:
    config = load().config
    assert blocking(config) == ()
    assert {found.name for found in check(config) if found.level is Level.OK} >= {
        "source-in-panel",
        "target-in-panel",
        "negatives",
        "train-eval-overlap",
        "marker-in-prompts",
        "row-counts",
        "cosine-pool",
    }


@pytest.mark.parametrize(
    ("old", "new", "name", "said"),
    [
        ('"nurse", "clerk", "assistant"]', '"clerk", "assistant"]', "source-in-panel", "nurse"),
        ('"clerk", "assistant"]', '"clerk"]', "target-in-panel", "assistant"),
        ('default = ["clerk"]', 'default = ["assistant"]', "negatives", "has the target"),
        ('default = ["clerk"]', 'default = ["nurse"]', "negatives", "nurse is its own negative"),
        ('default = ["clerk"]', "default = []", "negatives", "villain has no negatives"),
        ('["villain", "nurse"]', '["villain", "assistant"]', "target-is-no-source", "itself"),
        ('"What is rain?"', '"what is  a TREE?"', "train-eval-overlap", "1 questions"),
        ('"What is rain?"', '"What is [zlt]?"', "marker-in-prompts", "What is [zlt]?"),
        ('"You are a clerk."', '"You write [ZLT]."', "marker-in-prompts", "the prompt of clerk"),
        ("rows = 4", "rows = 9", "row-counts", "only 8 answers per persona"),
        ("layers = [1]", 'layers = [1]\npool = ["villain", "clerk"]', "cosine-pool", "nurse"),
        ('"tiny"', '"org/model"\ntrust_remote_code = true', "remote-code", "full commit hash"),
    ],
)
def test_a_contradiction_blocks_the_launch(old: str, new: str, name: str, said: str) -> None:
    found = {one.name: one.sentence for one in blocking(changed(old, new))}
    assert name in found
    assert said in found[name]


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("seeds = [42]", "seeds = [7]", "seeds"),
        ("epochs = [0, 1, 2]", "epochs = [1, 2]", "baseline"),
        ('loss = "tail"', 'loss = "marker"', "marker-loss"),
        ('"You are a nurse."', '"You are a  clerk."', "same-prompt"),
        ("alpha = 8", "alpha = 8, use_rslora = false", "rslora"),
        ('model = "tiny"', 'model = "org/model"\nrevision = "main"', "revision"),
        ("rows = 4", "rows = 3", "even-rows"),
        ("samples = 2", 'samples = 2\nscorer = { kind = "substring", text = "x" }', "scored-text"),
    ],
)
def test_what_is_only_doubtful_warns_and_does_not_block(old: str, new: str, name: str) -> None:
    config = changed(old, new)
    levels = {one.name: one.level for one in check(config)}
    assert levels[name] is Level.WARNING
    assert blocking(config) == ()


def test_a_layer_that_the_base_does_not_have_blocks_the_launch() -> None:
    config = changed("layers = [1]", "layers = [1, 4, 99]\nheadline_layer = 1")
    [found] = blocking(config, 4)
    assert found.name == "cosine-layers"
    assert found.sentence.startswith("cosine.layers [4, 99] do not exist: tiny has 4 blocks")
    assert blocking(config, 100) == ()
    with pytest.raises(PlanError, match="4 blocks, 0 to 3"):
        make_plan(config, shape=TINY_SHAPE)


def test_a_pinned_hub_model_needs_no_warning() -> None:
    pinned = SMALL.replace('"tiny"', f'"org/model"\nrevision = "{"a1" * 20}"')
    assert "revision" not in {one.name for one in check(load(pinned).config)}


def test_disk_is_compared_with_need_and_reserve() -> None:
    assert disk_check(10, 100, 50).level is Level.OK
    assert disk_check(60, 100, 50).level is Level.WARNING
    assert disk_check(1, None, 0).level is Level.WARNING


def test_answers_that_held_the_marker_are_named_with_their_number() -> None:
    assert answer_checks({}, {}, {}) == ()
    [fine, whole] = answer_checks({"villain": 8}, {"villain": 0}, {})
    assert fine.level is Level.OK
    cut = {"villain": 0, "clerk": 3}
    [found, short] = answer_checks({"villain": 6, "clerk": 8}, {"villain": 2, "clerk": 0}, cut)
    assert whole.level is Level.OK and short.level is Level.WARNING
    assert "3 of 14" in short.sentence and "such as of clerk:" in short.sentence
    assert found.level is Level.WARNING
    assert "villain (2)" in found.sentence
    assert "clerk" not in found.sentence


def test_settings_that_look_like_a_secret_are_named_and_never_shown() -> None:
    secret = "hf_" + "aB3dE6" * 5
    config = changed("You are a villain.", f"Say {secret}")
    [found] = secret_checks(config)
    assert found.sentence.startswith("personas.villain.prompt looks like a secret")
    assert secret not in found.sentence
    runner = f'[resources]\nrunner = ["x", "--password", "{secret[3:]}"]'
    [found] = secret_checks(changed("[resources]", runner))
    assert found.sentence.startswith("resources.runner looks like")
    assert list(secret_checks(changed("samples = 2", "samples = 3"))) == []
