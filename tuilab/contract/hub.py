"""The cache of the model hub as the hub's own library lays it out; asks no hub and imports none."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

DEFAULT_ENDPOINT = "https://huggingface.co"
TINY = "tiny"
"""The base that is shipped."""
SNAPSHOT_FILE = "snapshot.json"
"""What a fetching job leaves: model, revision, commit, bytes, files."""
RETRY_AFTER = "retry_after"
"""Number of a failure: the seconds that a hub asks to wait."""
MOVED = "moved"
"""Of a fetch that was asked for a branch at an earlier commit: what the branch is by now."""
INDEX = "model.safetensors.index.json"
WEIGHTS = "model.safetensors"
BRANCH = "main"
TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""Variables that hold a token, the one that wins first."""
OFFLINE_BY_ENGINE = "TUILAB_HUB_OFFLINE"
"""Variable that says that HF_HUB_OFFLINE is the engine's doing and no person's."""
_COMMIT = re.compile(r"[0-9a-f]{40}")
_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


def is_on_hub(model: str) -> bool:
    """Whether a base has to come from a hub: not the tiny one, not a folder here."""
    return model != TINY and not Path(model).is_dir()


def why_nowhere(model: str) -> str:
    """Return why a base can come from nowhere, "" where it is a model's folder or on a hub."""
    if not is_on_hub(model):
        is_model = model == TINY or (Path(model) / "config.json").is_file()
        return "" if is_model else f"the folder {model} holds no model: there is no config.json"
    if _NAME.fullmatch(model):
        return ""
    return f"{model} is neither a folder on this machine nor a model's name on a hub (OWNER/NAME)"


class DataOnHub(NamedTuple):
    """A file of a data set on a hub: ``hf:OWNER/NAME@REVISION#FILE``."""

    repo: str
    revision: str | None
    file: str


_DATA = re.compile(r"hf:(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^#@]+))?#(?P<file>[^#]+)")


def data_on_hub(name: str) -> DataOnHub | None:
    """Read the name of a file on a hub; None for one that lies here. ValueError for half a name."""
    if not name.startswith("hf:"):
        return None
    found = _DATA.fullmatch(name)
    if found is None or ".." in found["file"].split("/"):
        raise ValueError("a file on a hub is written hf:OWNER/NAME@REVISION#FILE")
    return DataOnHub(found["repo"], found["revision"], found["file"])


def data_in_cache(data: DataOnHub, env: Mapping[str, str]) -> Path | None:
    """Return a file of a data set where it was fetched; None when it is not here."""
    folder = cache_folder(env) / f"datasets--{data.repo.replace('/', '--')}"
    commit = _commit_of(folder, data.revision or BRANCH)
    path = folder / "snapshots" / commit / data.file
    return path if commit and path.is_file() else None


def endpoint(env: Mapping[str, str]) -> str:
    """Return the address of the hub."""
    return (env.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")


def hub_home(env: Mapping[str, str]) -> Path:
    """Return the folder that the hub's library keeps cache and login in."""
    if home := env.get("HF_HOME"):
        return Path(home).expanduser()
    return Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "huggingface"


def cache_folder(env: Mapping[str, str]) -> Path:
    """Return the folder that downloads are cached in."""
    if cache := env.get("HF_HUB_CACHE") or env.get("HUGGINGFACE_HUB_CACHE"):
        return Path(cache).expanduser()
    return hub_home(env) / "hub"


def model_folder(model: str, env: Mapping[str, str]) -> Path:
    """Return the folder that the cache keeps a model in."""
    return cache_folder(env) / f"models--{model.replace('/', '--')}"


def commit_in_cache(model: str, revision: str | None, env: Mapping[str, str]) -> str:
    """Return the commit that a branch, tag or commit was when it was fetched; "" when it was not.

    A branch may point elsewhere on the hub by now.
    """
    return _commit_of(model_folder(model, env), revision or BRANCH)


def _commit_of(folder: Path, name: str) -> str:
    if _COMMIT.fullmatch(name):
        return name
    try:
        found = (folder / "refs" / name).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
    return found if _COMMIT.fullmatch(found) else ""


def fetched(model: str, revision: str | None, env: Mapping[str, str]) -> Path | None:
    """Return the whole snapshot of a revision, None when it is missing or not all of it is here."""
    commit = commit_in_cache(model, revision, env)
    folder = model_folder(model, env) / "snapshots" / commit
    return folder if commit and is_whole(folder) else None


def is_whole(snapshot: Path) -> bool:
    """Whether config and all weights of a snapshot are here; a broken link is a missing file."""
    if not (snapshot / "config.json").is_file():
        return False
    if (snapshot / WEIGHTS).is_file():
        return True
    try:
        index = json.loads((snapshot / INDEX).read_text(encoding="utf-8"))
        shards = set(index["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return bool(shards) and all((snapshot / str(shard)).is_file() for shard in shards)


def models_in_cache(env: Mapping[str, str]) -> list[str]:
    """Return the names of all models in the cache, whole or not."""
    folders = sorted(cache_folder(env).glob("models--*"))
    return [folder.name.removeprefix("models--").replace("--", "/", 1) for folder in folders]
