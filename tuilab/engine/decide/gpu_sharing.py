"""Decides whether a job fits on a GPU beside other workers, from measured peaks alone; pure."""

from __future__ import annotations

from tuilab.engine.decide.facts import Facts, Slot, Worker
from tuilab.engine.decide.phase import IN_USE
from tuilab.grid.stages import Stage
from tuilab.grid.text import gibibytes

MARGIN = 0.1
"""Share of a device that stays free: contexts, fragments, and what a peak does not count."""
_SAMPLING = frozenset({Stage.DATA, Stage.EVAL})


def why_not_beside(facts: Facts, slot: Slot, worker: Worker | None, job: str) -> str:
    """Say why a job may not start in a slot beside what else is on its device; "" when it may.

    ``worker`` is the one that would take it, None for a new one. Alone on a device every job may
    start. The peaks are those of done attempts of the same stage; what was never measured, and
    what takes all that is free (vLLM), shares with nobody.
    """
    others = neighbours(facts, slot, worker)
    if not others:
        return ""
    wanted = claim_of(facts, worker, job)
    taken = [claim_of(facts, other) for other in others]
    if wanted is None:
        return f"GPU {slot.device} is in use, and what {job} needs there is not known"
    if None in taken:
        return f"GPU {slot.device} is in use by a job whose peak is not known"
    ours = sum(claim or 0 for claim in taken)
    foreign = max(0, slot.memory_used - ours - (0 if worker is None else wanted))
    room = slot.memory_total * (1 - MARGIN) - foreign
    if ours + wanted <= room:
        return ""
    return (
        f"GPU {slot.device}: {gibibytes(ours)} GiB of running jobs and {gibibytes(wanted)} GiB"
        f" of {job} do not fit into {gibibytes(max(0, int(room)))} GiB"
    )


def neighbours(facts: Facts, slot: Slot, worker: Worker | None = None) -> list[Worker]:
    """Return the other workers on a slot's device; none for a slot without a device."""
    if slot.device is None:
        return []
    places = {one.index for one in facts.slots if one.device == slot.device}
    return [
        other
        for other in facts.workers
        if other.slot in places and other.phase in IN_USE and other is not worker
    ]


def claim_of(facts: Facts, worker: Worker | None, job: str = "") -> int | None:
    """Return the bytes that a worker may come to hold with what it has and a further job.

    A warm worker gives little back, so what it did last still counts. None when it is not known.
    """
    jobs = [] if worker is None else [*worker.queue, worker.last_job]
    peaks = [_peak(facts, name) for name in {*jobs, job} if name]
    known = [peak for peak in peaks if peak is not None]
    return None if len(known) < len(peaks) else max(known, default=0)


def stands_in_the_way(facts: Facts, worker: Worker) -> bool:
    """Whether an idle worker should leave since no ready job fits beside its neighbours.

    Of several idle ones on a device the one in the first slot stays.
    """
    slot = next((one for one in facts.slots if one.index == worker.slot), None)
    if slot is None or worker.queue or not facts.ready:
        return False
    others = neighbours(facts, slot, worker)
    if not others or all(not other.queue and other.slot > worker.slot for other in others):
        return False
    return all(why_not_beside(facts, slot, worker, job) for job in facts.ready)


def _peak(facts: Facts, name: str) -> int | None:
    job = facts.plan.by_id.get(name)
    if job is None:
        return None
    sampler = facts.plan.settings.get(job.settings, {}).get("sampler", "auto")
    if job.stage in _SAMPLING and sampler in ("auto", "vllm"):  # vLLM reserves what it finds free
        return None
    return facts.peaks.get(job.stage.value)
