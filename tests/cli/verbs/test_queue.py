"""The queue is shown in launch order; jobs are moved, held and released from the shell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.small_grid import call, wait_until
from tests.cli.test_operating import Played

CELL = "villain@1#42"
OWN = [f"{stage}/{CELL}" for stage in ("train", "merge", "eval", "cosine")]


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """A grid whose first job hangs, so that everything else is due."""
    one = Played(tmp_path_factory.mktemp("busy"))
    one.script(data={"do": "hang"})
    one.run("run", "micro.toml")
    wait_until(lambda: "running" in one.states_of("data"))
    yield one
    one.end()


def due(root: Path) -> list[dict[str, str]]:
    found = json.loads(call("queue", str(root), "--json").stdout)["due"]
    assert isinstance(found, list)
    return found


def test_a_dry_run_names_the_jobs_and_asks_for_nothing(busy: Played) -> None:
    root = str(busy.root)
    answer = json.loads(call("queue", root, "--hold", CELL, "--dry-run", "--json").stdout)
    assert answer == {"verb": "hold", "jobs": OWN}
    assert list((busy.root / "requests").iterdir()) == []
    assert "held" not in [line["kind"] for line in journal(busy.root)]


def test_jobs_are_moved_held_and_released(busy: Played) -> None:
    root = str(busy.root)
    shown = call("queue", root)
    assert "▶ data/" in shown.stdout
    assert f"{OWN[0]}  waiting: waits for " in shown.stdout
    assert [one["job"] for one in due(busy.root)].index(OWN[0]) > 0

    assert call("queue", root, "--first", CELL).exit_code == 0
    order = [one["job"] for one in due(busy.root)]
    assert [job for job in order if job.endswith(CELL)] == OWN
    assert order.index(OWN[3]) < order.index("train/villain@0#42")

    assert call("queue", root, "--hold", OWN[2]).exit_code == 0
    [held] = [one for one in due(busy.root) if one["job"] == OWN[2]]
    assert held["state"] == "waiting"
    assert held["why"].startswith("held by ")
    assert call("queue", root, "--release", OWN[2]).exit_code == 0
    assert not any("held" in one["why"] for one in due(busy.root))
    again = call("queue", root, "--release", OWN[2])
    assert (again.exit_code, "none of these is held" in again.stderr) == (1, True)


def test_one_job_is_stopped_and_the_rest_of_its_cell_stays_asked_for(busy: Played) -> None:
    assert call("stop", str(busy.root), OWN[2], "--yes").exit_code == 0
    assert OWN[2] not in [one["job"] for one in due(busy.root)]
    assert OWN[3] in [one["job"] for one in due(busy.root)]


def test_two_wishes_at_once_are_refused() -> None:
    both = call("queue", "runs/any", "--first", "a@1", "--hold", "b@1")
    assert (both.exit_code, "one of --first" in both.stderr) == (2, True)


def journal(root: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (root / "journal.jsonl").read_text().splitlines()]
