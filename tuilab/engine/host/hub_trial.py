"""Tries whether a model hub answers, in a thread: the engine's loop never waits for a network."""

from __future__ import annotations

import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from tuilab.contract import hub

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
