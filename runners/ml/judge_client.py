"""Asks an OpenAI-compatible endpoint for judgements: many at once, each until it is answered."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass
from typing import Any

import httpx

from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

LONGEST_WAIT = 30.0
"""Seconds between two tries at most, whatever the endpoint asks for."""
FIRST_WAIT = 0.5
_PASSING = frozenset({408, 409, 425, 429})
_UNREADABLE = (
    httpx.TransportError, ValueError, KeyError, TypeError, IndexError, AttributeError,
)  # fmt: skip
"""What a half or an odd answer raises."""
Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back of one request."""

    text: str | None
    """None where no try was answered."""
    tokens: tuple[int, int] = (0, 0)
    """Sent and received, as the endpoint counts them."""
    why: str = ""
    """Why there is no text."""


class RefusedError(Exception):
    """The endpoint refuses every request like this one: another try would not help."""


def ask_all(
    endpoint: Mapping[str, Any],
    bodies: Mapping[str, Body],
    keep: Callable[[str, Reply], None],
    check: Callable[[], None],
) -> None:
    """Ask every body, and give ``keep`` each reply under its key, as they come.

    ``check`` and, of a reply without text, ``keep`` may raise to stop: what is under way then is
    paid for, so that it is waited for and kept. Raises JobError (config) when the endpoint
    refuses, or where its key is not set.
    """
    headers = _headers(endpoint)
    limit = int(endpoint["concurrency"])
    waiting = iter(bodies.items())
    with (
        httpx.Client(timeout=float(endpoint["timeout_seconds"]), headers=headers) as client,
        ThreadPoolExecutor(limit) as pool,
    ):
        running: dict[Future[Reply], str] = {}
        is_over = threading.Event()
        try:
            while True:
                while len(running) < limit and (found := next(waiting, None)) is not None:
                    running[pool.submit(_ask, client, endpoint, found[1], is_over)] = found[0]
                if not running:
                    return
                for future in wait(running, timeout=0.5, return_when=FIRST_COMPLETED).done:
                    keep(running.pop(future), future.result())
                check()
        except RefusedError as error:
            raise JobError(Reason.CONFIG, str(error)) from error
        finally:
            is_over.set()
            for future in as_completed([one for one in running if not one.cancel()]):
                if future.exception() is None and future.result().text is not None:
                    keep(running[future], future.result())


def _headers(endpoint: Mapping[str, Any]) -> dict[str, str]:
    name = endpoint.get("key_env")
    if not name:
        return {}
    key = os.environ.get(name)
    if not key:
        raise JobError(
            Reason.CONFIG, f"{name} is not set: it must hold the key of {endpoint['base_url']}"
        )
    return {"Authorization": f"Bearer {key}"}


def _ask(
    client: httpx.Client, endpoint: Mapping[str, Any], body: Body, is_over: threading.Event
) -> Reply:
    url = f"{str(endpoint['base_url']).rstrip('/')}/chat/completions"
    pause, why = FIRST_WAIT, ""
    for left in range(int(endpoint["retries"]), -1, -1):
        asked: float | None = None
        try:
            response = client.post(url, json=body)
            if response.status_code == httpx.codes.OK:
                return _read(response)
            why = f"{response.status_code} {response.reason_phrase}"
            if response.status_code < 500 and response.status_code not in _PASSING:
                raise RefusedError(f"{url} refuses: {why}; check judge.model and judge.key_env")
            asked = _seconds(response.headers.get("Retry-After"))
        except _UNREADABLE as error:
            why = f"{type(error).__name__}: {error}".splitlines()[0]
        if is_over.is_set():
            break
        if left:
            is_over.wait(min(LONGEST_WAIT, asked if asked is not None else pause))
            pause *= 2 * random.uniform(0.8, 1.2)  # clients that failed together come back apart
    return Reply(None, why=why)


def _read(response: httpx.Response) -> Reply:
    raw = response.json()
    text = raw["choices"][0]["message"]["content"]
    usage = raw.get("usage") or {}
    sent, received = (int(usage.get(f"{name}_tokens") or 0) for name in ("prompt", "completion"))
    return Reply(str(text or ""), (sent, received))


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None
