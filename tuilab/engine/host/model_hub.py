"""What the engine has of a model hub: whether it answers, who may still ask it, whose token it is.

No token reaches a disk, and the engine's loop never waits for a network.
"""

from __future__ import annotations

import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Set
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tuilab.contract import hub
from tuilab.contract.identity import Identity, is_alive
from tuilab.contract.parsing import typed
from tuilab.engine.decide.policy import Policy, bases
from tuilab.grid.jobs import Plan

TIMEOUT = 10.0


class HubTrial:
    """One trial after the other, as long as somebody asks."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="hub")
        self._trial: Future[bool] | None = None
        self._next_at = 0.0

    def answers(self, every: float) -> bool:
        """Whether the last trial was answered; begins the next one when ``every`` s have passed."""
        now = time.monotonic()
        if self._trial is None and now >= self._next_at:
            self._trial = self._pool.submit(is_answered, hub.endpoint(self._env))
            self._next_at = now + every
        if self._trial is None or not self._trial.done():
            return False
        found = self._trial.result()
        self._trial = None
        return found

    def forget(self) -> None:
        """Begin anew the next time."""
        self._trial = None
        self._next_at = 0.0


def is_answered(endpoint: str) -> bool:
    """Whether a hub answers a HEAD with anything but ``too many`` and ``out of order``.

    A certificate that is not trusted counts as an answer: waiting does not mend it, and the job
    that is tried next says what does.
    """
    request = urllib.request.Request(endpoint, method="HEAD", headers={"User-Agent": "tuilab"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500 and error.code != 429
    except urllib.error.URLError as error:
        return isinstance(error.reason, ssl.SSLError)
    except (OSError, ValueError):
        return False


def on_hub(plan: Plan) -> frozenset[tuple[str, str | None]]:
    """Return model and revision of each base of a plan that has to come from a hub."""
    return frozenset(
        (str(base["model"]), base.get("revision"))
        for base in bases(plan)
        if isinstance(base.get("model"), str) and hub.is_on_hub(base["model"])
    )


def is_offline(
    policy: Policy, needed: Set[tuple[str, str | None]], has_result: bool, own: Mapping[str, str]
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


def tokens_of(asker: Mapping[str, Any]) -> dict[str, str]:
    """Return the hub's tokens in the environment of a living process of this user, by variable.

    A shell may have got one since the engine started: whoever sets it and asks again needs no new
    engine. {} for another host or user, and for a process that is gone.
    """
    try:
        who = typed(asker, Identity)
        folder = Path(f"/proc/{who.pid}")
        if not is_alive(who) or folder.stat().st_uid != os.geteuid():
            return {}
        entries = (folder / "environ").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return {}
    pairs = (entry.decode(errors="surrogateescape").partition("=") for entry in entries)
    return {name: value for name, _, value in pairs if name in hub.TOKENS and value}
