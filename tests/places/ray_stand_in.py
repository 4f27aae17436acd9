"""Answers like Ray's Jobs API, and starts what is submitted as real processes in namespaces."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.places.namespace import UNSHARE


class Cluster(ThreadingHTTPServer):
    """One head; ``asked`` counts its calls."""

    daemon_threads = True

    def __init__(self, listens_on: str) -> None:
        super().__init__((listens_on, 0), _Answer)
        self.jobs: dict[str, subprocess.Popen[bytes]] = {}
        self.submitted: list[dict[str, Any]] = []
        self.is_away = False
        self.token = ""
        """What callers must bring; "" for none."""
        self.lock = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def state(self, name: str) -> str:
        code = self.jobs[name].poll()
        return "RUNNING" if code is None else "SUCCEEDED" if code == 0 else "FAILED"


class _Answer(BaseHTTPRequestHandler):
    server: Cluster

    def _is_refused(self) -> bool:
        if self.server.is_away:
            self._say(503, "no head")
        elif self.server.token and self.headers["Authorization"] != f"Bearer {self.server.token}":
            self._say(401, "Unauthorized: Missing authentication token")
        else:
            return False
        return True

    def do_GET(self) -> None:
        if self._is_refused():
            return None
        names = list(self.server.jobs)
        listed = [{"submission_id": name, "status": self.server.state(name)} for name in names]
        return self._say(200, listed)

    def do_POST(self) -> None:
        if self._is_refused():
            return None
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.endswith("/stop"):
            job = self.server.jobs.get(self.path.split("/")[-2])
            if job is None:
                return self._say(404, "no such job")
            os.killpg(job.pid, signal.SIGTERM)
            return self._say(200, {"stopped": True})
        told = json.loads(raw)
        name = told["submission_id"]
        with self.server.lock:
            if name in self.server.jobs:
                return self._say(500, f"Job with submission_id {name} already exists.")
            self.server.submitted.append(told)
            run = f"hostname ray-{name.partition('-')[0]}; exec {told['entrypoint']}"
            self.server.jobs[name] = subprocess.Popen(
                [*UNSHARE, "sh", "-c", run],
                stdin=subprocess.DEVNULL,
                env={"PATH": os.environ["PATH"]},
                start_new_session=True,
            )
        return self._say(200, {"submission_id": name})

    def _say(self, code: int, content: Any) -> None:
        text = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def cluster(listens_on: str = "127.0.0.1") -> Iterator[Cluster]:
    """Run a head for a while."""
    head = Cluster(listens_on)
    thread = threading.Thread(target=head.serve_forever, daemon=True)
    thread.start()
    try:
        yield head
    finally:
        head.shutdown()
        head.server_close()
