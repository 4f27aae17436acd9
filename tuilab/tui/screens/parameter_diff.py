"""What the parameters of a stage are compared with: a neighbouring cell or an earlier attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuilab.grid.cells import Cell
from tuilab.grid.jobs import job_id
from tuilab.grid.stages import CELL_STAGES
from tuilab.grid.states import JobStatus
from tuilab.store.layout import Layout
from tuilab.tui.attempt_files import flatten, read_settings
from tuilab.tui.experiment_state import ExperimentState
from tuilab.tui.present.cell_screen_text import difference_words, parameter_rows
from tuilab.tui.widgets.row_list import RowList


@dataclass(frozen=True, slots=True)
class Compared:
    """One thing to compare with."""

    job: str
    attempt: int | None
    """None = the newest, or the plan when it never ran."""
    name: str

    @classmethod
    def cell(cls, cell: Cell, job: JobStatus) -> Compared:
        """The same stage of another cell; a shared stage is the same in all cells of a source."""
        stage = job.stage if job.stage in CELL_STAGES else CELL_STAGES[0]
        name = job_id(stage, cell.source, cell.epoch, cell.seed)
        return cls(name, None, f"epoch {cell.epoch}")


@dataclass(frozen=True, slots=True)
class Comparison:
    """With what the parameters are compared now."""

    with_: Compared | None = None
    settings: Mapping[str, str] | None = None
    words: str = ""

    def next(
        self, others: Sequence[Compared], state: ExperimentState | None, root: Path
    ) -> Comparison:
        """Compare with the next of ``others``; after the last one with nothing."""
        place = others.index(self.with_) + 1 if self.with_ in others else 0
        if place >= len(others):
            return Comparison()
        other = others[place]
        return Comparison(other, flatten(_settings(other, state, root)), other.name)

    def show(self, rows: RowList, mine: Mapping[str, str], columns: int) -> None:
        """List the settings of ``mine`` with what differs."""
        rows.show(parameter_rows(mine, self.settings, columns))

    def said(self, mine: Mapping[str, str]) -> str:
        """Say how many settings differ."""
        return difference_words(self.settings, mine, self.words)


def _settings(other: Compared, state: ExperimentState | None, root: Path) -> Mapping[str, Any]:
    number = other.attempt
    if number is None and state is not None and (last := state.of(other.job).last):
        number = last.number
    found = read_settings(Layout(root).attempt_dir(other.job, number)) if number else {}
    return found or settings_of(state, other.job)


def settings_of(state: ExperimentState | None, job: str) -> Mapping[str, Any]:
    """Return the settings that the plan has for a job; {} when it has none."""
    planned = state.plan.by_id.get(job) if state is not None else None
    if planned is None or state is None:
        return {}
    return state.plan.settings.get(planned.settings, {})
