"""What all tests stand on: signals and a PATH as a person at a terminal has them."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

# A shell that runs its jobs in the background ignores SIGINT for them, and every child inherits
# that: Ctrl+C, sent by a test, would reach nobody.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The commands that are shown name the program as a shell would find it.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
