"""The hub's cache as it is laid out on disk: whole or not, at which commit, where."""

from __future__ import annotations

import json
from pathlib import Path

from tuilab.contract import hub

COMMIT = "a09a35458c702b33eeacc393d103063234e8bc28"
MODEL = "org/model"


def cached(home: Path, *names: str, branch: str = "main") -> dict[str, str]:
    """Make a cache that holds some files of a model; returns the environment that names it."""
    env = {"HF_HOME": str(home)}
    folder = hub.model_folder(MODEL, env)
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / branch).write_text(COMMIT)
    snapshot = folder / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for name in names:
        (snapshot / name).write_text("{}")
    return env


def test_a_base_is_whole_with_its_config_and_its_weights(tmp_path: Path) -> None:
    env = cached(tmp_path, "config.json", "model.safetensors")
    found = hub.fetched(MODEL, None, env)
    assert found is not None and found.name == COMMIT
    assert hub.fetched(MODEL, COMMIT, env) == found
    assert hub.fetched(MODEL, "other", env) is None
    assert hub.models_in_cache(env) == [MODEL]


def test_a_base_that_lacks_a_shard_or_whose_link_is_broken_is_not_whole(tmp_path: Path) -> None:
    env = cached(tmp_path, "config.json", "model-00001-of-00002.safetensors")
    snapshot = hub.model_folder(MODEL, env) / "snapshots" / COMMIT
    assert not hub.is_whole(snapshot)
    names = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    index = {"weight_map": {"a": names[0], "b": names[1]}}
    (snapshot / hub.INDEX).write_text(json.dumps(index))
    assert not hub.is_whole(snapshot)
    (snapshot / names[1]).symlink_to("../../blobs/gone")
    assert not hub.is_whole(snapshot)
    (snapshot / names[1]).unlink()
    (snapshot / names[1]).write_text("")
    assert hub.is_whole(snapshot)
    (snapshot / hub.INDEX).write_text("[1]")
    assert not hub.is_whole(snapshot)


def test_the_cache_is_where_the_hubs_library_looks(tmp_path: Path) -> None:
    assert hub.cache_folder({"HF_HUB_CACHE": "/c", "HF_HOME": "/h"}) == Path("/c")
    assert hub.cache_folder({"HF_HOME": "/h"}) == Path("/h/hub")
    assert hub.cache_folder({"XDG_CACHE_HOME": "/x"}) == Path("/x/huggingface/hub")
    assert hub.endpoint({"HF_ENDPOINT": "http://here/"}) == "http://here"
    assert hub.endpoint({}) == "https://huggingface.co"


def test_only_names_of_a_hub_have_to_be_fetched(tmp_path: Path) -> None:
    assert hub.is_on_hub(MODEL)
    assert not hub.is_on_hub("tiny")
    assert not hub.is_on_hub(str(tmp_path))
