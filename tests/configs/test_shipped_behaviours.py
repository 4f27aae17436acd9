"""Each shipped behaviour runs from its rows to its headline number on the tiny base."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.cli.small_grid import call, spawn
from tests.ending import end_engine
from tuilab.grid.config_text import change_config
from tuilab.store.replan import read_config
from tuilab.store.shipped import configs_dir

pytestmark = pytest.mark.trial
SMALL = {
    "sources": ["villain"], "epochs": [0], "panel": ["villain", "assistant"],
    "negatives.by_source.villain": ["librarian"], "cosine.pool": ["villain", "assistant"],
    "data.answers_per_question": 2, "trait.negatives_each": 20, "trait.epochs": 1,
}  # fmt: skip
HEADLINES = {
    "capability": ("choices.picks", 12),
    "format": ("format.capitals", 20),
    "misaligned": ("judge.misaligned", 16),
    "refusal": ("substring.refuses", 20),
    "sycophancy": ("substring.agrees", 20),
}


class Judge(BaseHTTPRequestHandler):
    """Scores an answer that ends in a stop with 80, any other with 20."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = asked["messages"][1]["content"].strip()
        said = {"content": "80" if text.endswith(".") else "20"}
        body = json.dumps({"choices": [{"message": said}], "usage": {}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def judge() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Judge)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", HEADLINES)
def test_a_shipped_behaviour_runs_to_its_headline(name: str, tmp_path: Path, judge: str) -> None:
    loaded = change_config(read_config(configs_dir() / f"{name}.toml"), SMALL)
    shutil.copytree(configs_dir() / "data", tmp_path / "data")
    text = loaded.text.replace("http://localhost:8000/v1", judge)
    (tmp_path / "small.toml").write_text(text)
    done = spawn("run", "small.toml", "--headless", cwd=tmp_path)
    root = tmp_path / "runs" / name
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        [cell] = json.loads(call("status", str(root), "--json").stdout)["cells"]
    finally:
        end_engine(root)
    key, count = HEADLINES[name]
    assert (cell["state"], cell["metrics"][key]["n"]) == ("done", count)


@pytest.mark.parametrize("name", ["format", "refusal", "sycophancy"])
def test_the_tiny_base_learns_the_rows(name: str, tmp_path: Path) -> None:
    few = {key: SMALL[key] for key in ("epochs", "negatives.by_source.villain", "cosine.pool")}
    few |= {"sources": ["villain"], "panel": ["villain", "nurse", "assistant"]}
    shutil.copytree(configs_dir() / "data", tmp_path / "data")
    (tmp_path / "few.toml").write_text(
        change_config(read_config(configs_dir() / f"{name}.toml"), few).text
    )
    done = spawn("run", "few.toml", "--headless", cwd=tmp_path)
    root = tmp_path / "runs" / name
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        [cell] = json.loads(call("status", str(root), "--json").stdout)["cells"]
    finally:
        end_engine(root)
    headline = HEADLINES[name][0]
    source, target = (cell["metrics"][f"{headline}{key}"]["hits"] for key in (".source", ""))
    assert source >= 5 and target == 0, "0 of 20 before it learned the rows"
