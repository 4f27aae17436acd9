"""What Slurm's commands say, and what goes to it and to its state."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import tuilab
from tuilab.engine.decide.phase import Word
from tuilab.engine.host.remote import Remote, portable, script
from tuilab.engine.host.slurm import Slurm, _opinion, seconds_in
from tuilab.engine.places import SCHEDULERS, take_options, why_no_place


@pytest.mark.parametrize(
    ("left", "seconds"),
    [
        ("1-02:03:04", 93784.0),
        ("02:03:04", 7384.0),
        ("59:01", 3541.0),
        ("UNLIMITED", None),
        ("INVALID", None),
        ("", None),
    ],
)
def test_the_time_left_is_read_in_all_its_forms(left: str, seconds: float | None) -> None:
    assert seconds_in(left) == seconds


def test_a_state_is_an_opinion_with_slurms_own_reason() -> None:
    waiting = _opinion("PENDING", "Resources", "n/a", "10:00", "10:00")
    assert (waiting.word, waiting.why, waiting.seconds_left) == (Word.WAITING, "Resources", None)
    assert waiting.wall_seconds == 600.0
    booting = _opinion("CONFIGURING", "None", "node7", "10:00", "10:00")
    assert (booting.word, booting.why) == (Word.WAITING, "CONFIGURING")
    running = _opinion("RUNNING", "None", "node7", "10:00", "UNLIMITED")
    assert (running.word, running.host, running.seconds_left) == (Word.RUNNING, "node7", 600.0)
    assert running.wall_seconds is None
    for state in ("NODE_FAIL", "PREEMPTED", "TIMEOUT", "COMPLETED", "CANCELLED"):
        assert _opinion(state, "None", "node7", "", "").word is Word.ENDED


def test_the_script_is_the_shim_in_the_shells_place_after_the_setup() -> None:
    lines = script(Path("/vol/a b/w0"), "module load cuda").splitlines()
    assert lines.index("module load cuda") < lines.index("cd '/vol/a b/w0' || exit")
    assert lines[-1].startswith("exec ")
    assert lines[-1].endswith("-m tuilab.engine.shim '/vol/a b/w0'")


@pytest.mark.parametrize("setup", ["no-such-module", "a=1\nfalse  # the last word counts\n"])
def test_a_setup_that_fails_starts_no_worker(setup: str) -> None:
    words = script(Path("/"), setup).replace("exec ", "echo started ")
    done = subprocess.run(["sh"], input=words, capture_output=True, text=True)
    assert done.returncode and "started" not in done.stdout


def test_no_secret_and_nothing_of_one_machine_lies_in_a_workers_folder() -> None:
    kept = {"HF_HOME": "/vol/hf", "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": "/vol/src"}
    left = {
        "HF_TOKEN": "x", "WANDB_API_KEY": "x", "TUILAB_PASSWORD": "x", "LD_PRELOAD": "/x.so",
        "CUDA_VISIBLE_DEVICES": "0", "TMPDIR": "/scratch", "PATH": "/bin",
        "HTTPS_PROXY": "http://ada:hunter2@proxy:1",
    }  # fmt: skip
    assert portable({**kept, **left}) == kept


@pytest.mark.parametrize(
    "name",
    [
        "HF_HUB_TOKENX",
        "HF_TOKENS",
        "HF_hub_tokenx",
        "WANDB_SECRETS",
        "TUILAB_APIKEYS",
        "HF_AUTH",
        "TUILAB_PASSWRD",
        "wandb_passwort",
    ],
)
def test_a_name_that_only_holds_a_word_for_secrets_is_one(name: str) -> None:
    assert portable({name: "a plain word", "TOKENIZERS_PARALLELISM": "1"}) == {
        "TOKENIZERS_PARALLELISM": "1"
    }


@pytest.mark.parametrize(
    ("resources", "on", "words"),
    [
        ({"executor": "slurn"}, "", "no place 'slurn'"),
        ({}, "kubernetes", "no place 'kubernetes'"),
        ({"places": {"job_byte": {}}}, "", "no place 'job_byte'"),
        ({"executor": "slurm", "places": {"slurm": {"look": 3}}}, "", "look is not one of"),
        ({"places": {"slurm": {"options": "--gres=gpu:1"}}}, "slurm", "not like []"),
    ],
)
def test_a_place_or_option_that_is_not_there_is_named(
    resources: dict[str, object], on: str, words: str
) -> None:
    assert words in why_no_place(resources, on)


def test_later_submissions_follow_options_that_have_changed_and_bad_ones_change_nothing() -> None:
    place = Remote(Slurm({"options": ["--time=3"], "fence_seconds": 20.0}))
    words = {"options": ["--time=60"], "fence_seconds": 40.0}
    take_options(place, {"places": {"slurm": words}})
    take_options(place, {"places": {"slurm": {"look": 3}}})
    assert isinstance(place.scheduler, Slurm)
    assert place.scheduler.options == ("--time=60",)
    assert place.fence_seconds == 20.0, "workers that live were told this one"


def test_grid_science_and_screens_know_no_place_by_name() -> None:
    root = Path(tuilab.__file__).parent
    for layer in ("grid", "science", "study", "store", "report", "tui"):
        for path in (root / layer).rglob("*.py"):
            text = path.read_text().lower()
            assert not [name for name in SCHEDULERS if f'"{name}"' in text], path
