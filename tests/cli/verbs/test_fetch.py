"""``tuilab fetch`` and ``plan --fetch-tokenizer`` against a hub that answers over HTTP."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.small_grid import CONFIG, SOURCE, call
from tests.hub.stand_in import FIRST, MODEL, Hub, serving

BASE = SOURCE / "runners" / "tinybase" / "shipped"


@pytest.fixture
def hub(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that every call of this test asks; its cache is empty."""
    with serving(BASE) as served:
        for name, value in served.environment(here / "home").items():
            monkeypatch.setenv(name, value)
        yield served


def config(here: Path, model: str = MODEL) -> str:
    """Write a config whose base comes from the hub."""
    (here / "micro.toml").write_text(CONFIG.replace('model = "tiny"', f'model = "{model}"'))
    return "micro.toml"


def test_a_model_is_fetched_by_its_name_and_then_by_the_config_that_names_it(
    hub: Hub, here: Path
) -> None:
    found = call("fetch", MODEL)
    assert found.exit_code == 0
    assert found.stdout.splitlines()[0] == f"{MODEL} is {FIRST}"
    assert f"{here}/home/hub/models--Some--Tiny-Instruct/snapshots/{FIRST}: 4.8 MB" in found.stdout
    asked = len(hub.requests)
    again = json.loads(call("fetch", config(here), "--json").stdout)
    assert (again["model"], again["commit"], again["fetched_bytes"]) == (MODEL, FIRST, 0)
    assert len(hub.requests) == asked, "what is in the cache asks nobody"


def test_what_is_refused_is_one_sentence_and_no_traceback(hub: Hub, here: Path) -> None:
    hub.fail = "gated"
    found = call("fetch", config(here))
    assert found.exit_code == 1 and f"{MODEL} is gated and no token is set" in found.stderr
    assert call("fetch", "Qwen").exit_code == 2
    tiny = call("fetch", config(here, "tiny"))
    assert (tiny.exit_code, "nothing to fetch" in tiny.stdout) == (0, True)


def test_plan_says_what_is_to_be_downloaded_and_fetches_the_tokenizer_alone(
    hub: Hub, here: Path
) -> None:
    first = call("plan", config(here), "--no-preview")
    assert f"{MODEL} will be fetched: 4.8 MB into {here}/home/hub" in first.stdout
    assert hub.sent == 0
    found = call("plan", config(here), "--fetch-tokenizer", "--no-preview")
    assert f"the tokenizer of {MODEL}" in found.stderr and found.exit_code == 0
    folder = here / "home/hub/models--Some--Tiny-Instruct/snapshots" / FIRST
    assert (folder / "tokenizer.json").is_file() and not (folder / "model.safetensors").exists()
    assert hub.sent == 0


def test_a_hub_that_does_not_say_how_much_costs_what_the_shape_of_the_base_tells(
    hub: Hub, here: Path
) -> None:
    hub.fail = "gated"
    known = call("plan", config(here, "Some/Copy-7.6B"), "--no-preview").stdout
    assert "by its shape 15 GB, for which 2m32s at 100 MB/s are counted" in known
    assert "fetch         1       1      2m32s" in known
    unknown = call("plan", config(here), "--no-preview").stdout
    assert "the time to fetch it is not counted" in unknown
    assert (
        "expected: time and disk are not known with 1 worker, since the size of the base is"
        in unknown
    )
    assert "the need depends on the size of the base, which is not known" in unknown
    told = json.loads(call("plan", config(here), "--no-preview", "--json").stdout)
    assert told["expected"]["seconds"] is None and told["jobs"][1]["bytes"] is None
    designs = json.loads(call("design", config(here), "--json").stdout)["designs"]
    assert {one["gpu_hours"] for one in designs[0]["options"]} == {None}


def test_a_hub_that_answers_tells_how_large_the_base_is_before_it_is_fetched(
    hub: Hub, here: Path
) -> None:
    told = json.loads(call("plan", config(here), "--no-preview", "--json").stdout)["expected"]
    assert told["times_from"].startswith("computed for 1.2M") and told["bytes"] < 5e6
    assert hub.sent == 0


def test_at_a_terminal_one_line_is_redrawn_and_fits_it(hub: Hub, here: Path) -> None:
    hub.rate = 6e6
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "tuilab", "fetch", MODEL],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            seen += os.read(ours, 4096)
        except OSError:
            break
    assert done.wait() == 0
    bars = seen.decode().partition("\r\x1b[K")[2].split("\r\x1b[K")
    assert len(bars) > 2 and bars[-1].startswith("100%|█████")
    assert all(len(bar.strip("\r\n")) < 80 for bar in bars[:-1])
    assert "4.83M/4.83M" in bars[-1]


@pytest.mark.parametrize("model", ["/data/models/qwen", "./models/qwen", "a/b/c"])
def test_a_folder_that_is_not_there_is_refused_by_all_without_asking_a_hub(
    model: str, hub: Hub, here: Path
) -> None:
    for verb in ("fetch", "plan", "run"):
        found = call(verb, config(here, model))
        assert found.exit_code == 2
        assert f"{model} is neither a folder on this machine nor" in found.stdout + found.stderr
    assert not hub.requests and not (here / "runs").exists()
