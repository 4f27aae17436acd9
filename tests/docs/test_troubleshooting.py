"""Troubleshooting names every reason for a failure, and only commands that exist."""

from __future__ import annotations

import re

from tests.docs.generated import DOCS
from tuilab.cli.verbs import VERBS
from tuilab.contract.reasons import Reason

TEXT = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")


def test_every_reason_has_a_row_and_no_other_has() -> None:
    section = TEXT.split("## A cell failed")[1].split("\n## ")[0]
    rows = re.findall(r"(?m)^\| `([\w-]+)` \|", section)
    assert sorted(rows) == sorted(Reason)


def test_every_command_is_a_verb() -> None:
    pages = [*DOCS.glob("*.md"), DOCS.parent / "README.md"]
    named = {
        (page.name, verb)
        for page in pages
        for code in re.findall(r"(?s)```.*?```|`[^`\n]+`", page.read_text(encoding="utf-8"))
        for verb in re.findall(r"(?m)(?:^|`|\$ )tuilab ([a-z][a-z-]+)", code)
    }
    assert {(page, verb) for page, verb in named if verb not in VERBS} == set()
