"""Takes a model hub's token from the process that asks for work, and puts it on no disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuilab.contract.hub import TOKENS
from tuilab.contract.identity import Identity, is_alive
from tuilab.contract.parsing import typed


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
    return {name: value for name, _, value in pairs if name in TOKENS and value}
