"""Runs workers as jobs of a Ray cluster, over its REST Jobs API with the standard library alone."""

from __future__ import annotations

import json
import os
import shlex
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tuilab.engine.decide.phase import Opinion, Word
from tuilab.engine.host.remote import (
    FENCE_SECONDS,
    RefusedError,
    UnreachableError,
    read_options,
    script,
)

OPTIONS: Mapping[str, Any] = {
    "address": "http://127.0.0.1:8265", "gpus": 1.0, "cpus": 1.0, "setup": "",
    "look_seconds": 10.0, "fence_seconds": FENCE_SECONDS,
}  # fmt: skip
"""Those of ``[resources.ray]``, with their defaults."""
PATIENCE = 20.0
"""Seconds that one answer may take."""
WHERE_TOKENS = "RAY_AUTH_TOKEN, or the file ~/.ray/auth_token, must hold that of the cluster"
_WORDS = {
    "PENDING": Word.WAITING,
    "RUNNING": Word.RUNNING,
    "STOPPED": Word.ENDED,
    "SUCCEEDED": Word.ENDED,
    "FAILED": Word.ENDED,
}


class Ray:
    """The body of ``Scheduler`` over a cluster's dashboard; a job's submission id is its worker."""

    name = "Ray"

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Raise ValueError for options that it does not know."""
        given = read_options("ray", options, OPTIONS)
        self.address = given["address"].rstrip("/")
        if not self.address.startswith(("http://", "https://")):
            raise ValueError(f"resources.ray: address is {self.address!r}, not http://host:port")
        self.look_seconds = float(given["look_seconds"])
        self.fence_seconds = float(given["fence_seconds"])
        self.gpus, self.cpus = float(given["gpus"]), float(given["cpus"])
        self.setup = given["setup"]

    def look(self, workers: Collection[str]) -> Mapping[str, Opinion]:
        """One list call; a failed job may live on, and one that ended is listed for long."""
        listed = self._call("GET", "")
        if not isinstance(listed, list):
            raise UnreachableError(f"{self.address} answers, but not as Ray's job list")
        found = {}
        for one in listed:
            name = str(one.get("submission_id") or "")
            if name in workers:
                word = _WORDS.get(str(one.get("status")), Word.UNKNOWN)
                host = str((one.get("driver_info") or {}).get("node_ip_address") or "")
                told = " ".join(str(one.get("message") or "").split())[:160]
                why = f"Ray says {one.get('status')}" if word is Word.ENDED else told
                found[name] = Opinion(word, why, host)
        return found

    def submit(self, folder: Path) -> None:
        """Submit under the worker's name; Ray refuses a name that it has, which is as good."""
        content = {
            "submission_id": folder.name,
            "entrypoint": "sh -c " + shlex.quote(script(folder, self.setup)),
            "entrypoint_num_gpus": self.gpus,
            "entrypoint_num_cpus": self.cpus,
            "metadata": {"made_by": "tuilab"},
        }
        try:
            self._call("POST", "", content)
        except RefusedError as error:
            if "already exists" not in str(error):
                raise

    def cancel(self, workers: Collection[str], force: bool) -> None:
        """Stop jobs one by one: Ray sends TERM, and KILL a little later."""
        for name in workers:
            try:
                self._call("POST", f"{name}/stop")
            except RefusedError:
                continue  # it knows no such job

    def _call(self, method: str, path: str, content: Any = None) -> Any:
        headers = {"Content-Type": "application/json"}
        if token := own_token():
            headers["Authorization"] = f"Bearer {token}"
        asked = urllib.request.Request(
            f"{self.address}/api/jobs/{path}",
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers=headers,
        )
        try:
            with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            said = " ".join(error.read().decode(errors="replace").split())
            last = said[-300:] or error.reason
            if error.code in (401, 403):
                raise UnreachableError(f"{last}; {WHERE_TOKENS}") from error
            if error.code in (502, 503, 504):
                raise UnreachableError(last) from error
            raise RefusedError(last) from error
        except (OSError, ValueError) as error:
            raise UnreachableError(f"{self.address}: {error}") from error


def own_token() -> str:
    """Return the cluster's token from where Ray's own client reads it; "" where there is none.

    Without line ends, which no header takes: the error would quote the token.
    """
    if told := "".join(os.environ.get("RAY_AUTH_TOKEN", "").split()):
        return told
    path = os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token"
    try:
        return "".join(Path(path).expanduser().read_text(errors="replace").split())
    except OSError:
        return ""
