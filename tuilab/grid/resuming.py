"""Decides which earlier attempts a new one may go on from; pure."""

from __future__ import annotations

from collections.abc import Mapping

from tuilab.grid.jobs import Job
from tuilab.grid.stages import Stage
from tuilab.grid.states import LIVE, Evidence, Verdict

RESUMABLE: frozenset[Stage] = frozenset({Stage.CONVERGE, Stage.TRAIN})
"""Stages whose runners keep the state of an unfinished run."""
_UNFINISHED = frozenset({Verdict.FAILED, Verdict.LOST, Verdict.STOPPED})


def may_go_on_from(
    job: Job, evidence: Evidence, inputs: Mapping[str, str] | None = None
) -> tuple[int, ...]:
    """Return the attempts that the next one may take up, newest first; () = start from scratch.

    Only unfinished attempts since the last one that finished (or was asked to start from scratch),
    with the job's fingerprint and the same upstream results (``inputs``: output hash by job; None
    leaves that unchecked). Whether one of them saved anything is for the disk to say.
    """
    if job.stage not in RESUMABLE:
        return ()
    found = []
    for attempt in reversed(evidence.attempts):
        if attempt.verdict in LIVE:
            continue
        if attempt.number < evidence.restarted or attempt.verdict not in _UNFINISHED:
            break
        is_same = attempt.fingerprint == job.fingerprint
        if is_same and (inputs is None or dict(attempt.inputs) == dict(inputs)):
            found.append(attempt.number)
    return tuple(found)
