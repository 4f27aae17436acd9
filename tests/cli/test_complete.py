"""Completion in shells: directories, cells, metrics and config keys; it never fails."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pexpect
import pytest

from tests.cli.small_grid import SOURCE, call
from tests.copies import old_demo
from tuilab.cli import complete
from tuilab.cli.app import load
from tuilab.cli.verbs import VERBS


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old_demo(tmp_path / "runs" / "demo")
    (tmp_path / "mine.toml").write_text("")
    monkeypatch.chdir(tmp_path)


def test_experiments_are_completed_by_path_and_by_name() -> None:
    assert complete.experiments("ru") == ["runs/demo"]
    assert complete.experiments("de") == ["demo"]
    assert complete.experiments("pub") == ["published"]
    assert complete.experiments_or_lock("l") == ["lock"]
    assert complete.experiments_or_configs("min") == ["mine.toml"]
    assert "eps109" in complete.experiments_or_configs("eps")


def test_cells_are_those_of_the_experiment_that_was_named() -> None:
    typed = SimpleNamespace(params={"directory": "demo"})
    assert {"villain@*", "villain@4"} <= set(complete.cells(typed, "vil"))
    assert "*@4" in complete.cells(typed, "*")
    assert complete.cells(SimpleNamespace(params={"directory": "nowhere"}), "") == []


def test_metrics_and_settings_are_completed() -> None:
    typed = SimpleNamespace(params={"directory": "demo"})
    assert complete.metrics(typed, "lea") == ["leakage"]
    assert "marker.lr=" in complete.settings(typed, "marker.")
    assert complete.settings(typed, "nothing") == []


def test_a_single_setting_is_completed_with_its_values() -> None:
    """So no shell takes the sign for the end of the word."""
    typed = SimpleNamespace(params={"directory": "demo"})
    assert complete.settings(typed, "marker.lr") == ["marker.lr=", "marker.lr=0.0002"]
    assert "marker.precision=bfloat16" in complete.settings(typed, "marker.precision=")
    assert complete.settings(typed, "marker.packing=t") == ["marker.packing=true"]


FREE = {
    *("BUNDLE", "FILE", "FILE.csv", "FILE.toml", "FOLDER"),  # a shell completes files itself
    *("N", "N,N", "N...", "EPOCH", "PERCENT", "POINTS", "SECONDS", "TIME", "DIGEST", "R"),
    *("TEXT", "NAME", "NAMES", "S,S", "PERSONA", "KEY=V,V...", "MODEL", "REPO"),
    *("HOST[:DIR]", "HOST:DIR"),
}
"""What nothing can complete: numbers, words of one's own and what other machines know."""


def test_every_value_that_can_be_known_is_completed() -> None:
    def lacking(command: Any) -> Iterator[str]:
        for inner in getattr(command, "commands", {}).values():
            yield from lacking(inner)
        for one in command.params:
            is_free = getattr(one, "is_flag", False) or one.metavar in FREE
            if not is_free and one._custom_shell_complete is None:
                yield f"{command.name} {one.opts[0]} {one.metavar}"

    found = [word for name in VERBS for word in lacking(load(name))]
    assert [word for word in found if not word.endswith(("--dir DIR", "--out DIR"))] == []


@pytest.mark.parametrize(
    ("cut", "joined", "kept"),
    [
        ("relaunch demo villain @", "relaunch demo villain@", "villain"),
        ("relaunch demo villain @ 4", "relaunch demo villain@4", "villain"),
        ("relaunch demo --set marker.lr =", "relaunch demo --set marker.lr=", "marker.lr="),
        ("relaunch demo --set = marker.lr = 1", "relaunch demo --set=marker.lr=1", "marker.lr="),
        ("status demo --metric = le", "status demo --metric=le", ""),
        ("--host pod : lab sta", "--host pod:lab sta", ""),
        ("relaunch demo a @ 4 b", "relaunch demo a@4 b", ""),
        ("status demo", "status demo", ""),
    ],
)
def test_words_that_bash_has_cut_are_joined(cut: str, joined: str, kept: str) -> None:
    words = ["tuilab", *cut.split()]
    env = {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
    assert complete.join_words(env) == (kept, "" if cut != joined else words[-1])
    assert env["COMP_WORDS"].split() == ["tuilab", *joined.split()]
    assert int(env["COMP_CWORD"]) == len(joined.split())


def test_zsh_and_fish_get_a_value_behind_the_sign() -> None:
    def answer(shell: str) -> str:
        asked = {
            "PYTHONPATH": str(SOURCE),
            "_TUILAB_COMPLETE": f"complete_{shell}",
            "_TYPER_COMPLETE_ARGS": "tuilab status demo --metric=lea",
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        }
        command = [sys.executable, "-m", "tuilab"]
        return subprocess.run(
            command, env={**os.environ, **asked}, capture_output=True, text=True, check=False
        ).stdout

    assert answer("fish") == "--metric=leakage\n"
    assert answer("zsh").split("\n")[0] == "compset -P '*=';" and '"leakage"' in answer("zsh")


def test_a_real_bash_ends_the_words(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "tuilab"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tuilab "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    shell = pexpect.spawn(
        "bash --norc -i",
        env={**os.environ, "PATH": path, "PYTHONPATH": str(SOURCE)},
        dimensions=(50, 200),
        encoding="utf-8",
        timeout=60,
    )
    shell.sendline('eval "$(tuilab --show-completion)"')
    shell.sendline("bind 'set show-all-if-ambiguous on'")
    # Once the completion has answered, this key tells what the line has become.
    shell.sendline("""bind -x '"\\C-g": printf "\\nline<%s>\\n" "$READLINE_LINE"'; echo rea''dy""")
    shell.expect("ready")

    def typed(words: str) -> str:
        shell.send(f"tuilab {words}\t\a")
        shell.expect(r"line<tuilab (.*?)>\r")
        shell.send("\x15")
        return str(shell.match[1])

    assert typed("relaunch demo comedian@4") == "relaunch demo comedian@4 "
    assert typed("relaunch demo comedian@4 villain@1") == "relaunch demo comedian@4 villain@1 "
    assert typed("relaunch demo vil") == "relaunch demo villain@"
    assert typed("relaunch demo villain@") == "relaunch demo villain@"
    assert {f"@{epoch}" for epoch in "*0124"} <= set(shell.before.split())
    assert typed("relaunch demo --set marker.lr") == "relaunch demo --set marker.lr="
    assert typed("relaunch demo --set marker.lr=") == "relaunch demo --set marker.lr=0.0002 "
    assert typed("--theme gr") == "--theme gruvbox "
    assert typed("status demo --metric=lea") == "status demo --metric=leakage "
    assert typed("--host pod:lab hist") == "--host pod:lab history "
    shell.sendline("COMP_WORDBREAKS=${COMP_WORDBREAKS//[@=]/}")  # as completions of others do
    assert typed("relaunch demo villain@1") == "relaunch demo villain@1 "
    assert typed("status demo --metric=lea") == "status demo --metric=leakage "
    shell.close(force=True)


def test_options_of_the_screen_may_stand_before_any_verb() -> None:
    assert call("--ascii", "--theme", "light", "status", "demo").exit_code == 0
    assert call("--read-only", "open", "demo").exit_code == 0
    refused = call("--read-only", "run", "demo")
    assert refused.exit_code == 2 and "no effect on this command" in refused.stderr
