"""A scheduler whose machines are namespaces: other hostnames, other process tables, one kernel.

What it does can be changed while it works, by files in its folder: ``hold`` (so many workers run at
most), ``away`` (nobody answers), ``lies`` (it says that all ended), ``refuse`` (it takes no
submission), ``forget-answer`` (it takes one, and says so to nobody).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tuilab.contract.worker import LOG_FILE
from tuilab.engine.decide.phase import Opinion, Word
from tuilab.engine.host.environment import source_root
from tuilab.engine.host.process_tree import process_table
from tuilab.engine.host.remote import RefusedError, Remote, UnreachableError

UNSHARE = ("unshare", "--pid", "--uts", "--net", "--fork", "--mount-proc", "--kill-child")
ON_THE_NET = tuple(word for word in UNSHARE if word != "--net")


def why_not() -> str:
    """Say why this machine makes no namespaces; "" when it does."""
    try:
        done = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True)
    except OSError as error:
        return f"unshare: {error.strerror}"
    return done.stderr.strip() if done.returncode else ""


class Namespaces:
    """The body of ``Scheduler``; everything it knows lies in ``folder``, as with a real one."""

    name = "the test scheduler"

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.folder = Path(options["folder"])
        self.look_seconds = float(options.get("look_seconds", 0.1))
        self.fence_seconds = float(options.get("fence_seconds", 2.0))
        self.same_name = bool(options.get("same_name", False))
        self.own = str(options.get("own", ""))
        """A folder that each machine has one of its own of; they reach the network then."""
        self.cached = str(options.get("cached", ""))
        """What the engine sees through a cache, and the machines do not."""
        (self.folder / "jobs").mkdir(parents=True, exist_ok=True)

    def is_on(self, switch: str) -> bool:
        return (self.folder / switch).exists()

    def look(self, workers: Collection[str]) -> Mapping[str, Opinion]:
        self._count("look")
        self._refuse_if_away()
        self._start_waiting()
        return {name: self._opinion(name) for name in workers if self._job(name).exists()}

    def submit(self, folder: Path) -> None:
        self._count("submit")
        self._refuse_if_away()
        if self.is_on("refuse"):
            raise RefusedError("invalid partition specified")
        self._job(folder.name).write_text(json.dumps({"folder": str(folder)}))
        self._start_waiting()
        if self.is_on("forget-answer"):
            (self.folder / "forget-answer").unlink()
            raise UnreachableError("the answer was lost")

    def cancel(self, workers: Collection[str], force: bool) -> None:
        self._count("cancel")
        self._refuse_if_away()
        for name in workers:
            job = self._read(name)
            if job.get("pid") and force:
                os.kill(job["pid"], signal.SIGKILL)
            if not job.get("pid"):
                self._job(name).write_text(json.dumps({**job, "cancelled": True}))

    def _start_waiting(self) -> None:
        most = int((self.folder / "hold").read_text() or 0) if self.is_on("hold") else 1 << 30
        for path in sorted((self.folder / "jobs").glob("w*.json"), key=lambda p: p.stat().st_ctime):
            job = json.loads(path.read_text())
            if job.get("pid") or job.get("cancelled"):
                continue
            running = sum(self._is_alive(one.stem) for one in (self.folder / "jobs").glob("w*"))
            if running >= most:
                return
            path.write_text(json.dumps({**job, "pid": self.start(Path(job["folder"]))}))

    def start(self, folder: Path) -> int:
        """Start the shim of a worker as the first process of a machine of its own."""
        host = "node" if self.same_name else f"node-{folder.name.partition('-')[0]}"
        run = f'hostname {host}; exec "{sys.executable}" -m tuilab.engine.shim "{folder}"'
        if self.own:
            (self.folder / host).mkdir(exist_ok=True)
            run = f'mount --bind "{self.folder / host}" "{self.own}"; {run}'
        if self.cached:
            run = f'umount -l "{self.cached}"; cd "{folder}"; {run}'
        with (folder / LOG_FILE).open("ab") as log:
            child = subprocess.Popen(
                [*(ON_THE_NET if self.own else UNSHARE), "sh", "-c", run],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(source_root())},
                start_new_session=True,
            )
        return child.pid

    def _opinion(self, name: str) -> Opinion:
        job = self._read(name)
        if self.is_on("lies"):
            return Opinion(Word.ENDED, "it says NODE_FAIL")
        if job.get("cancelled"):
            return Opinion(Word.ENDED, "cancelled")
        if not job.get("pid"):
            return Opinion(Word.WAITING, "Resources")
        return Opinion(Word.RUNNING if self._is_alive(name) else Word.ENDED, "it ended")

    def _is_alive(self, name: str) -> bool:
        return self._read(name).get("pid") in process_table()

    def _refuse_if_away(self) -> None:
        if self.is_on("away"):
            raise UnreachableError("connection refused")

    def _count(self, what: str) -> None:
        with (self.folder / "calls").open("a") as file:
            file.write(what + "\n")

    def _job(self, name: str) -> Path:
        return self.folder / "jobs" / f"{name}.json"

    def _read(self, name: str) -> dict[str, Any]:
        try:
            return dict(json.loads(self._job(name).read_text()))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}


def machines(experiment: str, options: Mapping[str, Any]) -> Remote:
    """Return the place, for ``resources.executor``."""
    return Remote(Namespaces(options))
