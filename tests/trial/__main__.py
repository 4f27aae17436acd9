"""python -m tests.trial [DIR] [NAME...]: run the scripted trials and print what was seen.

``python -m tests.trial machines --seed N`` kills at random what a grid elsewhere is made of.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.trial.machines import play
from tests.trial.scenarios import SCENARIOS


def main() -> int:
    """Run the named scenarios (all without a name); 0 when every claim held."""
    words = sys.argv[1:]
    if words[:1] == ["machines"]:
        return play(words[1:])
    folder = Path(words[0]) if words else Path(tempfile.mkdtemp(prefix="tuilab-trial-"))
    chosen = {name: SCENARIOS[name] for name in words[1:]} or SCENARIOS
    failed = []
    for name, scenario in chosen.items():
        place = folder / name
        shutil.rmtree(place, ignore_errors=True)
        began = time.monotonic()
        try:
            seen = scenario(place)
        except AssertionError as error:
            failed.append(name)
            seen = f"DOES NOT HOLD: {error}"
            traceback.print_exc()
        print(f"{name:32} {time.monotonic() - began:6.1f} s  {seen}", flush=True)
    print(f"{len(chosen) - len(failed)} of {len(chosen)} hold; files in {folder}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
