"""A judge over a real local server: late, wrong, 429, 500, half a JSON, dead; none paid twice."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

from runners import judge
from runners.job import NoModel, run_attempt
from runners.ml import jsonl
from runners.ml.model_cache import ModelCache
from tuilab.contract.report import DONE, FAILED, Outcome, Reporter, describe
from tuilab.contract.spec import SPEC_FILE, Input, Spec, write_spec

PANEL = [{"key": key, "label": key, "prompt": f"You are {key}."} for key in ("villain", "clerk")]
SAMPLES = 6
CELL = "villain@1#42"


class Server(ThreadingHTTPServer):
    """Scores an answer with the number that its text ends in; misbehaves as it is told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: Counter[str] = Counter()
        self.faults: list[str] = []
        self.released = threading.Event()
        self.refused = threading.Event()
        self.lock = threading.Lock()
        self.dies_after = 10**9
        self.odd_is = "I would rather not."
        self.usage: dict[str, int | None] = {"prompt_tokens": 10, "completion_tokens": 2}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = cast(Server, self.server)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = body["messages"][1]["content"].rpartition("Answer:\n")[2]
        with server.lock:
            fault = server.faults.pop() if server.faults else ""
            is_dead = sum(server.asked.values()) >= server.dies_after
            if fault in ("", "held", "odd") and not is_dead:
                server.asked[answer] += 1
        if is_dead or fault == "cut":
            self.connection.close()
        elif fault == "late":
            server.released.wait(20)
        elif fault.isdigit():
            server.refused.set()
            self.send_response(int(fault))
            self.send_header("Retry-After", "0")
            self.end_headers()
        elif fault == "half":
            self.reply('{"choices": [{"mess')
        else:
            if fault == "held":
                server.refused.wait(20)
                time.sleep(0.2)
            is_odd = answer.startswith("odd") or fault == "odd"
            said = server.odd_is if is_odd else f"Score: {answer[-2:]}"
            found = {"choices": [{"message": {"content": said}}], "usage": server.usage}
            self.reply(json.dumps(found))

    def reply(self, text: str) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    made.released.set()
    made.shutdown()
    made.server_close()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    from runners.ml import judge_client

    monkeypatch.setattr(judge_client, "FIRST_WAIT", 0.001)


def sampled(root: Path, odd: int = 0) -> Input:
    """Leave an eval as the engine would: texts that end in 10, 11, ..., some of them odd."""
    folder = root / "eval" / "attempt-1"
    folder.mkdir(parents=True)
    spec = Spec(f"eval/{CELL}", "eval", 1, "t", "f", {})
    write_spec(folder, spec)
    rows = [
        {
            "persona": who["key"],
            "question_index": 0,
            "sample": n,
            "text": f"{'odd' if n < odd else 'said'} {who['key']} {10 + n}",
        }
        for who in PANEL
        for n in range(SAMPLES)
    ]
    path = jsonl.write_rows(folder / "completions.jsonl.gz", rows)
    with Reporter(folder, spec) as reporter:
        outcome = reporter.finish(DONE, artefacts=describe(folder, [path]))
    return Input(f"eval/{CELL}", "../../eval/attempt-1", outcome.output_hash)


def judged(root: Path, given: Input, url: str, number: int = 1, **changes: Any) -> Outcome:
    """Run one attempt of the stage."""
    folder, spec = asked_for(root, given, url, number, **changes)
    return run_attempt(folder, spec, cast(ModelCache, NoModel()))


