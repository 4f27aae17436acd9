"""Asks an OpenAI-compatible endpoint for judgements: many at once, each until it is answered."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import httpx

from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

LONGEST_WAIT = 30.0
"""Seconds between two tries at most, whatever the endpoint asks for."""
FIRST_WAIT = 0.5
_PASSING = frozenset({408, 409, 425, 429})
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
    endpoint: Mapping[str, Any], bodies: Mapping[str, Body], check: Callable[[], None]
) -> Iterator[tuple[str, Reply]]:
    """Yield the reply to each body under its key, as they come; ``check`` may raise to stop.

    Raises JobError (config) when the endpoint refuses, or where its key is not set.
    """
    headers = _headers(endpoint)
    limit = int(endpoint["concurrency"])
    waiting = iter(bodies.items())
    with (
        httpx.Client(timeout=float(endpoint["timeout_seconds"]), headers=headers) as client,
        ThreadPoolExecutor(limit) as pool,
    ):
        running: dict[Future[Reply], str] = {}
        try:
            while True:
                while len(running) < limit and (found := next(waiting, None)) is not None:
                    running[pool.submit(_ask, client, endpoint, found[1])] = found[0]
                if not running:
                    return
                for future in wait(running, timeout=0.5, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
                check()
        except RefusedError as error:
            raise JobError(Reason.CONFIG, str(error)) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


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


def _ask(client: httpx.Client, endpoint: Mapping[str, Any], body: Body) -> Reply:
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
        except (httpx.TransportError, ValueError, KeyError, TypeError, IndexError) as error:
            why = f"{type(error).__name__}: {error}".splitlines()[0]
        if left:
            time.sleep(min(LONGEST_WAIT, asked if asked is not None else pause))
            pause *= 2 * random.uniform(0.8, 1.2)  # clients that failed together come back apart
    return Reply(None, why=why)


def _read(response: httpx.Response) -> Reply:
    raw = response.json()
    text = raw["choices"][0]["message"]["content"]
    usage = raw.get("usage") or {}
    tokens = (int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0)))
    return Reply(str(text or ""), tokens)


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None
