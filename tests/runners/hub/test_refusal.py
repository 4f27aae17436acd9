"""Why a hub gave nothing: one sentence each, with what to do, and never a token."""

from __future__ import annotations

import errno

import pytest

from runners.hub.refusal import Asked, Facts, explain, facts_of
from tuilab.contract.reasons import Reason

ASKED = Asked("org/model", cache="/cache", branch="abc", near=("org/modal",), now=0.0)


def asked(**changes: object) -> Asked:
    """Return what was asked for, with some of it changed."""
    from dataclasses import replace

    return replace(ASKED, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "question", "reason", "words"),
    [
        (Facts(status=401, code="GatedRepo"), ASKED, "auth", "huggingface.co/org/model"),
        (
            Facts(status=401, code="GatedRepo"),
            ASKED,
            "auth",
            "`hf auth login` (or export",
        ),
        (
            Facts(status=403, code="GatedRepo"),
            asked(token="HF_TOKEN"),
            "auth",
            "the account of HF_TOKEN has no access yet",
        ),
        (
            Facts(status=401, message="Invalid credentials in Authorization header"),
            asked(token="HF_TOKEN"),
            "auth",
            "does not know the token of HF_TOKEN",
        ),
        (Facts(status=403), asked(token="HF_TOKEN"), "auth", "give the token read access"),
        (Facts(names=("DisabledRepoError",), status=403), ASKED, "auth", "was disabled"),
        (Facts(status=404, code="RepoNotFound"), ASKED, "config", "did you mean org/modal?"),
        (Facts(status=401, code="RepoNotFound"), ASKED, "config", "or it is private and no token"),
        (
            Facts(status=404, code="RepoNotFound"),
            asked(token="the login"),
            "config",
            "the account of the login may not see it",
        ),
        (
            Facts(status=404, code="RevisionNotFound"),
            asked(revision="v9"),
            "config",
            "no revision 'v9': main is abc now",
        ),
        (
            Facts(status=404, code="RevisionNotFound"),
            asked(model="datasets/a/b", revision="v9", file="rows.jsonl"),
            "config",
            "datasets/a/b has no revision 'v9': main is abc now; name another",
        ),
        (
            Facts(status=404, code="RepoNotFound"),
            asked(model="datasets/a/b", file="rows.jsonl"),
            "config",
            "has no datasets/a/b",
        ),
        (Facts(status=429, retry_after=3600.0), ASKED, "hub", "asks to wait until "),
        (Facts(status=429), ASKED, "hub", "asks to wait (429"),
        (Facts(status=503), ASKED, "hub", "is out of order (it answers 503)"),
        (Facts(names=("ConnectError",), text="no route"), ASKED, "hub", "cannot be reached: no"),
        (
            Facts(names=("ConnectTimeout",), text="timed out"),
            asked(proxy="HTTPS_PROXY"),
            "hub",
            "through the proxy in HTTPS_PROXY",
        ),
        (Facts(text="Consistency check failed: x"), ASKED, "hub", "cannot be reached"),
        (
            Facts(names=("ConnectError",), text="[SSL: CERTIFICATE_VERIFY_FAILED] x"),
            ASKED,
            "config",
            "set SSL_CERT_FILE",
        ),
        (
            Facts(names=("ProxyError",), text="407"),
            asked(proxy="https_proxy"),
            "config",
            "mend or unset https_proxy",
        ),
        (Facts(errno=errno.ENOSPC), ASKED, "disk-full", "set HF_HOME to a larger volume"),
        (Facts(errno=errno.EDQUOT), ASKED, "disk-full", "/cache is full"),
        (Facts(errno=errno.EROFS), ASKED, "config", "/cache cannot be written"),
        (
            Facts(names=("OfflineModeIsEnabled",)),
            ASKED,
            "config",
            "HF_HUB_OFFLINE forbids to fetch it",
        ),
        (Facts(status=418, message="a teapot"), ASKED, "config", "answers 418"),
        (Facts(names=("ValueError",), text="x"), ASKED, "code", "org/model was not fetched"),
    ],
)
def test_each_refusal_is_one_sentence_with_what_to_do(
    facts: Facts, question: Asked, reason: str, words: str
) -> None:
    found, sentence = explain(facts, question)
    assert (found, words in sentence) == (Reason(reason), True), sentence
    assert "\n" not in sentence


def test_what_caused_an_error_is_read_with_it() -> None:
    try:
        try:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        except OSError as cause:
            raise RuntimeError("on the way") from cause
    except RuntimeError as error:
        found = facts_of(error, 0.0)
    assert "ConnectionError" in found.names
    assert found.errno is None, "the number of an error that is of no file says nothing of a disk"
    assert found.text.startswith("on the way; ")


class _Response:
    status_code = 429

    def __init__(self, **headers: str) -> None:
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "30"}, 30.0),
        ({"Retry_After": "Thu, 01 Jan 1970 00:01:00 GMT"}, 60.0),
        ({"RateLimit": '"api";r=0;t=55'}, 55.0),
        ({"Retry_After": "soon"}, None),
        ({}, None),
    ],
)
def test_the_time_to_wait_is_read_however_it_is_written(
    headers: dict[str, str], seconds: float | None
) -> None:
    error = RuntimeError("x")
    error.response = _Response(**headers)  # type: ignore[attr-defined]
    assert facts_of(error, 0.0).retry_after == seconds
