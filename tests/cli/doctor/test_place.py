"""``tuilab doctor --on``: one worker is sent to a place, and what it finds there is judged."""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.small_grid import call
from tests.places.namespace import Namespaces, why_not
from tests.places.ray_stand_in import cluster
from tuilab.cli.doctor.place import (
    _own_addresses,
    examine_place,
    findings_on_models,
    findings_on_place,
    findings_on_port,
    is_open,
)
from tuilab.contract import atomic
from tuilab.contract.worker import LEASE_FILE, listed
from tuilab.engine.decide.phase import Opinion, Word
from tuilab.engine.host.remote import Remote
from tuilab.engine.node_probe import READY_FILE, TOKEN_FILE
from tuilab.engine.shim import COMMAND_FILE
from tuilab.engine.try_place import PlaceTrial, try_place
from tuilab.grid.checks import Level
from tuilab.store.replan import read_config

namespaces = pytest.mark.skipif(bool(why_not()), reason=why_not() or "it does")
ANSWER = {
    "host": "node-1",
    "python": "/venv/bin/python",
    "python_version": "3.11.7",
    "tuilab": __import__("tuilab").__version__,
    "libraries": {"torch": "2.13.0", "transformers": "5.19.0", "peft": "0.21.2", "vllm": None},
    "devices": [{"name": "NVIDIA H200", "memory_total": 140_000_000_000, "memory_used": 0}],
    "seen_after": 0.1,
    "links": True,
    "excludes": True,
    "renames": True,
}
SOUND = PlaceTrial(Opinion(Word.RUNNING), 4.0, ANSWER, 0.0, has_lease=True)


def told(trial: PlaceTrial, name: str = "Slurm") -> dict[Level, str]:
    """Return what is found, by level."""
    found: dict[Level, str] = {}
    for one in findings_on_place(trial, name, Path("/runs")):
        found[one.level] = "\n".join([*found.get(one.level, "").splitlines(), one.sentence])
    return found


def test_a_sound_place_has_nothing_to_warn_of() -> None:
    assert set(told(SOUND)) == {Level.OK}
    assert "Slurm started a worker on node-1 in 4 s" in told(SOUND)[Level.OK]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"devices": []}, 'no GPU: ask for one with resources.slurm.options = ["--gres=gpu:1"]'),
        ({"libraries": {"torch": None}}, "torch missing"),
        ({"tuilab": "0.0.1"}, "node-1 has tuilab 0.0.1, here is"),
        ({"seen_after": None}, "a file made here is never seen on node-1: the mount is stale"),
        ({"excludes": False}, "no exclusive creation on node-1: two workers could take one job"),
    ],
)
def test_what_keeps_jobs_from_running_there_is_named(
    change: dict[str, object], sentence: str
) -> None:
    assert sentence in told(replace(SOUND, answer={**ANSWER, **change}))[Level.BLOCKING]


def test_a_wall_time_that_is_of_no_use_is_named_even_while_the_worker_waits() -> None:
    waits = PlaceTrial(Opinion(Word.WAITING, "Resources", wall_seconds=180.0), 60.0)
    assert "workers are given 3m00s each" in told(waits)[Level.BLOCKING]


def test_a_node_with_a_cache_of_its_own_is_named() -> None:
    answer = {**ANSWER, "cache": "/home/me/hub", "models": ["a/b"]}
    assert not list(findings_on_models(answer, ["a/b"]))
    [found] = findings_on_models(answer, ["a/b", "c/d"])
    assert found.level is Level.BLOCKING
    assert "keeps models in /home/me/hub, where c/d is not, and it does not" in found.sentence
    [found] = findings_on_models({**answer, "hub": True}, ["a/b", "c/d"])
    assert found.level is Level.WARNING
    assert "where c/d is not: each machine fetches its own copy" in found.sentence


def test_a_slow_volume_and_a_wrong_clock_are_warned_of() -> None:
    slow = told(replace(SOUND, listed_after=31.0, clock_apart=-3600.0))[Level.WARNING]
    assert "a file made on node-1 is listed here after 31s" in slow
    assert "the clock of node-1 is 1h" in slow and "behind" in slow
    assert "is never listed here" in told(replace(SOUND, listed_after=None))[Level.BLOCKING]


def assert_rests(scheduler: Path) -> None:
    """Nobody asks a scheduler on and on about a probe that is gone."""
    asked = -1
    deadline = time.monotonic() + 30
    while asked != (asked := (scheduler / "calls").stat().st_size):
        assert time.monotonic() < deadline
        time.sleep(0.3)  # the test scheduler is asked every tenth of a second


@namespaces
def test_a_worker_on_another_machine_finds_what_is_there(tmp_path: Path) -> None:
    place = Remote(Namespaces({"folder": str(tmp_path / "scheduler")}))
    trial = try_place(place, tmp_path / "runs", 60.0)
    assert trial.answer is not None and str(trial.answer["host"]).startswith("node-w0")
    assert trial.listed_after is not None and abs(trial.clock_apart) < 60.0
    found = list(findings_on_place(trial, place.name, tmp_path / "runs", wants_gpu=False))
    assert [one for one in found if one.name in ("place", "volume", "clock")]
    assert {one.level for one in found if one.name == "volume"} <= {Level.OK, Level.WARNING}
    assert not list((tmp_path / "runs").iterdir()), "nothing is left behind"
    assert_rests(tmp_path / "scheduler")


