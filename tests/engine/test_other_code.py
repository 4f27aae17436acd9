"""Nothing runs with other runner code than it is recorded under, whenever the code changes."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.engine.trials import Trial, make_plan
from tuilab.engine.shim import COMMAND_FILE
from tuilab.store.layout import Layout
from tuilab.store.reader import Reader

FIRST, SECOND = "data/villain", "data/clerk"


def _say_that_other_runners_were_planned_with(layout: Layout, digest: str) -> str:
    """Change the plan's word on the runners' source text, and return what it was."""
    text = layout.plan.read_text()
    [before] = re.findall(r'"sources_digest": "(\w*)"', text)
    layout.plan.write_text(
        text.replace(f'"sources_digest": "{before}"', f'"sources_digest": "{digest}"')
    )
    return before


def _workers_of(grid: Trial, job: str) -> str:
    return grid.ledger().of(job).attempts[-1].worker


def test_where_the_plan_cannot_be_made_again_nothing_starts_and_one_sentence_says_why(
    tmp_path: Path,
) -> None:
    grid = Trial.make(tmp_path, make_plan())  # its experiment.toml is empty
    grid.script()
    before = _say_that_other_runners_were_planned_with(grid.layout, "other")
    grid.ask("run")
    try:
        grid.start("--go")

        def note() -> str:
            return Reader(grid.layout.root, is_once=True).poll(0.0).engine.note

        grid.wait(lambda: "`tuilab run` plans it again" in note(), "the reason")
        assert "tuilab's code of data" in note()
        assert grid.lines("claimed") == []
    finally:
        grid.end()
    _say_that_other_runners_were_planned_with(grid.layout, before)
    assert grid.run("--go") == 0
    assert grid.all_done()


def test_a_worker_with_other_code_ends_what_it_is_on_and_is_given_nothing_more(
    tmp_path: Path,
) -> None:
    grid = Trial.make(tmp_path, make_plan(), assign_ahead=False)
    grid.script(**{FIRST: {"until": str(grid.gate)}})
    grid.ask("run")
    try:
        grid.start("--go")
        old = grid.worker_of(FIRST)
        grid.engines[-1].kill()
        grid.engines[-1].wait()
        command = json.loads((old / COMMAND_FILE).read_text())
        (old / COMMAND_FILE).write_text(json.dumps({**command, "code": "of before"}))
        grid.gate.touch()
        assert grid.run("--go") == 0
    finally:
        grid.end()
    assert grid.all_done()
    assert _workers_of(grid, FIRST) == old.name
    assert len(grid.ledger().of(FIRST).attempts) == 1
    assert _workers_of(grid, SECOND) != old.name
    others = {_workers_of(grid, job) for job in grid.ledger().evidence if job != FIRST}
    assert len(others) == 1, "the next one stays warm"
