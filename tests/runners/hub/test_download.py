"""Fetching from a hub that answers over HTTP: what comes, what comes again, what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runners.hub import download, files
from runners.hub.__main__ import main as hub_main
from tests.forked import Forked
from tests.hub.stand_in import FIRST, MODEL, Hub, serving

BASE = Path(__file__).parents[3] / "runners" / "tinybase" / "shipped"
LONG = pytest.mark.trial
"""What each refusal says is told in test_refusal.py; here each is asked over HTTP."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub that serves the tiny base beside what nobody loads."""
    folder = tmp_path / "served"
    shutil.copytree(BASE, folder)
    (folder / "pytorch_model.bin").write_bytes(b"x" * 1000)
    (folder / "original").mkdir()
    (folder / "original" / "consolidated.safetensors").write_bytes(b"x" * 1000)
    with serving(folder) as served:
        yield served


def fetch(hub: Hub, home: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Fetch as ``tuilab fetch`` does, in its own process: the library reads its settings once."""
    return run_hub(hub, home, "fetch", *(words or (MODEL,)), **more)


def run_hub(hub: Hub, home: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a verb of ``runners.hub`` against the stand-in."""
    with tempfile.NamedTemporaryFile("r") as said:
        environment = {**hub.environment(home), **more}
        code = Forked(run_anew, Path(said.name), environment, list(words)).wait(100)
        return subprocess.CompletedProcess(words, code, said.read())


def run_anew() -> int:
    """Run the program of ``runners.hub`` where the hub's library was not imported yet."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "huggingface_hub"]:
        del sys.modules[name]
    return hub_main(sys.argv[1:])


def answer(found: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    line = [one for one in found.stdout.splitlines() if "{" in one][-1]
    value: dict[str, Any] = json.loads(line[line.index("{") :])
    return value


def test_only_what_is_loaded_comes_and_the_second_time_nothing_is_asked(
    hub: Hub, tmp_path: Path
) -> None:
    first = answer(fetch(hub, tmp_path / "home"))
    assert first["commit"] == FIRST and first["fetched_bytes"] == first["bytes"]
    names = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert names <= set(first["files"])
    assert not {"pytorch_model.bin", "manifest.json"} & set(first["files"])
    asked = len(hub.requests)
    again = answer(fetch(hub, tmp_path / "home"))
    assert again["fetched_bytes"] == 0 and len(hub.requests) == asked


def test_a_cut_goes_on_where_it_was_and_a_tokenizer_comes_alone(hub: Hub, tmp_path: Path) -> None:
    small = answer(fetch(hub, tmp_path / "home", MODEL, "--tokenizer"))
    assert "model.safetensors" not in small["files"] and small["bytes"] < 200_000
    hub.cuts = 1
    found = answer(fetch(hub, tmp_path / "home"))
    assert found["fetched_bytes"] == (BASE / "model.safetensors").stat().st_size
    assert hub.ranges[0] == "" and hub.ranges[1].startswith("bytes=")


def test_a_file_with_another_hash_is_fetched_again_once_and_then_named(
    hub: Hub, tmp_path: Path
) -> None:
    hub.wrong = 1
    assert answer(fetch(hub, tmp_path / "a"))["commit"] == FIRST
    hub.wrong = 2
    refused = fetch(hub, tmp_path / "b")
    assert refused.returncode == 1
    assert "model.safetensors of Some/Tiny-Instruct came twice" in answer(refused)["error"]
    assert "fetched_bytes" in answer(fetch(hub, tmp_path / "b"))


@pytest.mark.parametrize(
    ("fail", "reason", "words"),
    [
        ("gated", "auth", "is gated and no token is set: ask for access at http://127.0.0.1"),
        pytest.param("private", "config", "or it is private and no token is set", marks=LONG),
        pytest.param("missing", "config", "check the spelling", marks=LONG),
        pytest.param("token", "auth", "does not know the token", marks=LONG),
        pytest.param("forbidden", "auth", "the hub forbids Some/Tiny-Instruct", marks=LONG),
        pytest.param("429", "hub", "asks to wait until", marks=LONG),
        ("503", "hub", "is out of order (it answers 503)"),
        pytest.param("odd", "config", "answers 418", marks=LONG),
    ],
)
def test_what_a_hub_refuses_is_one_sentence_and_a_reason(
    hub: Hub, tmp_path: Path, fail: str, reason: str, words: str
) -> None:
    hub.fail = fail
    found = fetch(hub, tmp_path / "home", HF_TOKEN="hf_secret" if fail == "token" else "")
    told = answer(found)
    assert (found.returncode, told["reason"]) == (1, reason)
    assert words in told["error"] and "\n" not in told["error"]
    assert "hf_secret" not in found.stdout


def test_a_revision_that_is_not_there_and_a_hub_that_is_not_there(hub: Hub, tmp_path: Path) -> None:
    told = answer(fetch(hub, tmp_path, MODEL, "--revision", "v9"))
    assert f"has no revision 'v9': main is {FIRST} now" in told["error"]
    away = answer(fetch(hub, tmp_path, HF_ENDPOINT="http://127.0.0.1:9"))
    assert away["reason"] == "hub" and "cannot be reached" in away["error"]
    offline = answer(fetch(hub, tmp_path, HF_HUB_OFFLINE="1"))
    assert "HF_HUB_OFFLINE forbids to fetch it" in offline["error"]


def test_weights_in_one_form_only_are_chosen() -> None:
    shards = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    many = ["config.json", *shards, "model.safetensors.index.json", "model.gguf", "x/model.bin"]
    assert files.loaded(many) == sorted(["config.json", *shards, "model.safetensors.index.json"])
    assert files.loaded([*many, "model.safetensors"])[-2:] == [
        "model.safetensors",
        "model.safetensors.index.json",
    ]
    assert not files.has_weights(files.loaded(["config.json", "pytorch_model.bin"]))
    assert files.loaded(["modeling_x.py"]) == []
    assert files.loaded(["modeling_x.py"], with_code=True) == ["modeling_x.py"]


def test_the_rate_is_taken_over_the_last_seconds_and_what_was_there_is_no_part_of_it() -> None:
    now, told = [0.0], list[tuple[int, int, float | None]]()
    meter = download.Meter(1000, lambda *one: told.append(one), clock=lambda: now[0])
    meter.begin(400)
    now[0] = 0.1
    meter.add(10)
    now[0] = 2.0
    meter.add(90)
    assert told == [(400, 1000, None), (410, 1000, None), (500, 1000, 50.0)]
    now[0] = 30.0
    meter.add(14)
    assert told[-1][2] == pytest.approx(0.5)


@pytest.mark.trial
def test_an_upload_is_shown_first_is_private_and_goes_on_after_a_cut(
    hub: Hub, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"x" * 100_000)
    (folder / "README.md").write_text("# a model\n")

    def push(*more: str, token: str = "hf_secret") -> subprocess.CompletedProcess[str]:
        return run_hub(hub, tmp_path, "push", str(folder), "me/x", *more, HF_TOKEN=token)

    assert "cannot be written without a token" in answer(push(token=""))["error"]
    shown = answer(push("--dry-run"))
    assert shown["bytes"] == 100_010 and not hub.created and not hub.uploaded
    hub.refuse_uploads = True
    cut = push()
    assert cut.returncode == 1 and "run it again" in answer(cut)["error"]
    hub.refuse_uploads = False
    assert answer(push())["url"].endswith("b19a35458c702b33eeacc393d103063234e8bc29")
    assert hub.created["me/x"]["visibility"] == "private" and hub.commits == 1
    sent = len([one for one in hub.requests if one.startswith("PUT")])
    answer(push())
    assert len([one for one in hub.requests if one.startswith("PUT")]) == sent
    assert hub.uploaded["README.md"] == b"# a model\n"
