"""A stand-in for a model hub: answers over HTTP as the real one does, and fails as it is told.

It serves one folder as the model ``Some/Tiny-Instruct`` and as the data set ``Some/rows``, both at
one commit, and takes uploads.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

MODEL = "Some/Tiny-Instruct"
DATA = "Some/rows"
FIRST = "a09a35458c702b33eeacc393d103063234e8bc28"
SECOND = "b19a35458c702b33eeacc393d103063234e8bc29"
STEP = 16 * 1024


@dataclass
class Hub:
    """What the stand-in serves and how it behaves; change it while it runs."""

    folder: Path
    main: str = FIRST
    rate: float = 0.0
    """Bytes a second of the weights; 0 for all at once."""
    fail: str = ""
    """gated, private, missing, token, forbidden, 429, 503, odd; "" serves."""
    cuts: int = 0
    """So many downloads of the weights break in the middle."""
    wrong: int = 0
    """So many downloads of the weights hold another byte."""
    retry_after: int = 2
    token: str = ""
    """The one that is let in; "" lets everyone in."""
    requests: list[str] = field(default_factory=list)
    """``GET /path`` of every request, oldest first."""
    ranges: list[str] = field(default_factory=list)
    """Range headers of the downloads of weights."""
    sent: int = 0
    """Bytes of weights that were sent."""
    created: dict[str, dict[str, Any]] = field(default_factory=dict)
    uploaded: dict[str, bytes] = field(default_factory=dict)
    commits: int = 0
    refuse_uploads: bool = False
    """Uploads of large files break."""
    port: int = 0
    tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def environment(self, home: Path) -> dict[str, str]:
        """Return what makes the hub's library ask here and keep its cache in ``home``."""
        return {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}


