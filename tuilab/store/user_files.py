"""The files of a person, outside any experiment: their config, and what the app remembers."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tuilab.contract import atomic

if TYPE_CHECKING:
    from tuilab.grid.config_text import ConfigProblem
    from tuilab.grid.limits import Price
    from tuilab.grid.user_config import UserConfig


def config_file(env: Mapping[str, str] = os.environ) -> Path:
    """Return where the person's config is, or would be."""
    return _xdg(env, "XDG_CONFIG_HOME", ".config") / "config.toml"


def state_dir(env: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for what is remembered between two starts."""
    return _xdg(env, "XDG_STATE_HOME", ".local/state")


def _xdg(env: Mapping[str, str], name: str, otherwise: str) -> Path:
    # An entry that is no absolute path is to be passed over, says the XDG specification.
    chosen = env.get(name, "")
    return (Path(chosen) if chosen.startswith("/") else Path.home() / otherwise) / "tuilab"


class Loaded(NamedTuple):
    """A person's config as far as it could be read."""

    config: UserConfig
    problems: tuple[ConfigProblem, ...] = ()
    """What is wrong with the file; those entries have their default."""


def load_user_config() -> Loaded:
    """Read the config; never raises: an entry that is wrong costs itself alone."""
    from tuilab.grid.config_text import ConfigError, ConfigProblem, dotted, fit, parse_toml, without
    from tuilab.grid.user_config import UserConfig

    path = config_file()
    try:
        raw = parse_toml(str(path), path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Loaded(UserConfig())
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "is not text in UTF-8"
        return Loaded(UserConfig(), (ConfigProblem(str(path), "(file)", why),))
    except ConfigError as error:
        return Loaded(UserConfig(), error.problems)
    config, wrong = fit(raw, UserConfig)
    if config is None:
        config, _ = fit(without(raw, [_entry(where) for where, _ in wrong]), UserConfig)
    problems = tuple(ConfigProblem(str(path), dotted(where), why) for where, why in wrong)
    return Loaded(config or UserConfig(), problems)


def user_config() -> UserConfig | None:
    """Return the config where there is a file; None spares most people the schema's import."""
    return load_user_config().config if config_file().exists() else None


def gpu_price() -> Price | None:
    """Return what the person pays for a GPU; None where the config does not say."""
    from tuilab.grid.limits import Price

    config = user_config()
    if config is None or config.price.gpu_hour is None:
        return None
    return Price(config.price.gpu_hour, config.price.currency)


def place_options(name: str) -> Mapping[str, Any]:
    """Return what the person's config says of a place where workers run; {} for nothing."""
    config = user_config()
    return {} if config is None else config.places.get(name, {})


def _entry(path: tuple[object, ...]) -> tuple[object, ...]:
    """The entry that a problem is in: of a list the whole list."""
    inside = next((place for place, part in enumerate(path) if isinstance(part, int)), len(path))
    return path[:inside]


def editor(env: Mapping[str, str] = os.environ) -> list[str]:
    """Return the words that start the person's editor."""
    return shlex.split(env.get("VISUAL") or env.get("EDITOR") or "vi")


def pager(env: Mapping[str, str] = os.environ) -> list[str]:
    """Return the words that start the person's pager."""
    return shlex.split(env.get("PAGER") or "less")


def remembered(name: str) -> str:
    """Return what was remembered under a name; "" for nothing."""
    try:
        return (state_dir() / name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError):
        return ""


def remember(name: str, value: str) -> None:
    """Keep a word between two starts; a home that cannot be written is no trouble."""
    try:
        state_dir().mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(state_dir() / name, f"{value}\n".encode())
    except OSError:
        return
