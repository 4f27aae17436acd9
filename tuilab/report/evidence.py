"""What really ran, cell by cell: the spec and outcome behind every result a report speaks of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tuilab.contract.report import Outcome
from tuilab.contract.spec import SPEC_FILE, SpecError, read_spec
from tuilab.store.attempts import readable_outcome
from tuilab.study.opening import Study


@dataclass(frozen=True, slots=True)
class Ran:
    """One done attempt."""

    job: str
    stage: str
    directory: Path
    settings: Mapping[str, Any]
    launch: Mapping[str, Any]
    outcome: Outcome


def done_attempts(study: Study) -> list[Ran]:
    """Return the attempt that speaks for each job that is done, in plan order; [] for tables."""
    if study.reader.is_results_only:
        return []
    return list(_walk(study))


def _walk(study: Study) -> Iterator[Ran]:
    for job in study.reader.plan.jobs:
        attempt = study.reader.evidence(job.id).last_done
        if attempt is None:
            continue
        directory = study.reader.layout.attempt_dir(job.id, attempt.number)
        outcome = readable_outcome(directory)
        try:
            spec = read_spec(directory / SPEC_FILE)
        except SpecError:
            continue
        if outcome is not None:
            yield Ran(job.id, job.stage.value, directory, spec.settings, spec.launch, outcome)


def cell_record(ran: Ran) -> dict[str, Any]:
    """Return everything about one attempt as plain JSON."""
    return {
        "job": ran.job,
        "settings": ran.settings,
        "launch": ran.launch,
        "outcome": asdict(ran.outcome),
    }
