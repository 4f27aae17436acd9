"""What others wrote cannot reach the terminal as anything but text, and keeps no secret."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuilab.contract.foreign import clean, clean_line, redact, redact_all


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("plain [/b] [INFO] [rank0]: text", "plain [/b] [INFO] [rank0]: text"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]52;c;aGVsbG8=\x1b\\after", "after"),
        ("\x9b2Jcleared", "cleared"),
        ("a\x00b\x08c\x7f", "abc"),
        ("right\u202eleft", "rightleft"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("ä 名 😀", "ä 名 😀"),
        ("one\ntwo\tthree", "one\ntwo\tthree"),
        ("\ud800", ""),
        ("\x1b", ""),
        ("\x1b[", ""),
    ],
)
def test_only_text_comes_through(foreign: str, shown: str) -> None:
    found = clean(foreign)
    assert "\x1b" not in found
    assert found == shown or (foreign == "\x1b[" and found == "[")


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(), max_size=60))
def test_nothing_that_moves_a_cursor_ever_comes_through(text: str) -> None:
    for char in clean(text):
        assert char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf", "Cs")
    assert "\n" not in clean_line(text) and "\t" not in clean_line(text)


@pytest.mark.parametrize(
    "text",
    [
        "token hf_abcdefghijklmnop",
        "HF_TOKEN=abc123secret",
        "export WANDB_API_KEY='abc123secret'",
        "MY_SECRET: abc123secret",
        '{"HF_TOKEN": "abc123secret"}',
        "hf_\x1b[1mabcdefghijklmnop",
        "key sk-abcdefghijklmnop",
    ],
)
def test_tokens_are_redacted(text: str) -> None:
    found = clean(text)
    assert "[redacted]" in found
    assert "abc123secret" not in found and "abcdefghijklmnop" not in found


SECRET = "Zq9" + "aB3dE6" * 6
HEX = "0123456789abcdef0123456789abcdef01234567"
KINDS = {
    **{f"{name} = x": f"{name}={SECRET}" for name in (
        "HF_TOKEN", "WANDB_API_KEY", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD",
        "MY_SECRET", "SSH_PRIVATE_KEY", "hf_token", "api_key", "password", "aws_secret_access_key",
    )},
    **{prefix: prefix + SECRET for prefix in (
        "hf_", "sk-", "ghp_", "gho_", "github_pat_", "glpat-", "r8_", "wandb_v1_", "xoxb-", "AIza",
        "npm_",
    )},
    "a variable with more behind the word": f"HF_HUB_TOKENX={SECRET}",
    "AKIA": "AKIAIOSFODNN7EXAMPLE",
    "pypi": "pypi-" + SECRET * 2,
    "SendGrid": f"SG.{SECRET}.{SECRET}",
    "JWT": f"eyJhbGciOiJI.eyJzdWIiOiIx.{SECRET}",
    "Bearer": f"Authorization: Bearer {SECRET}",
    "an option": f"--api-key {SECRET}",
    "an option in JSON": f'["--password", "{SECRET}"]',
    "a URL": f"https://me:{SECRET}@host/x",
    "a key of wandb": f"wandb login {HEX}",
    "YAML": f"password: {SECRET}",
    "a small name of its own": f"my_token: {SECRET}",
    "a token given as an option": f"--token={SECRET}",
    "a token behind its option": f'["--judge-key", "{SECRET}"]',
    "Stripe": f"sk_live_{SECRET}",
    "DigitalOcean": f"dop_v1_{HEX}",
    "Google": f"ya29.{SECRET}",
    "Basic": f"Authorization: Basic {SECRET}==",
    "a private key": f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY----- after",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_thirty_kinds_of_secrets_are_told(kind: str) -> None:
    found = redact(f"before {KINDS[kind]} after")
    assert "[redacted]" in found and found.startswith("before ") and found.endswith(" after")
    assert SECRET not in found and HEX not in found and "IOSFODNN7" not in found
    told = redact_all({"a": [KINDS[kind]]})
    assert SECRET not in json.dumps(told)


@pytest.mark.parametrize(
    "text",
    [
        '{"token": "0123456789abcdef", "key": "villain"}',
        '"eos_token": "<|im_end|>"',
        "TOKENIZERS_PARALLELISM=false",
        "max_new_tokens=48",
        "MAX_TOKENS=4096",
        f"commit {HEX}",
        f'"sha256": "{HEX}{HEX[:24]}"',
        "You keep a secret lair. The password is easy.",
        "HF_TOKEN: null",
        f"special_token {SECRET}",
        f"cache_key={HEX}",
        '"headline_key": "villain/B0,marker.lr=1e-05"',
        "a basic understanding of things",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_the_name_of_a_redacted_variable_stays() -> None:
    assert redact("HF_TOKEN=abc and more") == "HF_TOKEN=[redacted] and more"


def test_a_huge_text_is_clipped_with_an_ellipsis_and_costs_little() -> None:
    found = clean("x" * 50_000_000, limit=80)
    assert len(found) == 80 and found.endswith("…")


@pytest.mark.parametrize("char", ["A", "_", "hf_", "\x1b[", "\x1b]"])
def test_no_text_is_slow_to_clean(char: str) -> None:
    assert clean(char * 100_000) is not None  # quadratic work would hit the suite's time limit


def test_a_progress_bar_shows_its_last_state() -> None:
    assert clean_line("10%\r50%\r100%\r\n") == "100%"


def test_our_own_sources_hold_nothing_to_blank_out() -> None:
    # Bundles have a copy of them, which is compared with its hash unless something was blanked out.
    root = Path(__file__).parents[2]
    files = [*root.glob("runners/**/*.py"), *root.glob("tuilab/contract/*.py")]
    assert len(files) > 100
    assert [path.name for path in files if redact(text := path.read_text()) != text] == []
