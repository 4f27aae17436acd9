"""What the author of an experiment writes for its report, in report.toml beside the results."""

from __future__ import annotations

from tuilab.grid import toml
from tuilab.grid.config_block import Block, Text
from tuilab.grid.config_text import dotted, fit

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
        found, wrong = fit(toml.loads(text), ReportText)
    except toml.TOMLDecodeError as error:
        raise ReportTextError(f"{REPORT_TEXT_FILE} is not valid TOML: {error}") from error
    if found is None:
        said = "; ".join(f"{dotted(path)}: {why}" for path, why in wrong)
        raise ReportTextError(f"{REPORT_TEXT_FILE}: {said}")
    return found
