"""The engine's memory of its experiment: the states of its jobs follow what it has journaled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tuilab.engine.decide.retry import is_missing
from tuilab.grid.estimate import Cost, Forecast
from tuilab.grid.jobs import Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.states import commit_of
from tuilab.store.journal import Journal
from tuilab.store.layout import Layout
from tuilab.store.state import Changes, JobStates


class JournaledStates(JobStates):
    """States of jobs that change by what is written; nothing is known here that is not on disk."""

    def __init__(
        self, plan: Plan, journal: Journal, layout: Layout, ledger: Ledger | None = None
    ) -> None:
        """``ledger`` is what the journal holds so far."""
        ledger = ledger or Ledger()
        super().__init__(plan, ledger, layout=layout)
        self.journal = journal
        self.missing: set[str] = set()
        """Jobs whose last attempt counts as lost for its silence alone."""
        self.forecast: Forecast | None = None
        """What each job is expected to take; None until a limit asks, and after a new plan."""
        self._note(ledger.evidence.lost)

    @property
    def peaks(self) -> Mapping[str, int]:
        """Largest GPU memory of a done attempt, in bytes, by stage."""
        return self.ledger.peaks

    def base_commit(self, fetch: str) -> str:
        """Return the commit of a base that was fetched as the plan asks; "" when it was not."""
        return commit_of(self.plan.by_id[fetch], self.ledger.of(fetch))

    def forecast_by(self, costs: Mapping[str, Cost]) -> Forecast:
        """Return what each job is expected to take by now, of which ``costs`` is the first word."""
        if self.forecast is None:
            self.forecast = Forecast(self.plan, costs)
            for name, known in self.ledger.evidence.items():
                self.forecast.note(name, known)
        return self.forecast

    def record(self, kind: str, **fields: Any) -> None:
        """Append one line; OSError when the disk takes none, and then nothing has changed."""
        self.record_all([{"kind": kind, **fields}])

    def record_all(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Append several lines, durable together."""
        self.fold(self.journal.append_all(entries))

    def fold(self, lines: Iterable[Mapping[str, Any]]) -> Changes:
        """Take in lines that are in the journal."""
        touched = self.ledger.fold(lines)
        self._note(touched)
        return self.refresh(touched)

    def _note(self, touched: Iterable[str]) -> None:
        for name in touched:
            last = self.ledger.of(name).last
            is_silent = last is not None and is_missing(last)
            (self.missing.add if is_silent else self.missing.discard)(name)
            if self.forecast is not None:
                self.forecast.note(name, self.ledger.of(name))
