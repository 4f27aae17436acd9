"""Holds many folders against readers, verbs and the engine: python -m tests.agreement 200"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

from tests.agreement import compare
from tests.agreement.folders import Folder, cut_everywhere, keep_fold, random_folder
from tests.copies import own_copy
from tuilab.contract.identity import identify


def main(seeds: int) -> int:
    """Print the seeds that disagree; 1 when there are some."""
    wrong = []
    with subprocess.Popen(["sleep", "86400"]) as process:
        living = identify(process.pid)
        assert living is not None
        for seed in range(seeds):
            with tempfile.TemporaryDirectory() as place:
                try:
                    _compare(random_folder(Path(place) / "x", seed, living), Path(place))
                except AssertionError:
                    wrong.append(seed)
                    print(f"seed {seed} disagrees")
                    traceback.print_exc(limit=-2)
        process.kill()
    print(f"{seeds} folders, {len(wrong)} of them disagree: {wrong}")
    return 1 if wrong else 0


def _compare(folder: Folder, place: Path) -> None:
    root = folder.scene.root
    keep_fold(folder)
    compare.compare_quick_verbs(root, compare.compare_readers(root))
    folder.scene.layout.engine.unlink()
    compare.compare_acting_verbs(root, compare.compare_readers(root))
    for kept in cut_everywhere(folder, step=5):
        state = compare.compare_readers(root)
        compare.compare_quick_verbs(root, state)
        copy = own_copy(root, place / f"cut-{kept}")
        compare.compare_engine(copy, state)
    compare.compare_engine(root, compare.compare_readers(root))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
