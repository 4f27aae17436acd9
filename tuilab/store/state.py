"""The reading of state: plan, journal and live attempts make the state of every job."""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuilab.grid.engine_view import EngineView
from tuilab.grid.jobs import Job, Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.plain_results import PlainResults, plain_results
from tuilab.grid.states import (
    LIVE,
    Attempt,
    Evidence,
    JobStatus,
    State,
    derive_state,
    heard_below,
    no_settings,
)
from tuilab.store.journal import JournalReader
from tuilab.store.layout import Layout

if TYPE_CHECKING:
    from tuilab.store.live_attempts import LiveAttempts
    from tuilab.store.old_settings import OldSettings

Changes = Mapping[str, JobStatus]
"""What a job's state was before, for each job whose state or result has changed."""


class JobStates:
    """The state of every job of a plan, in step with its evidence; costs what changed.

    Readers and the engine hold one each: the engine folds what it has journaled, a reader what it
    reads, with live attempts as their files show them (``seen``).
    """

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        seen: Callable[[str], Evidence] | None = None,
        layout: Layout | None = None,
        has_queue: bool = True,
    ) -> None:
        """Without a queue nothing is due or ready, and nothing can be derived again."""
        self.ledger = ledger
        self._has_queue = has_queue
        self._layout = layout
        """Where the specs are that tell which settings a stale result was made with."""
        self._seen = seen or ledger.of
        self._take_plan(plan)

    @property
    def live(self) -> set[str]:
        """Jobs whose last attempt is claimed or running, as the journal has it."""
        return self.ledger.evidence.live

    def _take_plan(self, plan: Plan) -> None:
        self.plan = plan
        self.places = plan.places
        """Place of each job in the plan."""
        self._old: OldSettings | None = None
        self._known: dict[str, JobStatus] = {}
        """Status of each job that somebody has asked for and of which something is known."""
        self.statuses: Mapping[str, JobStatus] = _Statuses(self)
        self._plain: PlainResults | None = None
        self._given: set[str] = set()
        """Jobs that a worker has in its inbox and has not begun."""
        due = self.ledger.evidence.due_places(plan) if self._has_queue else ()
        self._due = _InPlanOrder(plan, due)
        self._ready = _InPlanOrder(plan)
        live = {self.places[job] for job in self.live if job in self.places and self._has_queue}
        for place in sorted({*self._due.places, *live}):
            if place in live or self._may_begin(place):
                self._derive(plan.jobs[place])

    @property
    def plain(self) -> PlainResults:
        """Jobs that are done with nothing to say, found at once; no other need be derived then."""
        if self._plain is None:
            self._plain = plain_results(self.plan, self.ledger.evidence, self.status)
        return self._plain

    def explain(self, job: Job, attempt: Attempt) -> str:
        """Name the settings that a stale result was made with; reads its spec."""
        if self._layout is None:
            return no_settings(job, attempt)
        if self._old is None:
            from tuilab.store.old_settings import OldSettings  # few experiments have stale results

            self._old = OldSettings(self._layout, self.plan)
        return self._old(job, attempt)

    def replace_plan(self, plan: Plan) -> None:
        """Go on with another plan of the same experiment."""
        self._take_plan(plan)

    def remember(self, plan: Plan) -> None:
        """Take the same plan with what fetched bases told; no state hangs on it."""
        self.plan = plan

    def of(self, job: str) -> Evidence:
        """Return what is known of a job, a live attempt as its files show it."""
        return self._seen(job)

    @property
    def ready(self) -> Sequence[str]:
        """Due jobs that may start, in launch order."""
        return self._front_first(self._ready.jobs)

    @property
    def queue(self) -> tuple[str, ...]:
        """Due jobs in launch order, those that a worker was given already first."""
        if not self._given:
            return tuple(self._front_first(self._due.jobs))
        given = [job for job in self._due.jobs if job in self._given]
        rest = [job for job in self._due.jobs if job not in self._given]
        return (*given, *self._front_first(rest))

    def _front_first(self, jobs: Sequence[str]) -> Sequence[str]:
        """Put the jobs that a person moved to the front there."""
        front = {job: place for place, job in enumerate(self.ledger.order)}
        return sorted(jobs, key=lambda job: front.get(job, len(front))) if front else jobs

    def fold(self, lines: Iterable[Mapping[str, Any]]) -> Changes:
        """Take in journal lines and derive again what they touch."""
        return self.refresh(self.ledger.fold(lines))

    def refresh(self, touched: Iterable[str]) -> Changes:
        """Derive touched jobs again and whatever depends on a change, parents before children."""
        heap = [self.places[job] for job in set(touched) if job in self.places]
        heapq.heapify(heap)
        seen: set[int] = set()
        changed: dict[str, JobStatus] = {}
        while heap:
            place = heapq.heappop(heap)
            if place in seen:
                continue
            seen.add(place)
            job = self.plan.jobs[place]
            before = self._shown(job.id) or self._idle(job.id)
            if not self._derive(job):
                continue
            changed[job.id] = before
            if heard_below(self.statuses[job.id]) == heard_below(before):
                continue
            for child in self.plan.children[job.id]:
                below = self.places[child]
                is_plain = self._plain is not None and self._plain.is_plain[below]
                if child in self._known or is_plain or self._may_begin(below):
                    heapq.heappush(heap, below)
        return changed

    def _may_begin(self, place: int) -> bool:
        """Whether a due job may be ready: what reads a job that is itself due can only wait."""
        above = self.plan.table.parents_at(place)
        return place in self._due and not any(map(self.ledger.evidence.is_due, above))

    def status(self, job: str) -> JobStatus:
        """Return the status of a job; KeyError for one that the plan does not have."""
        found = self._shown(job)
        if found is None:
            place = self.places[job]
            if job not in self.ledger.evidence:
                return self._idle(job)
            found = self._known[job] = self._derived(self.plan.jobs[place])
        return found

    def _shown(self, job: str) -> JobStatus | None:
        """Return the status that was last told of a job; None where it was not derived yet."""
        if (found := self._known.get(job)) is not None or self._plain is None:
            return found
        place = self.places.get(job)
        is_plain = place is not None and self._plain.is_plain[place]
        return self._plain.status(place) if place is not None and is_plain else None

    def _idle(self, job: str) -> JobStatus:
        return JobStatus(job, self.plan.table.stage_at(self.places[job]), State.IDLE)

    def _derived(self, job: Job) -> JobStatus:
        evidence = self._seen(job.id)
        parents = {parent: self.status(parent) for parent in job.parents}
        return derive_state(job, evidence, parents, self.explain)

    def _derive(self, job: Job) -> bool:
        """Derive one job again; True if its status or its result changed."""
        status = self._derived(job)
        is_free = status.state is State.QUEUED and not status.held and not status.given_to
        place = self.places[job.id]
        self._ready.mark(place, is_free)
        self._due.mark(place, status.state in (State.QUEUED, State.WAITING))
        (self._given.add if status.given_to else self._given.discard)(job.id)
        before = self._shown(job.id) or self._idle(job.id)
        self._known[job.id] = status
        return before != status


