"""Builds facts by hand for tests of decisions: no process, no file, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.engine.trials import make_plan
from tuilab.engine.decide.facts import Disk, Facts, LiveAttempt, Slot, Worker
from tuilab.engine.decide.phase import Phase
from tuilab.engine.decide.policy import Policy
from tuilab.engine.state import JournaledStates
from tuilab.grid.endings import Ending
from tuilab.grid.jobs import Plan
from tuilab.grid.states import Verdict
from tuilab.store.journal import Journal
from tuilab.store.layout import Layout

GOOD = Ending(Verdict.DONE, seconds=1.0, started_at=1.0, finished_at=2.0, output_hash="h")


class Story:
    """A journal told line by line, and the facts of its end."""

    def __init__(self, plan: Plan | None = None, **policy: Any) -> None:
        self.plan = plan or make_plan(("villain", "nurse"), (0, 2))
        nowhere = Layout(Path("nowhere"))
        self.states = JournaledStates(self.plan, Journal(nowhere), nowhere)
        self.policy = Policy(**policy)

    def tell(self, kind: str, **fields: Any) -> Story:
        """Add a journal line."""
        line = {"kind": kind, "seq": self.states.ledger.sequence + 1, **fields}
        self.states.fold([line])
        return self

    def want(self, *jobs: str) -> Story:
        """Ask for the next attempt of jobs (all of the plan when none is given)."""
        ledger = self.states.ledger
        names = jobs or tuple(job.id for job in self.plan.jobs)
        numbers = {n: (last.number if (last := ledger.of(n).last) else 0) + 1 for n in names}
        return self.tell("wanted", jobs=numbers, verb="run", by="tester")

    def claim(self, job: str, worker: str = "w0") -> Story:
        """Claim the next attempt of a job."""
        last = self.states.ledger.of(job).last
        number = (last.number if last else 0) + 1
        print_of = self.plan.by_id[job].fingerprint
        return self.tell(
            "claimed", job=job, attempt=number, token="t", fingerprint=print_of, worker=worker
        )

    def settle(self, job: str, verdict: str = "done", **fields: Any) -> Story:
        """Settle the newest attempt of a job."""
        number = self.states.ledger.of(job).attempts[-1].number
        known = {"output_hash": f"out-{job}-{number}", **fields}
        return self.tell("settled", job=job, attempt=number, verdict=verdict, **known)

    def make(self, *jobs: str, worker: str = "w0") -> Story:
        """Claim and finish jobs."""
        for job in jobs:
            self.claim(job, worker).settle(job)
        return self

    def facts(
        self,
        workers: Iterable[Worker] = (),
        attempts: Mapping[str, LiveAttempt] | None = None,
        slots: int | tuple[Slot, ...] = 1,
        disk: Disk | None = None,
        **others: Any,
    ) -> Facts:
        """Return the facts now; live attempts of the journal get a plain fact of their own."""
        places = slots if isinstance(slots, tuple) else tuple(Slot(n) for n in range(slots))
        return Facts(
            plan=self.plan,
            ledger=self.states.ledger,
            policy=self.policy,
            ready=self.states.ready,
            attempts=tuple(
                (attempts or {}).get(job, self.attempt(job)) for job in sorted(self.states.live)
            ),
            workers=tuple(workers),
            slots=places,
            disk=disk or Disk(free=1 << 50),
            places=self.states.places,
            **others,
        )

    def attempt(self, job: str, **changes: Any) -> LiveAttempt:
        """Return a fact about the live attempt of a job."""
        last = self.states.ledger.of(job).attempts[-1]
        plain = LiveAttempt(job, last.number, last.worker, begun_at=5.0, is_recorded=True)
        return replace(plain, **changes)


def worker(name: str = "w0", slot: int = 0, **changes: Any) -> Worker:
    """Return a living worker."""
    return replace(Worker(name, slot, Phase.ALIVE), **changes)


def kinds(actions: Iterable[object]) -> list[str]:
    """Return the kinds of actions, for short comparisons."""
    return [type(action).__name__ for action in actions]
