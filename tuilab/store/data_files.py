"""Reads the files that a config names, beside it, and keeps copies with the experiment."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from tuilab.contract import hub
from tuilab.contract.parsing import read_bytes
from tuilab.store.program_name import program, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuilab.grid.config_text import LoadedConfig
    from tuilab.grid.data_files import Named


class _OnHubError(ValueError):
    """A file that has to be fetched first."""


def with_files(loaded: LoadedConfig, folders: tuple[Path, ...]) -> LoadedConfig:
    """Return a config with what its files hold; they lie in the first folder that has them.

    Raises ConfigError that names each field whose file is missing or holds something else.
    """
    from tuilab.grid.config_text import ConfigError, ConfigProblem, dotted
    from tuilab.grid.data_files import DataFileError, files_named

    found, kept, wrong = {}, {}, []
    for named in files_named(loaded.config):
        try:
            content = _content(named, folders)
            found[named.name] = named.read(content.decode("utf-8-sig"))
        except (DataFileError, OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            fetch = named.name if isinstance(error, _OnHubError) else ""
            if isinstance(error, UnicodeDecodeError):
                why = "is not text in UTF-8"
            said = f"{named.name}: {why}"
            wrong.append(ConfigProblem(loaded.files[0], dotted(named.field), said, fetch))
            continue
        if not Path(named.name).is_absolute():
            kept[named.name] = content
    if wrong:
        raise ConfigError(wrong)
    return replace(loaded, config=loaded.config.with_files(found), data=kept)


def write_files(root: Path, data: Mapping[str, bytes]) -> None:
    """Put copies of a config's files beside it, so that the experiment stands alone."""
    for name, content in data.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _content(named: Named, folders: tuple[Path, ...]) -> bytes:
    if ".." in PurePosixPath(named.name).parts:
        raise ValueError("leaves the config's folder: put the file into it or write its full path")
    paths = [folder / named.name for folder in folders]
    path = next((one for one in paths if one.is_file()), paths[0])
    data = hub.data_on_hub(named.name)
    if data is not None and not path.is_file():  # an experiment has a copy of what it was made with
        found = hub.data_in_cache(data, os.environ)
        if found is None:
            raise _OnHubError(f"is not here: `{program()} fetch {quoted(named.name)}` fetches it")
        path = found
    return read_bytes(path)
