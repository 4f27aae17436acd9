"""The one boundary for text that others wrote: names, logs, completions, errors."""

from __future__ import annotations

import re
import unicodedata

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])"
    r"|\x9b[0-?]*[ -/]*[@-~]"
)
_SECRETS = re.compile(
    r"\b(hf_[A-Za-z0-9]{8,}|sk-[A-Za-z0-9_-]{12,}|ghp_[A-Za-z0-9]{20,}|wandb_v1_[A-Za-z0-9_]{10,})"
    r"|(?P<key>(?<![A-Z_])[A-Z_]*(?:SECRET|TOKEN|API_KEY)['\"]?\s*[=:]\s*['\"]?)[^\s'\"]+"
)
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
    """Replace what looks like a token or key by ``[redacted]``, keeping the variable's name."""
    return _SECRETS.sub(lambda match: f"{match.group('key') or ''}[redacted]", text)


def is_harmless(char: str) -> bool:
    """Whether a terminal shows a character and obeys nothing by it."""
    if char in _KEPT_CONTROLS:
        return True
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
