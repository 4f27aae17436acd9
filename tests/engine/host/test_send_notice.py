"""A notice reaches a command and a webhook; what does not answer is given up and named."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tuilab.engine.host.send_notice import channels, send
from tuilab.grid.notices import Notice
from tuilab.grid.user_config import Notify

NOTICE = Notice("failed", "grid on pod: first failure", "eval/villain@2#42 failed (gpu-oom)")
SECRET = "B0TT0K3N"


class Hook(ThreadingHTTPServer):
    """A webhook that takes, refuses, or never answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[dict[str, str]] = []
        self.left = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}/{SECRET}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Hook)
        if self.path.startswith("/hang"):
            self.server.left.wait(60)
            return
        length = int(self.headers["Content-Length"])
        self.server.bodies.append(json.loads(self.rfile.read(length)))
        self.send_response(404 if self.path.startswith("/gone") else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.left.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_gets_the_words_as_json_that_chats_read(hook: Hook) -> None:
    assert list(send(NOTICE, Notify(webhook=hook.url("ok")))) == [("webhook 127.0.0.1", "")]
    [body] = hook.bodies
    assert body["kind"] == "failed" and body["title"] == NOTICE.title
    assert body["text"] == body["content"] == f"{NOTICE.title}\n{NOTICE.text}"


@pytest.mark.parametrize(
    ("path", "why"), [("gone", "answered 404"), ("hang", "no answer within 0.2 s")]
)
def test_a_webhook_that_fails_is_named_without_its_address(hook: Hook, path: str, why: str) -> None:
    [(name, said)] = send(NOTICE, Notify(webhook=hook.url(path), timeout_seconds=0.2))
    assert (name, said) == ("webhook 127.0.0.1", why)


def test_an_address_may_come_from_the_environment_and_must_be_one_of_the_web(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_HOOK", hook.url("ok"))
    assert [why for _, why in send(NOTICE, Notify(webhook="$MY_HOOK"))] == [""]
    [(_, why)] = send(NOTICE, Notify(webhook="$NO_SUCH_HOOK"))
    assert why == "$NO_SUCH_HOOK is not set where tuilab was started"
    [(_, why)] = send(NOTICE, Notify(webhook="file:///etc/passwd"))
    assert "http" in why
    [(_, why)] = send(NOTICE, Notify(webhook="http://127.0.0.1:1/x"))
    assert why == "cannot be reached: Connection refused"


def test_a_command_gets_the_words_and_its_failure_is_named(tmp_path: Path) -> None:
    told = tmp_path / "told"
    words = ("sh", "-c", f'printf "%s|%s" "$1" "$2" > {told}', "sh", "{title}", "{text}")
    assert list(send(NOTICE, Notify(command=words))) == [("command sh", "")]
    assert told.read_text() == f"{NOTICE.title}|{NOTICE.text}"
    assert [why for _, why in send(NOTICE, Notify(command=("false",)))] == ["exit code 1"]
    assert "No such file" in next(send(NOTICE, Notify(command=("no-such-program",))))[1]


def test_a_hanging_command_is_ended_with_its_children(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    hangs = ("sh", "-c", f"exec > {pipe}; sleep 600 & echo begun; wait")
    said = b""
    seconds = 0.1
    while said != b"begun\n":  # a busy machine may need longer to begin it
        seconds *= 2
        [(_, why)] = send(NOTICE, Notify(command=hangs, timeout_seconds=seconds))
        assert why == f"still running after {seconds:g} s, ended"
        said = until_closed(reading)
    os.close(reading)


def until_closed(reading: int) -> bytes:
    """Read a pipe until the last process that holds it for writing is gone."""
    said = b""
    while select.select([reading], [], [], 60.0)[0]:
        if not (part := os.read(reading, 4096)):
            return said
        said += part
    raise AssertionError("a child of the command lives on")


def test_apprise_says_what_it_needs_where_it_is_missing() -> None:
    to = Notify(apprise=("ntfy://x",), command=("true",))
    assert channels(to) == 2
    answers = dict(send(NOTICE, to))
    assert "apprise 1 (ntfy)" in answers and answers["command true"] == ""


def test_the_program_prints_what_was_not_sent_and_never_an_address(
    hook: Hook, tmp_path: Path
) -> None:
    (tmp_path / "tuilab").mkdir()
    (tmp_path / "tuilab" / "config.toml").write_text(
        f'[notify]\nwebhook = "{hook.url("gone")}"\non = ["failed"]\n'
    )
    root = Path(__file__).parents[3]

    def run(kind: str) -> subprocess.CompletedProcess[str]:
        told = json.dumps({"kind": kind, "title": "t", "text": "x"})
        return subprocess.run(
            [sys.executable, "-m", "tuilab.engine.host.send_notice"],
            input=told,
            capture_output=True,
            text=True,
            check=False,
            cwd=root,
            env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)},
        )

    failed = run("failed")
    assert (failed.returncode, failed.stdout) == (1, "webhook 127.0.0.1: answered 404\n")
    assert SECRET not in failed.stdout + failed.stderr
    assert run("done").returncode == 0 and len(hook.bodies) == 1
