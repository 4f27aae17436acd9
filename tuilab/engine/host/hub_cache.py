"""Decides whether workers may still reach for the model hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tuilab.engine.decide.policy import Policy
from tuilab.grid.jobs import Plan

LOCAL = "tiny"
"""The base that is shipped."""


def is_offline(policy: Policy, plan: Plan, has_result: bool, own: Mapping[str, str]) -> bool:
    """Whether a new worker gets HF_HUB_OFFLINE.

    ``auto``: once every base lies on this machine and a verified result was made (``has_result``),
    so that no cell can meet another revision, and no job waits for a hub that is away. ``own`` is
    the engine's environment, which says where the cache is.
    """
    if isinstance(policy.offline, bool):
        return policy.offline
    hub_bases = [base for base in bases_of(plan) if not _is_local(base[0])]
    if not hub_bases:
        return True
    return has_result and all(is_fetched(model, commit, own) for model, commit in hub_bases)


def bases_of(plan: Plan) -> set[tuple[str, str | None]]:
    """Return model and revision of every base that a plan's settings name."""
    found = set()
    for settings in plan.settings.values():
        base = settings.get("base")
        if isinstance(base, Mapping) and isinstance(base.get("model"), str):
            found.add((str(base["model"]), base.get("revision")))
    return found


def is_fetched(model: str, revision: str | None, own: Mapping[str, str]) -> bool:
    """Whether a snapshot of a hub model lies in the cache (that of the revision, if one is set)."""
    folder = hub_cache(own) / f"models--{model.replace('/', '--')}" / "snapshots"
    return any(folder.glob(f"{revision or '*'}/config.json"))


def hub_cache(own: Mapping[str, str]) -> Path:
    """Return the folder of the hub's cache, as the hub's own library chooses it."""
    if cache := own.get("HF_HUB_CACHE"):
        return Path(cache)
    if home := own.get("HF_HOME"):
        return Path(home) / "hub"
    return Path(own.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface" / "hub"


def _is_local(model: str) -> bool:
    return model == LOCAL or Path(model).is_dir()
