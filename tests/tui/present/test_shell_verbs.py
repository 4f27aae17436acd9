"""The palette's command lines are ones that the command line takes."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.small_grid import call
from tuilab.cli.verbs import VERBS as KNOWN
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.shell_verbs import VERBS, ShellVerb, own_command, words_of


@pytest.mark.parametrize("one", VERBS, ids=lambda one: f"{one.verb} {' '.join(one.words)}")
def test_each_line_is_parsed_by_its_verb(one: ShellVerb, half_way: Snapshot) -> None:
    line = words_of(one, half_way, "villain@2#42")
    assert line is not None and one.verb in KNOWN
    found = call(*shlex.split(line)[1:], "--help")
    assert found.exit_code == 0 and "Usage" in found.stdout


def test_what_there_is_nothing_for_is_not_offered(half_way: Snapshot) -> None:
    table = replace(half_way, imported_from="x.csv")
    offered = {one.verb for one in VERBS if words_of(one, table, "villain@2#42")}
    assert "report" in offered and not offered & {"export", "fetch", "plan", "gc"}
    assert {one.verb for one in VERBS if words_of(one, None, "")} == {
        "import",
        "gather",
        "doctor",
        "config",
        "notify",
    }


def test_a_command_of_ones_own_gets_folder_and_cell_quoted_for_the_shell(
    half_way: Snapshot,
) -> None:
    odd = replace(half_way, root=Path("/runs/it's {cell}"))
    filled = own_command("ls {dir} | grep {cell}", odd, "villain@2#42")
    assert filled is not None
    assert shlex.split(filled) == ["ls", "/runs/it's {cell}", "|", "grep", "villain@2#42"]
    assert own_command("squeue --me", None, "") == "squeue --me"
    assert own_command("du {dir}", None, "") is own_command("log {cell}", odd, "") is None
