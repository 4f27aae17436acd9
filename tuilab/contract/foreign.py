"""The one boundary for text that others wrote: names, logs, completions, errors."""

from __future__ import annotations

import json
import re
import unicodedata
from functools import cache
from typing import Any

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])"
    r"|\x9b[0-?]*[ -/]*[@-~]"
)
_PREFIXED = (
    r"hf_[A-Za-z0-9]{8,}",
    r"sk-[A-Za-z0-9_-]{12,}",
    r"gh[pousr]_[A-Za-z0-9]{20,}",
    r"github_pat_[A-Za-z0-9_]{20,}",
    r"glpat-[A-Za-z0-9_-]{16,}",
    r"(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])",
    r"r8_[A-Za-z0-9]{20,}",
    r"wandb_v1_[A-Za-z0-9_]{10,}",
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    r"AIza[A-Za-z0-9_-]{30,}",
    r"npm_[A-Za-z0-9]{30,}",
    r"pypi-[A-Za-z0-9_-]{40,}",
    r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
    r"[rs]k_(?:live|test)_[A-Za-z0-9]{10,}",
    r"do[opr]_v1_[a-f0-9]{40,}",
    r"ya29\.[A-Za-z0-9_-]{20,}",
)
"""Tokens that tell themselves; the shapes are those of their makers' documents and of the plugins
of Yelp/detect-secrets (Apache-2.0)."""
_WORDS = "SECRET|PASSW(?:OR)?D|PASSPHRASE|API_?KEY"
"""Of names that hold a secret, whatever else they say."""
_NAMES = (
    # Capitals are variables of an environment; TOKENIZERS_PARALLELISM and MAX_TOKENS are no secret.
    rf"(?<![A-Z0-9_])[A-Z0-9_]*(?:(?:{_WORDS}|_KEY)(?![A-Z])|"
    r"TOKEN(?!IZ|S(?![A-Z])))[A-Z0-9_]*",
    # Small ones only where they say whose: key, token and eos_token are words of ours.
    r"(?i:(?<![a-z0-9])(?:[a-z0-9]{1,20}[_-]){0,3}"
    r"(?:password|passwd|passphrase|secret|api[_-]?key|(?:access|auth|hf|hub|private|secret|"
    r"refresh|session|github|gitlab|wandb|openai|anthropic|aws)[_-]?(?:token|key)))(?![a-zA-Z])",
)
_PATTERNS = (
    rf"(?<![A-Za-z0-9])(?:{'|'.join(_PREFIXED)})"
    # Other small names only before what no word, number or hash looks like.
    r"|(?P<small>(?i:--(?:[a-z0-9]{1,20}-){0,3}(?:token|key)[\\'\"]*(?:\s*[=:]|,?\s)"
    r"|(?<![a-z0-9])(?:[a-z0-9]{1,20}[_-]){1,3}(?:token|key)[\\'\"]*\s*[=:])\s*[\\'\"]*)"
    r"(?=[\w.~+/-]*[a-z])(?=[\w.~+/-]*[A-Z])(?=[\w.~+/-]*\d)[\w.~+-]{16,}"
    rf"|(?P<name>(?:(?:{'|'.join(_NAMES)})[\\'\"]*\s*[=:]\s*|--(?:{_NAMES[1]})[\\'\"]*,?\s+)"
    r"[\\'\"]*)"
    r"(?![\s'\"\\,}\])]|(?:null|None|true|false)\b|\[redacted\])[^\s'\"\\,}\])]+"
    r"|(?P<bearer>(?i:\bbearer|\bauthorization[\\'\"]*\s*[=:]\s*[\\'\"]*basic)\s+)"
    r"[A-Za-z0-9._~+/=-]{8,}"
    r"|(?P<pem>-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----)(?:(?!-----END)[^\"']){1,8192}"
    r"|(?P<url>\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"]{0,100}:)[^\s/@'\"]{1,200}(?=@)"
    r"|(?P<wandb>(?i:wandb|netrc|api\.wandb\.ai)[^\n]{0,60}?)(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])"
)
_MARKS = (
    "hf_", "sk-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "r8_", "xox",
    "npm_", "pypi-", "bearer", "://", "wandb", "netrc", "secret", "password", "passwd",
    "passphrase", "apikey", "k_live_", "k_test_", "_v1_", "ya29.", "authorization", "private key",
    "_key", "-key", "api-key", "_token", "-token",
    *(f"{whose}{what}" for what in ("token", "key") for whose in (
        "access", "auth", "hf", "hub", "private", "refresh", "session", "gitlab", "openai",
        "anthropic", "aws")),
)  # fmt: skip
_MARKS_AS_WRITTEN = ("TOKEN", "AKIA", "ASIA", "AIza", "SG.", "eyJ")
"""Each kind of secret has one of these in it: looking for them costs a tenth of the patterns."""
_KEPT_CONTROLS = "\n\t"


def clean(text: str, limit: int | None = None) -> str:
    """Return ``text`` safe to show: no escape sequences, controls or bidi overrides, no secrets.

    Terminal sequences are removed whole, and so are other control and format characters; newline
    and tab stay. With ``limit`` the text is clipped to that many characters, the last an ellipsis.
    """
    if limit is not None and len(text) > 4 * limit + 4096:
        text = text[: 4 * limit + 4096]
    if not (text.isascii() and text.isprintable()):
        text = _ESCAPES.sub("", text)
        text = "".join(char for char in text if is_harmless(char))
    text = redact(text)
    if limit is not None and len(text) > limit:
        text = text[: max(0, limit - 1)] + "…"
    return text


def clean_line(text: str, limit: int | None = None) -> str:
    """Like ``clean``, on one line: only what follows the last carriage return, breaks as spaces."""
    last = text.rstrip("\r\n").rsplit("\r", 1)[-1]
    return clean(last, limit).replace("\n", " ").replace("\t", "    ")


def redact(text: str) -> str:
    """Replace what looks like a token, key or password by ``[redacted]``; what names it stays.

    JSON and shell text keep their quotes, so that redacted JSON is JSON.
    """
    return _secrets().sub(_kept, text) if _may_hold_one(text) else text


@cache
def _secrets() -> re.Pattern[str]:
    """Return what finds secrets; compiled for the first text that may hold one."""
    return re.compile(_PATTERNS)


def names_a_secret(variable: str) -> bool:
    """Whether a variable of an environment holds a secret, by its name.

    Rather one too many: unlike a text, an environment loses nothing by it.
    """
    more = r"|PASSW|TOKEN(?!IZ)|CREDENTIAL|(^|_)(KEYS?|PASS|AUTH|COOKIES?)($|_)"
    return re.search(_WORDS + more, variable, re.IGNORECASE) is not None


def _may_hold_one(text: str) -> bool:
    small = text.lower()
    return any(mark in small for mark in _MARKS) or any(mark in text for mark in _MARKS_AS_WRITTEN)


def redact_all(value: Any) -> Any:
    """Return a JSON value with every text in it redacted, also one that follows its option."""
    text = json.dumps(value, ensure_ascii=False)
    clean_text = redact(text)
    return value if clean_text == text else json.loads(clean_text)


def _kept(match: re.Match[str]) -> str:
    named = match.groupdict()
    return f"{next(filter(None, named.values()), '')}[redacted]"


def is_harmless(char: str) -> bool:
    """Whether a terminal shows a character and obeys nothing by it."""
    if char in _KEPT_CONTROLS:
        return True
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
