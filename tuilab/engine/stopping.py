"""Decides how the live attempts of some jobs are ended: by their worker, or by taking them back."""

from __future__ import annotations

from collections.abc import Collection

from tuilab.engine.actions import Action, StopWorker, Withdraw
from tuilab.engine.facts import Facts


def how_to_stop(jobs: Collection[str], facts: Facts, by: str) -> list[Action]:
    """Return the actions that end the live attempts of ``jobs``.

    A worker whose present job is meant ends as a whole; what only waits behind a job that is not
    meant is taken out of the inbox.
    """
    meant = set(jobs)
    found: list[Action] = []
    for worker in facts.workers:
        here = tuple(job for job in worker.queue if job in meant)
        if not here:
            continue
        if worker.queue[0] in meant:
            found.append(StopWorker(worker.id, here, by))
        else:
            found += [Withdraw(job, worker.id, worker.queue[0], by) for job in here]
    return found
