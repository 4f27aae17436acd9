"""Finds what comes with tuilab: configs (in the package, or beside it) and published numbers."""

from __future__ import annotations

from pathlib import Path

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
