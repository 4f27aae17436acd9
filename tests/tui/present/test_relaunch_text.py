"""What the relaunch dialog says before anything is done."""

from __future__ import annotations

from tests.grid.planned import SMALL, plan
from tests.grid.test_measures import MEASURES, ROWS, with_files
from tuilab.tui.present.relaunch_text import edit_hint


def test_the_edit_that_is_given_as_an_example_changes_something() -> None:
    of_rows = plan(config=with_files(SMALL + ROWS + MEASURES))
    assert edit_hint(plan()) == "e  edit, e.g. marker.lr = 1e-5; eval.samples = 20"
    assert edit_hint(of_rows) == "e  edit, e.g. trait.lr = 1e-5; eval.samples = 20"
