"""What needs the runners says so before it starts anything."""

from __future__ import annotations

import pytest

from tuilab.cli import runner_programs
from tuilab.cli.errors import RefusalError
from tuilab.cli.runner_programs import (
    OURS,
    ask,
    refuse_without_libraries,
    refuse_without_workers,
)
from tuilab.grid.resource_config import Resources


def test_a_missing_library_is_one_sentence_with_the_extra_to_install() -> None:
    with pytest.raises(RefusalError) as refused:
        refuse_without_libraries("the demo", ("json", "no_such_library"))
    assert str(refused.value) == (
        "the demo needs no_such_library, not installed here: pip install 'tuilab[train]'"
    )


def test_only_the_runners_that_come_with_tuilab_need_its_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner_programs.importlib.util, "find_spec", lambda name: None)
    refuse_without_workers({"runner": ["/usr/bin/my-runner"]})
    for resources in ({}, {"runner": list(OURS)}):
        with pytest.raises(RefusalError, match="running a grid needs torch"):
            refuse_without_workers(resources)


def test_the_usual_runner_of_a_config_is_the_one_that_is_checked() -> None:
    assert Resources().runner == OURS


def test_a_program_that_is_missing_or_silent_is_one_sentence() -> None:
    assert ask("runners.no_such_program").why_not == "runners.no_such_program is not installed"
    assert ask("this").why_not == "this gave no answer (no output)"