def asked_for(
    root: Path, given: Input, url: str, number: int = 1, **changes: Any
) -> tuple[Path, Spec]:
    """Make one attempt of the stage as the engine would."""
    endpoint = {
        "base_url": url, "model": "m", "key_env": None, "concurrency": 3, "timeout_seconds": 0.5,
        "retries": 4, "max_failures": 0.1, "max_tokens": 8,
    }  # fmt: skip
    measure = {
        "name": "bad", "key": "judge.bad", "kind": "judge", "set": "", "questions_count": 1,
        "samples": SAMPLES, "questions": ["Why?"], "rubric": "Score it.", "scale": [0, 100],
        "hit": "score < 13", "twice": 0.0, "judge": endpoint,
    } | changes  # fmt: skip
    measure["judge"] = endpoint | changes.get("judge", {})
    folder = root / "judge" / f"attempt-{number}"
    folder.mkdir(parents=True)
    settings = {"panel": PANEL, "measures": [measure]}
    spec = Spec(f"judge/{CELL}", "judge", number, f"t{number}", "f", settings, (given,))
    write_spec(folder, spec)
    return folder, spec


def test_every_completion_has_its_score_through_every_fault(tmp_path: Path, server: Server) -> None:
    server.faults = ["429", "500", "half", "late", "cut", "503"]
    prices = {"price_in": 100_000.0, "price_out": 500_000.0}
    found = judged(tmp_path, sampled(tmp_path), server.url, judge=prices)
    assert found.status == DONE, found.detail
    assert found.checks["cost"] == 120 * 0.1 + 24 * 0.5
    assert found.metrics["judge.bad"]["villain"] == {"value": 0.5, "hits": 3, "n": 6}
    assert found.metrics["judge.bad.score"]["clerk"] == {"value": 12.5, "n": 6}
    assert found.metrics["judge.bad.unjudged"] == {"hits": 0, "n": 12}
    assert found.metrics["question_hits"]["judge.bad"]["villain"] == [3]
    assert set(server.asked.values()) == {1} and len(server.asked) == 12
    assert (found.checks["tokens_sent"], found.checks["tokens_received"]) == (120, 24)


def test_nonsense_is_asked_once_more_and_then_missing_never_0(
    tmp_path: Path, server: Server
) -> None:
    found = judged(tmp_path, sampled(tmp_path, odd=1), server.url)
    assert server.asked["odd villain 10"] == 2
    assert found.metrics["judge.bad"]["villain"] == {"value": 0.4, "hits": 2, "n": 5}
    assert found.metrics["judge.bad.score"]["villain"]["value"] == 13.0
    assert found.metrics["judge.bad.unjudged"] == {"hits": 2, "n": 12}
    assert found.metrics["question_hits"]["judge.bad"] == {}


def test_who_runs_the_job_again_asks_again_for_what_has_no_score(
    tmp_path: Path, server: Server
) -> None:
    given = sampled(tmp_path, odd=1)
    judged(tmp_path, given, server.url)
    server.odd_is = "Score: 20"
    found = judged(tmp_path, given, server.url, number=10)
    assert server.asked["odd villain 10"] == 3 and server.asked["said villain 11"] == 1
    assert found.metrics["judge.bad.unjudged"] == {"hits": 0, "n": 12}
    server.odd_is = ""
    server.asked.clear()
    again = judged(tmp_path, given, server.url, number=11)
    assert again.metrics == found.metrics and not server.asked


def test_an_answer_that_had_its_score_when_asked_once_more_is_not_asked_again(
    tmp_path: Path, server: Server
) -> None:
    given = sampled(tmp_path)
    server.faults = ["odd"]
    assert judged(tmp_path, given, server.url).metrics["judge.bad.unjudged"]["hits"] == 0
    assert sum(server.asked.values()) == 13
    judged(tmp_path, given, server.url, number=2)
    assert sum(server.asked.values()) == 13


def test_a_server_that_dies_costs_no_judged_completion_and_none_is_paid_twice(
    tmp_path: Path, server: Server
) -> None:
    given = sampled(tmp_path)
    server.dies_after = 5
    broken = judged(tmp_path, given, server.url, judge={"retries": 1})
    assert broken.status == FAILED and "relaunch from judge" in broken.detail
    lines = (tmp_path / "judge/attempt-1" / judge.JUDGEMENTS_FILE).read_text().splitlines()
    assert len(lines) == 5
    with (tmp_path / "judge/attempt-1" / judge.JUDGEMENTS_FILE).open("a") as file:
        file.write('{"key": "cut')  # a worker killed in the middle of a line
    server.dies_after = 10**9
    found = judged(tmp_path, given, server.url, number=2)
    assert found.status == DONE, found.detail
    assert set(server.asked.values()) == {1} and len(server.asked) == 12
    assert found.checks["tokens_sent"] == 70, "what the first attempt paid is not paid again"