class StateReader:
    """Reads the states of an experiment directory; keeps what it has read, and writes nothing."""

    def __init__(
        self, layout: Layout, plan: Plan, keeps_events: bool = False, is_once: bool = False
    ) -> None:
        """``is_once`` is for one reading, of which nobody asks what is queued."""
        self.layout, self._is_once = layout, is_once
        self.plan = plan
        self.journal = JournalReader(layout, plan, keeps_events)
        self._attempts: LiveAttempts | None = None
        """Watches those that are live; None until there is one."""
        self._states: JobStates | None = None

    @property
    def states(self) -> JobStates:
        """The states as they were read last."""
        assert self._states is not None, "they are read first"
        return self._states

    def read(self, now: float, engine: EngineView) -> Changes | None:
        """Take in what is new at ``now`` (unix time); None when all was read afresh.

        What has ended and is not settled counts as ended unless an engine lives, which is about
        to say it better.
        """
        touched, is_fresh = self.journal.read(engine)
        if is_fresh:
            self._states = None
            self._attempts = None
            touched = set(self.journal.ledger.evidence.live)
        for job in touched:
            self._follow(job)
        if self._attempts is not None:
            of = self.journal.ledger.of  # only jobs with a live attempt are watched
            touched |= self._attempts.look(now, engine.is_alive, lambda job: of(job).attempts[-1])
        if self._states is None:
            ledger, has_queue = self.journal.ledger, not self._is_once
            self._states = JobStates(self.plan, ledger, self.of, self.layout, has_queue)
            return None
        return self._states.refresh(touched)

    def _follow(self, job: str) -> None:
        attempt = live_attempt(self.journal.ledger.of(job))
        if self._attempts is None:
            if attempt is None:
                return
            from tuilab.store.live_attempts import LiveAttempts  # none of an experiment at rest

            self._attempts = LiveAttempts(self.layout, self.plan)
        self._attempts.follow(job, attempt)

    def of(self, job: str) -> Evidence:
        """Return what is known of a job, a live attempt as its files show it."""
        known = self.journal.ledger.of(job)
        if self._attempts is None or job not in self._attempts.watched:
            return known
        shown = self._attempts.as_shown(job, known.attempts[-1])
        return replace(known, attempts=(*known.attempts[:-1], shown))


def live_attempt(known: Evidence) -> Attempt | None:
    """Return a job's attempt under way, as the journal has it."""
    last = known.last
    return last if last is not None and last.verdict in LIVE else None


class _Statuses(Mapping[str, JobStatus]):
    """The status of every job of a plan, derived when it is asked for."""

    def __init__(self, states: JobStates) -> None:
        self._states = states

    def __getitem__(self, job: str) -> JobStatus:
        return self._states.status(job)

    def __contains__(self, job: object) -> bool:
        return job in self._states.places

    def __iter__(self) -> Iterator[str]:
        return iter(self._states.places)

    def __len__(self) -> int:
        return len(self._states.places)


class _InPlanOrder:
    """Some jobs of a plan in its order; to add or drop one costs a search and no sorting."""

    def __init__(self, plan: Plan, places: Sequence[int] = ()) -> None:
        """``places`` are in order."""
        self._ids = plan.table.ids
        self.places = array("I", places)
        """In order."""
        self._has = bytearray(len(self._ids))
        for place in places:
            self._has[place] = 1
        self._jobs: list[str] | None = None

    def __contains__(self, place: int) -> bool:
        return bool(self._has[place])

    @property
    def jobs(self) -> list[str]:
        """Their ids."""
        if self._jobs is None:
            self._jobs = list(map(self._ids.at, self.places))
        return self._jobs

    def mark(self, place: int, belongs: bool) -> None:
        """Say whether the job at a place is one of them."""
        if belongs == self._has[place]:
            return
        self._has[place] = belongs
        at = bisect_left(self.places, place)
        if belongs:
            self.places.insert(at, place)
        else:
            del self.places[at]
        if self._jobs is not None:
            self._jobs[at : at + (not belongs)] = [self._ids[place]] * belongs
