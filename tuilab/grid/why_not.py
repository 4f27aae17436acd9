"""Says why an action is impossible right now; "" when it is not. Pure, shared by keys and verbs."""

from __future__ import annotations

from collections.abc import Sequence

from tuilab.grid.states import JobStatus, State

RESULTS_ONLY = "these are results only: there is nothing to run"


def why_not_write(read_only: bool) -> str:
    """Say why nothing may be changed."""
    said = "this experiment is open read-only: open it without --read-only to change it"
    return said if read_only else ""


def why_not_relaunch_failed(jobs: Sequence[JobStatus], read_only: bool = False) -> str:
    """Say why there is nothing to relaunch among all jobs."""
    if why := why_not_write(read_only):
        return why
    if not any(job.state in (State.FAILED, State.LOST, State.SUSPECT) for job in jobs):
        return "no job is failed, lost or suspect"
    return ""


def why_not_pause(engine: str, pause: str, mode: str = "soft", read_only: bool = False) -> str:
    """Say why the engine cannot be paused; ``engine`` is its state word, ``pause`` the mode now."""
    if why := why_not_write(read_only):
        return why
    if engine == "stopped":  # one that does not answer may wake up, and start things
        return "no engine is running, so nothing new starts"
    if pause == mode:
        return f"it is already paused ({mode})"
    return ""


def why_not_resume(engine: str, pause: str, read_only: bool = False) -> str:
    """Say why there is nothing to resume."""
    if why := why_not_write(read_only):
        return why
    if engine == "running" and not pause:
        return "nothing is paused"
    return ""
