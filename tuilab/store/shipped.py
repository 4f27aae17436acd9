"""Finds what comes with tuilab: configs, published numbers and the runner programs."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

RUNNERS = "runners"
"""Package of the runner programs, beside this one."""

SHARED_PROMPTS = "eps109-prompts.toml"
"""Extended by the other configs; no experiment of its own."""


def published_dir() -> Path:
    """Return the read-only experiment of the published card's own numbers."""
    return Path(__file__).parents[1] / "published"


def configs_dir() -> Path:
    """Return the folder of the shipped configs; FileNotFoundError when the install is damaged."""
    package = Path(__file__).parents[1]
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / SHARED_PROMPTS).is_file():
            return folder
    raise FileNotFoundError(f"the shipped configs are missing beside {package}: reinstall tuilab")


def runner_folder() -> Path | None:
    """Return where the runner programs lie, without importing them; None where there are none."""
    try:
        spec = find_spec(RUNNERS)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))
