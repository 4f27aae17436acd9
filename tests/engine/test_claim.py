"""A tracker in the plan reaches the runner through the launch part of the spec alone."""

from __future__ import annotations

from pathlib import Path

from tuilab.contract.spec import SPEC_FILE, read_spec
from tuilab.contract.tracking import order_for

TRACKER = {"kind": "wandb", "project": "mine", "entity": "us", "mode": "offline"}
JOB = "data/villain"


def test_every_attempt_is_told_where_its_copy_goes(trial) -> None:
    """An attempt without a tracker: test_faults.py."""
    grid = trial(tracker=TRACKER)
    grid.ask(jobs=[JOB])
    assert grid.run("--go") == 0
    directory = grid.layout.attempt_dir(JOB, 1)
    spec = read_spec(directory / SPEC_FILE)
    assert "tracker" not in spec.settings
    assert not Path(spec.launch["tracker"]["folder"]).is_absolute()  # an experiment can be moved
    order = order_for(spec, directory, {})
    assert order is not None
    assert order.folder == grid.layout.tracker
    assert (order.group, order.project, order.entity) == ("trial", "mine", "us")