@namespaces
def test_what_a_machine_is_to_see_is_written_after_its_first_listing(tmp_path: Path) -> None:
    """A volume that remembers listings shows what lay there at the first one."""

    class Late(Namespaces):
        early = False

        def look(self, workers: Collection[str]) -> Mapping[str, Opinion]:
            for name in workers:
                names = listed(tmp_path / "runs" / "doctor" / name)
                self.early = self.early or (TOKEN_FILE in names and READY_FILE not in names)
            return super().look(workers)

        def start(self, folder: Path) -> int:
            atomic.write_json(folder / LEASE_FILE, {"retired": True})  # it is not ready yet
            time.sleep(0.5)
            (folder / LEASE_FILE).unlink()
            return super().start(folder)

    late = Late({"folder": str(tmp_path / "scheduler")})
    trial = try_place(Remote(late), tmp_path / "runs", 60.0)
    assert trial.answer is not None and trial.answer["seen_after"] is not None
    assert not late.early


@namespaces
def test_an_interpreter_that_is_not_there_is_named(tmp_path: Path) -> None:
    place = Remote(Namespaces({"folder": str(tmp_path / "scheduler")}))
    trial = try_place(place, tmp_path / "runs", 60.0, python="/nowhere/bin/python")
    said = told(trial, place.name)[Level.BLOCKING]
    assert "cannot start /nowhere/bin/python" in said


class Unshared(Namespaces):
    """Each machine has a folder of its own, at the same path."""

    def start(self, folder: Path) -> int:
        own = self.folder / "own" / folder.name
        shutil.copytree(folder, own)
        told = own / COMMAND_FILE
        told.write_text(told.read_text().replace(str(folder), str(own)))
        return super().start(own)


@namespaces
def test_a_folder_that_the_machines_do_not_share_is_named(tmp_path: Path) -> None:
    place = Remote(Unshared({"folder": str(tmp_path / "scheduler")}))
    trial = try_place(place, tmp_path / "runs", 2.0)
    said = told(trial, place.name)[Level.BLOCKING]
    assert "started the worker" in said and "no file of it is seen in /runs" in said


@pytest.mark.parametrize(
    ("switch", "sentence"),
    [
        ("away", "does not answer: connection refused"),
        ("refuse", "refused it: invalid partition specified"),
        ("hold", "the worker waits in the test scheduler since 1s"),
    ],
)
def test_a_place_that_starts_nothing_says_why(switch: str, sentence: str, tmp_path: Path) -> None:
    folder = tmp_path / "scheduler"
    place = Remote(Namespaces({"folder": str(folder)}))
    (folder / switch).write_text("0")
    heard: list[Opinion] = []
    trial = try_place(place, tmp_path / "runs", 1.0, heard.append)
    assert sentence in "".join(told(trial, place.name).values())
    assert heard and not list((tmp_path / "runs").iterdir())


def test_a_ray_port_that_anybody_may_use_is_warned_of() -> None:
    with cluster() as head:
        address = head.address.replace("127.0.0.1", "localhost")
        assert is_open(address) and not is_open("http://127.0.0.1:9")
        (own,) = findings_on_port(head.address, is_open)
        assert own.level is Level.OK
    with cluster("0.0.0.0") as head:  # reached through 127.0.0.1, and by everybody else
        (own,) = findings_on_port(head.address, is_open)
        is_alone = not _own_addresses()
        assert is_alone or own.level is Level.WARNING, own.sentence
    warned = list(findings_on_port("http://head:8265", lambda asked: asked == "http://head:8265"))
    assert warned[0].level is Level.WARNING and "a job is any command" in warned[0].sentence
    assert next(findings_on_port("http://head:8265", lambda _: False)).level is Level.OK


@pytest.mark.trial
def test_a_ray_that_is_not_there_blocks_and_says_nothing_of_its_port(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        'extends = "tiny.toml"\n[resources.ray]\naddress = "http://127.0.0.1:9"\n'
    )
    config = read_config(tmp_path / "c.toml").config
    (found,) = examine_place("ray", tmp_path, config, 5.0, lambda _: None)
    assert found.level is Level.BLOCKING and "Ray does not answer" in found.sentence


def test_this_machine_and_unknown_places_are_refused() -> None:
    local, strange = call("doctor", "--on", "local"), call("doctor", "--on", "slrum")
    assert (local.exit_code, "local is this machine" in local.stderr) == (2, True)
    assert (strange.exit_code, "no place 'slrum'" in strange.stderr) == (2, True)


def test_what_a_config_asks_of_a_place_is_tried_before_anything_ran(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('extends = "tiny.toml"\n[resources.slurm]\noption = ["--time=1"]\n')
    done = call("doctor", str(config), "--on", "slurm")
    assert (done.exit_code, "option is not one of" in done.stderr) == (2, True), done.stderr