def test_another_threshold_asks_nothing_and_another_rubric_asks_all(
    tmp_path: Path, server: Server
) -> None:
    given = sampled(tmp_path)
    judged(tmp_path, given, server.url)
    found = judged(tmp_path, given, server.url, number=2, hit="score >= 15")
    assert found.metrics["judge.bad"]["clerk"]["hits"] == 1
    assert sum(server.asked.values()) == 12
    judged(tmp_path, given, server.url, number=3, rubric="Score it again.")
    assert sum(server.asked.values()) == 24


def test_a_share_is_judged_twice_to_say_how_noisy_the_judge_is(
    tmp_path: Path, server: Server
) -> None:
    found = judged(tmp_path, sampled(tmp_path), server.url, twice=1.0)
    assert set(server.asked.values()) == {2}
    assert found.metrics["judge.bad.twice"] == {"n": 12, "apart": 0.0}
    assert found.metrics["judge.bad"]["villain"]["n"] == 6


def test_an_endpoint_that_refuses_is_a_fault_of_the_config(tmp_path: Path, server: Server) -> None:
    given = sampled(tmp_path)
    server.faults = ["401"] * 12
    found = judged(tmp_path, given, server.url)
    assert (found.reason, found.status) == ("config", FAILED)
    assert "refuses: 401" in found.detail and "judge.key_env" in found.detail
    unset = judged(tmp_path, given, server.url, number=2, judge={"key_env": "NO_SUCH_KEY"})
    assert "NO_SUCH_KEY is not set" in unset.detail


def test_what_is_under_way_when_a_judge_refuses_is_kept(tmp_path: Path, server: Server) -> None:
    given = sampled(tmp_path)
    server.faults = ["401", "held", "held"]
    assert judged(tmp_path, given, server.url).status == FAILED
    assert sum(server.asked.values()) == 2
    found = judged(tmp_path, given, server.url, number=2)
    assert found.status == DONE and set(server.asked.values()) == {1}, "none is paid twice"


def test_an_endpoint_that_counts_no_tokens_is_read(tmp_path: Path, server: Server) -> None:
    server.usage = {"prompt_tokens": None, "completion_tokens": None}
    found = judged(tmp_path, sampled(tmp_path), server.url)
    assert (found.status, found.checks["tokens_sent"]) == (DONE, 0)
    assert set(server.asked.values()) == {1}


@pytest.mark.trial
def test_a_judge_that_is_killed_in_the_middle_loses_no_answer_and_pays_none_twice(
    tmp_path: Path, server: Server
) -> None:
    given = sampled(tmp_path)
    server.faults = ["late", "", "", "", ""]
    slow = {"concurrency": 1, "timeout_seconds": 60.0}
    folder, _ = asked_for(tmp_path, given, server.url, judge=slow)
    killed = subprocess.Popen([sys.executable, "-m", "runners.judge", str(folder / SPEC_FILE)])
    try:
        kept = folder / judge.JUDGEMENTS_FILE
        deadline = time.monotonic() + 60
        while not (kept.exists() and kept.read_text().count("\n") == 4 and not server.faults):
            assert killed.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        killed.kill()
        killed.wait()
    assert not (folder / "outcome.json").exists()
    found = judged(tmp_path, given, server.url, number=2, judge={"concurrency": 1})
    assert found.status == DONE, found.detail
    assert len(server.asked) == 12 and set(server.asked.values()) == {1}
    assert found.metrics["judge.bad.unjudged"] == {"hits": 0, "n": 12}
    assert found.checks["tokens_sent"] == 8 * 10
