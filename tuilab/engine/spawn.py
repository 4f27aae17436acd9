"""Starts an engine that outlives whoever asked for it: own session, no terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from io import BufferedReader
from pathlib import Path

from tuilab.contract.foreign import redact_all
from tuilab.contract.identity import Identity
from tuilab.contract.tail import last_words
from tuilab.engine.host.environment import with_source_root
from tuilab.engine.host.provenance import ASKED_VARIABLE
from tuilab.store.experiment_id import refuse_copy
from tuilab.store.layout import Layout
from tuilab.store.lease import Holder, holder

WAIT_SECONDS = 60.0
"""A new engine needs one second, and many where the machine is busy; one that fails says so."""


class EngineStartError(Exception):
    """The engine did not come up; the text says what it printed last."""


def start(root: Path, go: bool, takeover: bool = False, on: str = "") -> Identity:
    """Return the identity of the experiment's engine, started now unless one is alive.

    An engine that is alive is left as it is; ``go`` reaches it as a request (run or resume).
    Raises EngineStartError, and CopyError for a copy.
    """
    layout = Layout(root.absolute())
    refuse_copy(layout)
    before = holder(layout, time.time())
    if before is not None and not takeover:
        return before.identity
    hearing, telling = os.pipe()
    os.set_blocking(hearing, False)
    with open(hearing, "rb") as told:  # noqa: PTH123  # a handle, not a path
        try:
            launcher = _launch(layout, go, takeover, telling, on)
        finally:
            os.close(telling)
        return _wait(layout, before, launcher, told)


def _wait(
    layout: Layout, before: Holder | None, launcher: subprocess.Popen[bytes], told: BufferedReader
) -> Identity:
    """Return the new engine's identity once it holds the lease; EngineStartError says why not."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found = holder(layout, time.time())
        if found is not None and (before is None or found.token != before.token):
            launcher.wait()
            return found.identity
        if why := told.read():
            raise EngineStartError(f"the engine did not start: {why.decode(errors='replace')}")
        if launcher.poll() not in (None, 0):
            break
        time.sleep(0.02)
    said = last_words(layout.engine_log) or f"see {layout.engine_log}"
    raise EngineStartError(f"the engine did not start: {said}")


def _launch(
    layout: Layout, go: bool, takeover: bool, tell: int, on: str
) -> subprocess.Popen[bytes]:
    """Run the launcher that forks the engine away; it ends at once, so nobody has to reap."""
    flags = [*(["--go"] if go else []), *(["--takeover"] if takeover else []), "--detach"]
    flags += ["--tell", str(tell), *(["--on", on] if on else [])]
    with layout.engine_log.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tuilab.engine", str(layout.root), *flags],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={
                **os.environ,
                "PYTHONPATH": with_source_root(os.environ.get("PYTHONPATH", "")),
                ASKED_VARIABLE: json.dumps(redact_all(sys.orig_argv)),
            },
            start_new_session=True,
            pass_fds=(tell,),
        )
