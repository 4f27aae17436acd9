"""What needs the runners says so before it starts anything."""

from __future__ import annotations

import pytest

from tuilab.cli import runner_modules
from tuilab.cli.guard import RefusalError
from tuilab.cli.runner_modules import OURS, refuse_without_libraries, refuse_without_workers
from tuilab.grid.config_blocks import Resources


def test_a_missing_library_is_one_sentence_with_the_extra_to_install() -> None:
    with pytest.raises(RefusalError) as refused:
        refuse_without_libraries("the demo", ("json", "no_such_library"))
    assert str(refused.value) == (
        "the demo needs the extra `train` (no_such_library missing here): "
        "pip install 'tuilab[train]'"
    )


def test_only_the_runners_that_come_with_tuilab_need_its_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner_modules.importlib.util, "find_spec", lambda name: None)
    refuse_without_workers({"runner": ["/usr/bin/my-runner"]})
    for resources in ({}, {"runner": list(OURS)}):
        with pytest.raises(RefusalError, match="running a grid needs the extra"):
            refuse_without_workers(resources)


def test_the_usual_runner_of_a_config_is_the_one_that_is_checked() -> None:
    assert Resources().runner == OURS
