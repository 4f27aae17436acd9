"""What all tests stand on: signals, a PATH and compiled files as at a person's terminal."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

# A shell that runs its jobs in the background ignores SIGINT for them, and every child inherits
# that: Ctrl+C, sent by a test, would reach nobody.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Hundreds of fresh interpreters are started here, and each would compile all that changed since the
# installation. What pytest makes of the test files is kept as well.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Two test processes and all that they start share the cores: pools of threads would wait there.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# Tests lie in memory where there is some: processes are killed here, not machines, and thousands of
# small files on a disk, each flushed, took a quarter of the processor's time.
MEMORY = Path("/dev/shm")
if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 2 * 2**30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

# The commands that are shown name the program as a shell would find it.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

# Looking for garbage among all that is imported took a fifth of the suite: what stands when the
# tests are collected, and what is left by each file, is looked at no more.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    if nextitem is None or nextitem.path != item.path:
        gc.collect()
        gc.freeze()
