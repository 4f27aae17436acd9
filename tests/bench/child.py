"""The app as the benchmarks run it: ``python -m tests.bench.child KIND [ARGUMENT]`` in a pty."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

os.environ["TEXTUAL_ANIMATIONS"] = "none"


def main(kind: str, argument: str) -> int:
    """Open an experiment, a large fixed grid, or one that changes with every look."""
    if kind == "open":
        from tuilab.tui import run

        return run(Path(argument))
    from tests.tui.examples import Fixed, large
    from tuilab.grid.states import State
    from tuilab.store.snapshot import Snapshot
    from tuilab.tui.app import TuilabApp

    sources, epochs = (int(part) for part in argument.split("x"))

    class Changing(Fixed):
        """Another cell is done at every look."""

        def poll(self, now: float) -> Snapshot:
            number = self.snapshot.sequence
            place = number * 7 % len(self.snapshot.cells)
            view = self.snapshot.cells[place]
            state = State.RUNNING if view.state is State.DONE else State.DONE
            cells = list(self.snapshot.cells)
            cells[place] = replace(view, state=state, percent=float(number % 100))
            self.snapshot = replace(self.snapshot, cells=tuple(cells), sequence=number + 1)
            return self.snapshot

    made = large(Path.cwd(), sources, epochs)
    source = Changing(made.snapshot) if kind == "changing" else made
    app = TuilabApp(Path.cwd(), source=lambda root: source, poll_seconds=0.1)
    app.run()
    return app.return_code or 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
