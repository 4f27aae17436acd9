"""What the author of an experiment writes for its report, in report.toml beside the results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from tuilab.grid import toml
from tuilab.grid.config_block import Block, Text
from tuilab.grid.text import nearest

REPORT_TEXT_FILE = "report.toml"


class ReportTextError(ValueError):
    """report.toml cannot be used; the text says what is wrong with it."""


class ReportText(Block):
    """The parts of a report that no run can tell; Markdown is allowed."""

    background: str = ""
    """Why this was run."""
    rationale: str = ""
    """Why these settings, and what else was considered."""
    parents: tuple[Text, ...] = ()
    """Earlier results that it follows."""
    next_steps: tuple[Text, ...] = ()
    """What this result asks for."""
    consumers: tuple[Text, ...] = ()
    """Who builds on it."""


def read_report_text(text: str) -> ReportText:
    """Read the file's text; ReportTextError names everything that is wrong with it."""
    try:
        # As JSON, where a list is taken for a tuple and all else stays strict.
        return ReportText.model_validate_json(json.dumps(toml.loads(text), default=str))
    except toml.TOMLDecodeError as error:
        raise ReportTextError(f"{REPORT_TEXT_FILE} is not valid TOML: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(_words(dict(one)) for one in error.errors())
        raise ReportTextError(f"{REPORT_TEXT_FILE}: {wrong}") from error


def _words(told: Mapping[str, Any]) -> str:
    key = ".".join(map(str, told["loc"]))
    if told["type"] == "extra_forbidden":
        return f"{key}: unknown key{nearest(key, ReportText.model_fields)}"
    if told["type"] in ("tuple_type", "list_type"):
        return f'{key}: must be a list, such as ["one", "two"]'
    message = str(told["msg"])
    return f"{key}: {message[:1].lower()}{message[1:]}"
