"""What y and Y copy, that copied commands work when pasted, and what o and O open."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.cli.small_grid import call
from tests.tui.conftest import app_of, look, press, text_of
from tuilab.store.shipped import published_dir

SIZE = (100, 30)


def copied(pilot: Pilot[Any]) -> str:
    return pilot.app.clipboard


async def test_y_copies_the_value_with_its_interval_and_where_it_is_from(
    copy_of: Callable[[str], Path],
) -> None:
    root = copy_of("half_way")
    async with app_of(root).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "y")
        assert "Villain, epoch 0, seed 42: assistant leakage" in copied(pilot)
        assert "[" in copied(pilot) and "/" in copied(pilot)
        await press(pilot, "j", "e", "y")
        assert "n/a (failed" in copied(pilot)


async def test_every_copied_command_works_when_pasted(copy_of: Callable[[str], Path]) -> None:
    root = copy_of("half_way")
    found = []
    async with app_of(root, under=root.parents[1]).run_test(size=SIZE) as pilot:
        await look(pilot)
        for keys in (("j", "e", "Y"), ("u", "y"), ("5", "y")):
            for key in keys:
                await press(pilot, key)
            found.append(copied(pilot))
    assert [words.split()[1] for words in found] == ["logs", "logs", "open"]
    for command in found:
        told = call(*shlex.split(command)[1:])
        assert told.exit_code == 0 or "no attempt" in told.stderr, (command, told.stderr)


async def test_of_results_alone_the_command_of_their_table_is_copied() -> None:
    async with app_of(published_dir()).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "Y")
        assert copied(pilot).endswith("table published")


async def test_a_line_of_each_tab_and_of_the_history_can_be_copied(
    copy_of: Callable[[str], Path],
) -> None:
    async with app_of(copy_of("half_way")).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "j", "e", "enter", "y")
        log_line = copied(pilot)
        assert log_line and log_line in text_of(pilot.app)
        await press(pilot, "d", "y")
        assert copied(pilot) != log_line
        await press(pilot, "escape", "v", "y")
        assert copied(pilot)[2] == ":"


async def test_what_has_no_terminal_to_hand_over_says_so_and_goes_on(
    copy_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGER", "cat")
    async with app_of(copy_of("half_way")).run_test(size=SIZE) as pilot:
        await look(pilot)
        await press(pilot, "j", "e", "o")
        assert "cannot be handed to another program" in text_of(pilot.app)
        await press(pilot, "enter", "O")
        assert "cannot be handed" in text_of(pilot.app)
