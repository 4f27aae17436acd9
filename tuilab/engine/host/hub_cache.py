"""Decides whether workers may still reach for the model hub."""

from __future__ import annotations

from collections.abc import Mapping, Set

from tuilab.contract import hub
from tuilab.engine.decide.policy import Policy, bases
from tuilab.grid.jobs import Plan


def on_hub(plan: Plan) -> frozenset[tuple[str, str | None]]:
    """Return model and revision of each base of a plan that has to come from a hub."""
    return frozenset(
        (str(base["model"]), base.get("revision"))
        for base in bases(plan)
        if isinstance(base.get("model"), str) and hub.is_on_hub(base["model"])
    )


def is_offline(
    policy: Policy,
    needed: Set[tuple[str, str | None]],
    has_result: bool,
    own: Mapping[str, str],
) -> bool:
    """Whether a new worker gets HF_HUB_OFFLINE.

    ``auto``: once every base (``needed``) is whole on this machine and a verified result was made
    (``has_result``), so that no cell can meet another revision, and no job waits for a hub that is
    away. ``own`` is the engine's environment, which says where the cache is.
    """
    if isinstance(policy.offline, bool):
        return policy.offline
    if not needed:
        return True
    return has_result and all(hub.fetched(*base, own) is not None for base in needed)