@contextlib.contextmanager
def serving(folder: Path, port: int = 0, **how: Any) -> Iterator[Hub]:
    """Serve a folder while the block runs."""
    hub = Hub(folder, **how)
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(hub))
    server.daemon_threads = True
    if hub.tls is not None:
        server.socket = hub.tls.wrap_socket(server.socket, server_side=True)
    hub.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        here = hub

    return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    here: Hub

    def log_message(self, format: str, *values: Any) -> None:
        """Stay silent."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlparse(self.path).path)
        self.here.requests.append(f"{self.command} {path}")
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        if self._refuses():
            return
        with contextlib.suppress(ConnectionError):  # the one who asked was killed
            self._serve(path, body)

    def _serve(self, path: str, body: bytes) -> None:
        parts = path.strip("/").split("/")
        if parts[:1] == ["upload"]:
            self._take(parts[1], body)
        elif self.command == "POST":
            self._change(parts, json.loads(body) if path.endswith(".json") else body)
        elif parts[0] == "datasets" and "/".join(parts[1:3]) != DATA:
            self._error(404, "RepoNotFound", "Repository not found")
        elif parts[0] == "datasets" and parts[4] not in ("main", FIRST, SECOND):
            self._error(404, "RevisionNotFound", "Invalid rev id")
        elif parts[0] == "datasets":
            self._file("/".join(parts[5:]), parts[4])
        elif "resolve" in parts:
            self._file("/".join(parts[4:]), parts[3])
        elif parts[:2] == ["api", "models"]:
            self._model(parts[2:])
        elif parts == ["api", "whoami-v2"]:
            self._say(200, {"name": "somebody", "type": "user", "auth": {}})
        else:
            self._say(200 if parts == [""] else 404, {})

    def _refuses(self) -> bool:
        fail, given = self.here.fail, self.headers.get("Authorization", "")
        if self.here.token and given != f"Bearer {self.here.token}":
            fail = fail or "gated"
        elif self.here.token:
            fail = "" if fail == "gated" else fail
        if fail == "429":
            self._say(429, {}, {"Retry-After": str(self.here.retry_after)})
        elif fail in _REFUSALS:
            status, code, message = _REFUSALS[fail]
            head = {"X-Error-Code": code, "X-Error-Message": message}
            self._say(status, {"error": message}, {key: one for key, one in head.items() if one})
        return bool(fail)

    def _model(self, parts: list[str]) -> None:
        name, rest = "/".join(parts[:2]), parts[2:]
        if name != MODEL and name not in self.here.created:
            self._error(404, "RepoNotFound", "Repository not found")
            return
        revision = rest[1] if len(rest) > 1 else "main"
        if revision not in ("main", FIRST, SECOND):
            self._error(404, "RevisionNotFound", "Invalid rev id")
            return
        commit = self.here.main if revision == "main" else revision
        if rest[:1] == ["tree"]:
            self._say(200, [_entry(self.here.folder, path) for path in _files(self.here.folder)])
            return
        hidden = self.here.created.get(name, {}).get("visibility") == "private"
        self._say(200, {"id": name, "sha": commit, "siblings": [], "tags": [], "private": hidden})

    def _file(self, name: str, revision: str) -> None:
        path = self.here.folder / name
        commit = self.here.main if revision == "main" else revision
        if not path.is_file():
            self._error(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit})
            return
        data = path.read_bytes()
        etag = hashlib.sha256(data).hexdigest()
        start = 0
        if asked := self.headers.get("Range"):
            start = int(asked.removeprefix("bytes=").partition("-")[0] or 0)
        is_weights = path.suffix == ".safetensors"
        if is_weights and self.command == "GET":
            self.here.ranges.append(asked or "")
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Accept-Ranges", "bytes")
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if self.command == "GET":
            self._send(data[start:], is_weights)

    def _send(self, data: bytes, is_weights: bool) -> None:
        here = self.here
        if is_weights and here.cuts > 0:
            here.cuts -= 1
            self.wfile.write(data[: len(data) // 3])
            self.wfile.flush()
            self.connection.close()
            self.close_connection = True
            return
        if is_weights and here.wrong > 0:
            here.wrong -= 1
            data = bytes([data[0] ^ 1]) + data[1:]
        for at in range(0, len(data), STEP):
            self.wfile.write(data[at : at + STEP])
            if is_weights:
                here.sent += len(data[at : at + STEP])
            if is_weights and here.rate:
                self.wfile.flush()
                time.sleep(STEP / here.rate)

    def _change(self, parts: list[str], body: bytes) -> None:
        here = self.here
        if parts == ["api", "repos", "create"]:
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'somebody'}/{asked['name']}"
            if name in here.created:
                self._say(409, {"url": f"{here.url}/{name}"})
                return
            here.created[name] = asked
            self._say(200, {"url": f"{here.url}/{name}", "name": name, "id": name})
        elif "preupload" in parts:
            asked = json.loads(body)
            found = [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if one["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for one in asked["files"]
            ]
            self._say(200, {"files": found})
        elif parts[-3:] == ["info", "lfs", "objects"] or parts[-1] == "batch":
            self._batch(json.loads(body))
        elif "commit" in parts:
            self._commit(body)
        elif parts == ["api", "validate-yaml"]:
            self._say(200, {"errors": [], "warnings": []})
        else:
            self._say(404, {})

    def _batch(self, asked: dict[str, Any]) -> None:
        objects = []
        for one in asked["objects"]:
            entry = {"oid": one["oid"], "size": one["size"], "authenticated": True}
            if one["oid"] not in self.here.uploaded:
                entry["actions"] = {"upload": {"href": f"{self.here.url}/upload/{one['oid']}"}}
            objects.append(entry)
        self._say(200, {"transfer": "basic", "objects": objects})

    def _take(self, oid: str, body: bytes) -> None:
        if self.here.refuse_uploads:
            self._say(507, {})
            return
        self.here.uploaded[oid] = body
        self._say(200, {})

    def _commit(self, body: bytes) -> None:
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                self.here.uploaded[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                self.here.uploaded[value["path"]] = self.here.uploaded[value["oid"]]
        self.here.commits += 1
        url = f"{self.here.url}/somebody/x/commit/{SECOND}"
        self._say(200, {"success": True, "commitOid": SECOND, "commitUrl": url})

    def _error(
        self, status: int, code: str, message: str, head: dict[str, str] | None = None
    ) -> None:
        told = {"X-Error-Code": code, "X-Error-Message": message, **(head or {})}
        self._say(status, {"error": message}, told)

    def _say(self, status: int, value: Any, head: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in (head or {}).items():
            self.send_header(name, text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


_REFUSALS = {
    "gated": (
        401,
        "GatedRepo",
        "Access to model Some/Tiny-Instruct is restricted. You must have access to it and be "
        "authenticated to access it. Please log in.",
    ),
    "private": (401, "RepoNotFound", "Invalid username or password."),
    "missing": (404, "RepoNotFound", "Repository not found"),
    "token": (401, "", "Invalid credentials in Authorization header"),
    "forbidden": (403, "", "Forbidden: pass a fine-grained token"),
    "503": (503, "", ""),
    "odd": (418, "", "I am a teapot"),
}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _entry(folder: Path, path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    entry = {
        "type": "file",
        "path": path.relative_to(folder).as_posix(),
        "size": len(data),
        "oid": blob,
    }
    if path.suffix in (".safetensors", ".bin"):
        sha = hashlib.sha256(data).hexdigest()
        entry["lfs"] = {"oid": sha, "size": len(data), "pointerSize": 130}
    return entry
