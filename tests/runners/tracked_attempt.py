"""A runner whose work never ends: python tracked_attempt.py ATTEMPT_DIR.

It reports as training does, has its events copied as runners do, and is there to be killed.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from runners.tracker import sidecar
from tuilab.contract.report import Reporter
from tuilab.contract.spec import SPEC_FILE, read_spec

directory = Path(sys.argv[1])
spec = read_spec(directory / SPEC_FILE)
with Reporter(directory, spec) as reporter:
    sidecar.begin(spec, directory, reporter)
    step = 0
    while True:
        step += 1
        reporter.metric(step, loss=1.0 / step, grad_norm=float(step))
        time.sleep(0.005)  # the work of a step
