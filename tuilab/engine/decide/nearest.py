"""Decides which of the jobs that may start is nearest to what a worker has warm; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from tuilab.engine.decide.facts import Facts, Worker
from tuilab.engine.decide.phase import IN_USE

Fits = Callable[[str], bool]


class Choice:
    """Jobs that may start, by source, so that a worker's job is found without a look at each.

    A thousand workers choose among tens of thousands; each job is taken once.
    """

    def __init__(self, facts: Facts, candidates: Sequence[str]) -> None:
        self._facts = facts
        self._places = {job: place for place, job in enumerate(candidates)}
        """In launch order."""
        self._of: dict[str | None, dict[str, None]] = {}
        for job in candidates:
            self._of.setdefault(_source(facts, job), {})[job] = None
        self._front = [job for job in facts.ledger.order if job in self._places]
        """What a person moved to the front goes first, however far it is."""
        self._owners = Counter(
            _source(facts, worker.last_job) for worker in facts.workers if _owns(worker)
        )

    def __contains__(self, job: str) -> bool:
        return job in self._places

    def __len__(self) -> int:
        return len(self._places)

    def take(self, job: str) -> None:
        """Drop a job that is given to somebody."""
        del self._places[job]
        del self._of[_source(self._facts, job)][job]

    def nearest(self, worker: Worker | None, fits: Fits) -> str | None:
        """Return the job that suits a worker (None = a new one) best: the first of the nearest.

        Its own cell is nearest, then its source, then a source that no other worker has warm.
        """
        for job in self._front:
            if job in self._places and fits(job):
                return job
        warm = _source(self._facts, worker.last_job) if worker is not None else None
        if worker is not None and warm in self._of:
            same = (job for job in self._of[warm] if fits(job))
            if nearest := next(same, None):
                own = (job for job in (nearest, *same) if any(self._made_by(worker, job)))
                return next(own, nearest)
        owners = self._owners.copy()
        if worker is not None and _owns(worker):
            owners[warm] -= 1
        firsts = [
            (owners[source] > 0, self._places[first], first)
            for source, jobs in self._of.items()
            if (first := next(filter(fits, jobs), None)) is not None
        ]
        return min(firsts)[2] if firsts else None

    def _made_by(self, worker: Worker, job: str) -> Iterator[bool]:
        """Whether each earlier stage of the job's own cell was made by this worker."""
        plan = self._facts.plan
        place = plan.places[job]
        cell = plan.table.cell_at(place)
        if cell is None:
            return
        for name in plan.table.parents_at(place):
            done = self._facts.ledger.of(name).last_done
            if done is not None and done.worker == worker.id:
                yield plan.table.cell_at(plan.places[name]) == cell


def _owns(worker: Worker) -> bool:
    return bool(worker.last_job) and worker.phase in IN_USE


def _source(facts: Facts, job: str) -> str | None:
    """Return the persona of a job; None for one that the plan no longer has."""
    place = facts.plan.places.get(job)
    return None if place is None else facts.plan.table.source_at(place)
