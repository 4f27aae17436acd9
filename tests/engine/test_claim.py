"""A tracker in the plan reaches the runner through the launch part of the spec alone."""

from __future__ import annotations

from pathlib import Path

from tests.engine.trials import Trial
from tuilab.contract.spec import SPEC_FILE, read_spec
from tuilab.contract.tracking import order_for

TRACKER = {"kind": "wandb", "project": "mine", "entity": "us", "mode": "offline"}
JOB = "train/villain@0#42"


def test_every_attempt_is_told_where_its_copy_goes(tmp_path: Path) -> None:
    trial = Trial.make(tmp_path, tracker=TRACKER)
    trial.ask()
    trial.run("--go")
    directory = trial.layout.attempt_dir(JOB, 1)
    spec = read_spec(directory / SPEC_FILE)
    assert "tracker" not in spec.settings
    assert not Path(spec.launch["tracker"]["folder"]).is_absolute()  # an experiment can be moved
    order = order_for(spec, directory, {})
    assert order is not None
    assert order.folder == trial.layout.tracker
    assert (order.group, order.project, order.entity) == ("trial", "mine", "us")


def test_without_a_tracker_nothing_is_ordered(tmp_path: Path) -> None:
    trial = Trial.make(tmp_path)
    trial.ask(jobs=["data/villain"])
    trial.run("--go")
    spec = read_spec(trial.layout.attempt_dir("data/villain", 1) / SPEC_FILE)
    assert "tracker" not in spec.launch
