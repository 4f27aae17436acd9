"""Parses JSON that a crash or a stranger may have damaged: whatever is wrong is a ValueError."""

from __future__ import annotations

import json
from typing import Any


def loads(text: str | bytes) -> Any:
    """Return the value of a JSON text; ValueError also for one that is nested beyond reason."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("is nested too deeply to be one of our files") from error
