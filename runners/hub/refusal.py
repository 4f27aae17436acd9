"""Says in one sentence why a hub gave nothing, and what to do; pure but for ``facts_of``.

No token is ever part of a sentence.
"""

from __future__ import annotations

import errno
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from tuilab.contract.reasons import Reason

Told = tuple[Reason, str]


@dataclass(frozen=True, slots=True)
class Facts:
    """What an exception of the hub's library tells."""

    names: tuple[str, ...] = ()
    """Its class and those it is made from, and the same of what caused it."""
    text: str = ""
    """Its first line, and those of its causes."""
    status: int | None = None
    """HTTP status of the answer; None when there was none."""
    code: str = ""
    """``X-Error-Code`` of the answer."""
    message: str = ""
    """``X-Error-Message`` of the answer."""
    retry_after: float | None = None
    """Seconds that the hub asks to wait."""
    errno: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, and how."""

    model: str
    revision: str | None = None
    file: str = ""
    """The file of a data set; "" for a model."""
    endpoint: str = "https://huggingface.co"
    cache: str = ""
    """Folder of the cache."""
    token: str = ""
    """Where the token came from: ``HF_TOKEN``, ``the login``; "" when none was sent."""
    near: tuple[str, ...] = ()
    """Names in the cache that are spelt alike."""
    branch: str = ""
    """What ``main`` is on the hub now; "" when that is not known."""
    is_offline: bool = False
    """HF_HUB_OFFLINE is set."""
    proxy: str = ""
    """Name of the variable that sets a proxy; "" when none does."""
    now: float = 0.0
    """Unix time, for the moment at which it is tried again."""


_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_WRITE = (errno.EROFS, errno.EACCES, errno.EPERM)
_NETWORK = (
    "ConnectError", "ConnectTimeout", "ReadTimeout", "TimeoutException", "NetworkError",
    "RemoteProtocolError", "ReadError", "ConnectionError", "TimeoutError",
)  # fmt: skip


def explain(facts: Facts, asked: Asked) -> Told:
    """Return the reason and one sentence; reason ``hub`` is what may pass by itself."""
    for look in (_disk, _offline, _access, _missing, _certificate, _passing):
        if told := look(facts, asked):
            return told
    if facts.status is not None:
        return Reason.CONFIG, f"{asked.endpoint} answers {facts.status} to {asked.model}: " + (
            facts.message or facts.text
        )
    return Reason.CODE, f"{asked.model} was not fetched: {facts.names[:1]} {facts.text}"


def _disk(facts: Facts, asked: Asked) -> Told | None:
    if facts.errno in _FULL or "No space left on device" in facts.text:
        return Reason.DISK_FULL, (
            f"the cache {asked.cache} is full: free space there, or set HF_HOME to a larger volume"
        )
    if facts.errno in _NO_WRITE:
        return Reason.CONFIG, (
            f"the cache {asked.cache} cannot be written: set HF_HOME to a folder of yours"
        )
    return None


def _offline(facts: Facts, asked: Asked) -> Told | None:
    if not (asked.is_offline or "OfflineModeIsEnabled" in facts.names):
        return None
    at = f" at {asked.revision}" if asked.revision else ""
    return Reason.CONFIG, (
        f"{asked.model}{at} is not whole in {asked.cache} and HF_HUB_OFFLINE forbids to fetch it: "
        "unset it, or fetch where there is a network and copy the cache"
    )


def _access(facts: Facts, asked: Asked) -> Told | None:
    page = f"{asked.endpoint}/{asked.model}"
    login = "`hf auth login` (or export HF_TOKEN)"
    if "DisabledRepoError" in facts.names:
        return Reason.AUTH, f"{asked.model} was disabled by the hub: {page} says why"
    if "Invalid credentials" in facts.message:
        of = f" of {asked.token}" if asked.token else ""
        return Reason.AUTH, f"the hub does not know the token{of}: {login}, then relaunch"
    if facts.code == "GatedRepo" or "GatedRepoError" in facts.names:
        if not asked.token:
            return Reason.AUTH, (
                f"{asked.model} is gated and no token is set: ask for access at {page}, then "
                f"{login} and relaunch"
            )
        return Reason.AUTH, (
            f"{asked.model} is gated and the account of {asked.token} has no access yet: ask for "
            f"it at {page}, then relaunch"
        )
    if facts.status == 403:
        return Reason.AUTH, (
            f"the hub forbids {asked.model} to {asked.token or 'anyone without a token'}: give the "
            f"token read access to it ({asked.endpoint}/settings/tokens), then relaunch"
        )
    return None


def _missing(facts: Facts, asked: Asked) -> Told | None:
    if facts.code == "EntryNotFound" or "EntryNotFoundError" in facts.names:
        return Reason.CONFIG, (
            f"{asked.model} has no file {asked.file}: look at {asked.endpoint}/{asked.model}"
        )
    if facts.code == "RevisionNotFound" or "RevisionNotFoundError" in facts.names:
        now = f"main is {asked.branch} now" if asked.branch else "look at its branches and tags"
        way_out = "name another" if asked.file else "set base.revision"
        return Reason.CONFIG, (
            f"{asked.model} has no revision {asked.revision or 'main'!r}: {now}; {way_out}"
        )
    if facts.code == "RepoNotFound" or "RepositoryNotFoundError" in facts.names:
        near = f" (did you mean {' or '.join(asked.near)}?)" if asked.near else ""
        private = (
            f"or the account of {asked.token} may not see it"
            if asked.token
            else "or it is private and no token is set: `hf auth login`"
        )
        what = "" if asked.file else "model "
        return Reason.CONFIG, (
            f"{asked.endpoint} has no {what}{asked.model}{near}: check the spelling, {private}"
        )
    return None


def _certificate(facts: Facts, asked: Asked) -> Told | None:
    if "CERTIFICATE_VERIFY_FAILED" in facts.text or "certificate verify failed" in facts.text:
        return Reason.CONFIG, (
            f"the certificate of {asked.endpoint} is not trusted here: set SSL_CERT_FILE to your "
            "authority's certificates, or mend the clock"
        )
    if "ProxyError" in facts.names or facts.status == 407:
        name = asked.proxy or "HTTPS_PROXY"
        return Reason.CONFIG, f"the proxy in {name} refuses {asked.endpoint}: mend or unset {name}"
    return None


def _passing(facts: Facts, asked: Asked) -> Told | None:
    if facts.status == 429:
        until = ""
        if facts.retry_after is not None:
            moment = time.localtime(asked.now + facts.retry_after)
            until = f" until {time.strftime('%H:%M:%S', moment)}"
        more = "" if asked.token else "; with a token (`hf auth login`) it allows more"
        return Reason.HUB, f"{asked.endpoint} asks to wait{until} (429, too many requests){more}"
    if facts.status is not None and facts.status >= 500:
        return Reason.HUB, f"{asked.endpoint} is out of order (it answers {facts.status})"
    is_cut = "Consistency check failed" in facts.text
    if is_cut or any(name in _NETWORK for name in facts.names):
        by = f", or through the proxy in {asked.proxy}" if asked.proxy else ""
        return Reason.HUB, f"{asked.endpoint} cannot be reached{by}: {_short(facts.text)}"
    return None


def _short(text: str) -> str:
    first = next((part for part in text.split("; ") if part.strip()), "no answer")
    return first.strip()[:120]


def facts_of(error: BaseException, now: float) -> Facts:
    """Read an exception and what caused it."""
    chain = list(_chain(error))
    names = tuple(dict.fromkeys(kind.__name__ for one in chain for kind in type(one).__mro__))
    response = next((r for one in chain if (r := getattr(one, "response", None)) is not None), None)
    headers: Mapping[str, str] = getattr(response, "headers", None) or {}
    numbers = (one.errno for one in chain if isinstance(one, OSError) and _is_of_a_file(one))
    return Facts(
        names=names,
        text="; ".join(str(one).strip().partition("\n")[0] for one in chain),
        status=getattr(response, "status_code", None),
        code=headers.get("X-Error-Code", ""),
        message=headers.get("X-Error-Message", ""),
        retry_after=_seconds(headers, now),
        errno=next(numbers, None),
    )


def _is_of_a_file(error: OSError) -> bool:
    """Whether an error's number speaks of a disk: a certificate's is 1, as if not permitted."""
    if isinstance(error, ssl.SSLError) or not error.errno:
        return False
    return error.errno in _FULL or error.filename is not None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def _seconds(headers: Mapping[str, Any], now: float) -> float | None:
    """Read Retry-After (seconds or a date), else ``t`` of the RateLimit header."""
    raw = str(headers.get("Retry-After", ""))
    if raw.strip().isdigit():
        return float(raw)
    if raw:
        try:
            return max(0.0, parsedate_to_datetime(raw).timestamp() - now)
        except (ValueError, TypeError):
            return None
    limit = str(headers.get("RateLimit", ""))
    parts = dict(part.strip().partition("=")[::2] for part in limit.split(";"))
    return float(parts["t"]) if parts.get("t", "").isdigit() else None
