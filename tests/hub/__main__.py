"""Serves a folder until it is interrupted."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from tests.hub.stand_in import serving

parser = argparse.ArgumentParser(prog="python -m tests.hub")
parser.add_argument("port", type=int)
parser.add_argument("folder", type=Path)
parser.add_argument("--rate", type=float, default=0.0, help="bytes per second of the weights")
parser.add_argument("--fail", default="", help="gated, missing, 429, 503, ...")
given = parser.parse_args()
with serving(given.folder, given.port, rate=given.rate, fail=given.fail) as hub:
    print(f"HF_ENDPOINT={hub.url}", flush=True)
    while True:
        time.sleep(60)
