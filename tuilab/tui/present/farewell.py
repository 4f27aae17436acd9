"""Says on leaving that work goes on, and how to come back."""

from __future__ import annotations

from pathlib import Path

from tuilab.grid.engine_view import EngineState
from tuilab.grid.states import State
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.cli_equivalent import opening
from tuilab.tui.present.side_pane import running_jobs


def farewell(root: Path, snapshot: Snapshot | None) -> str:
    """Return one or two plain lines for the shell."""
    back = f"come back with: {opening(root)}"
    if snapshot is None:
        return back
    done, total = snapshot.counts.get(State.DONE, 0), len(snapshot.cells)
    if snapshot.imported_from:
        return f"Left; {done} of {total} cells are measured.\n{back}"
    live = len(running_jobs(snapshot))
    what = {0: "", 1: "1 job goes on running"}.get(live, f"{live} jobs go on running")
    if not what:
        is_gone = snapshot.engine.state is EngineState.STOPPED
        what = "no engine is running" if is_gone else "the engine goes on"
    return f"Left; {what}. {done} of {total} cells are done.\n{back}"
