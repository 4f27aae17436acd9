"""Reads the TOML that people write; whatever is wrong with it is one kind of error."""

from __future__ import annotations

import tomllib
from tomllib import TOMLDecodeError
from typing import Any

__all__ = ["TOMLDecodeError", "loads"]


def loads(text: str) -> dict[str, Any]:
    """Return the tables of a text; TOMLDecodeError also for what Python refuses to hold."""
    try:
        return tomllib.loads(text)
    except TOMLDecodeError:
        raise
    except ValueError:
        raise TOMLDecodeError("holds a number of thousands of digits") from None
    except RecursionError:
        raise TOMLDecodeError("is nested too deeply") from None
