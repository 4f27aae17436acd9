"""Faults on demand for tests: the only place that reads TUILAB_FAULT.

``TUILAB_FAULT=stage:what[:part of the job id[:first]]``, several separated by commas. ``first``
limits it to the first attempt, so that a relaunch succeeds. Every stage knows ``exit-137`` (dies by
SIGKILL), ``hang``, ``slow`` (waits two seconds), ``fork`` (leaves a daemon behind), ``enospc``,
``code`` and ``oom``; train and converge know ``nan`` and ``no-rslora``; merge knows ``empty``.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tuilab.contract.spec import Spec

VARIABLE = "TUILAB_FAULT"
SLOW_SECONDS = 2.0


def is_set(spec: Spec, what: str) -> bool:
    """True when this fault was ordered for this attempt."""
    for order in filter(None, os.environ.get(VARIABLE, "").split(",")):
        stage, _, rest = order.partition(":")
        kind, job, when = (*rest.split(":"), "", "")[:3]
        if (stage, kind) != (spec.stage, what) or job not in spec.job:
            continue
        if when != "first" or spec.attempt == 1:
            return True
    return False


def strike_at_start(spec: Spec) -> None:
    """Cause the faults that need no particular point in the work."""
    if is_set(spec, "exit-137"):
        os.kill(os.getpid(), signal.SIGKILL)
    if is_set(spec, "fork"):
        _leave_a_daemon()
    while is_set(spec, "hang"):
        time.sleep(1)
    if is_set(spec, "slow"):
        time.sleep(SLOW_SECONDS)
    if is_set(spec, "code"):
        raise RuntimeError("an injected fault")
    if is_set(spec, "oom"):
        import torch

        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.30 GiB (ordered)")


def strike_at_save(spec: Spec) -> None:
    """Cause the faults of writing artefacts."""
    if is_set(spec, "enospc"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "adapter_model.safetensors")


def _leave_a_daemon() -> None:
    """Start a sleeping grandchild in its own session; its parent ends at once."""
    sleeper = "import time; time.sleep(3600)"
    starter = (
        "import subprocess, sys; "
        f"subprocess.Popen([sys.executable, '-c', {sleeper!r}], start_new_session=True)"
    )
    subprocess.run([sys.executable, "-c", starter], check=True)


def drop_rslora(config: Path) -> None:
    """Rewrite adapter_config.json as PEFT wrote it before rank stabilisation."""
    found = json.loads(config.read_text(encoding="utf-8"))
    del found["use_rslora"]
    config.write_text(json.dumps(found), encoding="utf-8")
