"""Decides whether workers may still reach for the model hub."""

from __future__ import annotations

from collections.abc import Mapping

from tuilab.contract import hub
from tuilab.engine.decide.policy import Policy, bases
from tuilab.grid.jobs import Plan


def is_offline(policy: Policy, plan: Plan, has_result: bool, own: Mapping[str, str]) -> bool:
    """Whether a new worker gets HF_HUB_OFFLINE.

    ``auto``: once every base is whole on this machine and a verified result was made
    (``has_result``), so that no cell can meet another revision, and no job waits for a hub that is
    away. ``own`` is the engine's environment, which says where the cache is.
    """
    if isinstance(policy.offline, bool):
        return policy.offline
    on_hub = {
        (str(base["model"]), base.get("revision"))
        for base in bases(plan)
        if isinstance(base.get("model"), str) and hub.is_on_hub(base["model"])
    }
    if not on_hub:
        return True
    return has_result and all(hub.fetched(*base, own) is not None for base in on_hub)
