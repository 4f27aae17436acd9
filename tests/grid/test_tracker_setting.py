"""A tracker is planned for, and no result depends on it."""

from __future__ import annotations

from tests.grid.planned import SMALL, load
from tuilab.grid.planning import make_plan

TRACKER = """
[tracker]
kind = "wandb"
project = "mine"
mode = "offline"
"""


def test_a_tracker_stands_among_the_resources_and_in_no_fingerprint() -> None:
    plain, tracked = (make_plan(load(text).config) for text in (SMALL, SMALL + TRACKER))
    expected = {"kind": "wandb", "project": "mine", "entity": None, "mode": "offline"}
    assert tracked.resources["tracker"] == expected
    assert "tracker" not in plain.resources
    assert [job.fingerprint for job in tracked.jobs] == [job.fingerprint for job in plain.jobs]
    assert tracked.settings == plain.settings
