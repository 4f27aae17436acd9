"""Fetches the files of data sets that a config names: ``hf:OWNER/NAME@REVISION#FILE``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuilab.cli.base_on_hub import ask_hub
from tuilab.cli.errors import USAGE, RefusalError
from tuilab.cli.output import tell
from tuilab.contract import hub
from tuilab.store.replan import read_config

if TYPE_CHECKING:
    from tuilab.grid.config_text import LoadedConfig

FETCH_SECONDS = 600.0


def read_whole(path: Path) -> LoadedConfig:
    """Read a config as ``read_config`` does; what it names on a hub is fetched first."""
    from tuilab.grid.config_text import ConfigError

    try:
        return read_config(path)
    except ConfigError as error:
        wanted = dict.fromkeys(one.fetch for one in error.problems)
        if "" in wanted:
            raise
    for name in wanted:
        fetch_data(name)
    return read_config(path)


def fetch_data(name: str) -> Mapping[str, Any]:
    """Fetch one file into the hub's cache; RefusalError with what to do."""
    try:
        data = hub.data_on_hub(name)
    except ValueError as error:
        raise RefusalError(str(error), USAGE) from None
    assert data is not None, "whoever calls looked at the name"
    if hub.data_in_cache(data, os.environ) is None:
        tell(f"fetching {name} from {hub.endpoint(os.environ)}")
    told, why_not = ask_hub("file", data.repo, data.revision, data.file, seconds=FETCH_SECONDS)
    if told is None:
        raise RefusalError(why_not)
    return told
