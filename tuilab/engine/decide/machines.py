"""Tells what is known of workers on other machines: who waits, works, or is not heard; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuilab.engine.decide.facts import Facts
from tuilab.engine.decide.phase import IN_USE, Phase
from tuilab.grid.text import duration, list_of
from tuilab.grid.why_queued import workers_pending


def machines(facts: Facts) -> tuple[Mapping[str, Any], ...]:
    """Return what readers are shown of each worker that is elsewhere, or waits to be there."""
    late = {slot.index for slot in facts.slots if slot.is_late}
    return tuple(
        {
            "worker": worker.id,
            "host": worker.host,
            "phase": worker.phase.value,
            "job": facts.present_job(worker),
            "silent_seconds": round(worker.silent_seconds),
            "seconds_left": worker.seconds_left,
            "why": worker.why,
            "devices": list(worker.devices),
        }
        for worker in facts.workers
        if worker.phase in IN_USE and (worker.slot in late or worker.silent_seconds > 0.0)
    )


def why_silent(facts: Facts) -> str:
    """Name the workers of which nothing is heard; "" when all are heard."""
    silent = [worker for worker in facts.workers if worker.phase is Phase.SILENT]
    if not silent:
        return ""
    who = list_of([worker.host or worker.id for worker in silent], 2)
    longest = max(worker.silent_seconds for worker in silent)
    return f"no sign of {who} for {duration(longest)}: what runs there is not begun again"


def why_unheard(facts: Facts) -> str:
    """Say that the place of workers that live does not answer; "" when it does."""
    alive = (worker for worker in facts.workers if worker.phase is Phase.ALIVE)
    why = next((worker.why for worker in alive if worker.is_unheard), "")
    return f"{why}; what runs there continues" if why else ""


def why_pending(facts: Facts) -> str:
    """Say how many workers wait at their place, and why; "" when none does."""
    waiting = [worker.why for worker in facts.workers if worker.phase is Phase.PENDING]
    return workers_pending(waiting) if waiting else ""
