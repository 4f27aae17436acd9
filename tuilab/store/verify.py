"""Re-reads what an attempt left behind and decides whether to believe its outcome."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tuilab.contract.reasons import Reason
from tuilab.contract.report import DONE, Outcome, digest, hash_output
from tuilab.contract.spec import SPEC_FILE, Spec, SpecError, read_spec
from tuilab.contract.worker import read_stop
from tuilab.grid.endings import Ending
from tuilab.grid.jobs import Job
from tuilab.grid.states import Verdict
from tuilab.store.adapter_check import Problem
from tuilab.store.attempts import is_whole
from tuilab.store.stage_checks import stage_problem


def verify_attempt(
    attempt_dir: Path, job: Job, outcome: Outcome, *, hash_files: bool = True
) -> Ending:
    """Judge an outcome by re-reading artefacts: identity, sizes, sha256, weights, rows, checks.

    It comes to DONE, SUSPECT, FAILED, or STOPPED when an operator ended it.
    ``hash_files=False`` skips the sha256 of the artefacts (for a quick look; sizes are read).
    Which contents it owes follows from the settings that it was launched with, whatever the plan
    says by now. Never raises for what it finds on disk.
    """
    if outcome.status != DONE:
        return _failure(attempt_dir, outcome)
    try:
        spec = read_spec(attempt_dir / SPEC_FILE)
        problem = (
            _identity_problem(spec, job, outcome)
            or _files_problem(attempt_dir, outcome, hash_files)
            or _checks_problem(outcome)
            or stage_problem(attempt_dir, job.stage, spec.settings, outcome)
        )
    except SpecError as error:
        problem = Reason.DATA_MISMATCH, str(error)
    except OSError as error:
        problem = Reason.DATA_MISMATCH, f"the artefacts cannot be read: {error}"
    except Exception as error:  # a check may stumble in any way over what a stranger left
        kind = type(error).__name__
        problem = Reason.DATA_MISMATCH, f"an artefact has another shape than agreed: {kind} {error}"
    if problem is None:
        return Ending(Verdict.DONE)
    return Ending(Verdict.SUSPECT, problem[0].value, problem[1])


def _failure(attempt_dir: Path, outcome: Outcome) -> Ending:
    """Whatever a runner reports after an operator's stop is the stop's doing."""
    stop = read_stop(attempt_dir)
    if stop is not None and not 0 < outcome.finished_at < stop.at:
        return Ending(Verdict.STOPPED, None, f"stopped by {stop.by}" if stop.by else "")
    return Ending(Verdict.FAILED, outcome.reason or Reason.UNKNOWN.value, outcome.detail)


def _identity_problem(spec: Spec, job: Job, outcome: Outcome) -> Problem | None:
    if outcome.job != job.id or spec.job != job.id:
        return Reason.DATA_MISMATCH, f"the outcome is of {outcome.job}, the spec of {spec.job}"
    if (outcome.attempt, outcome.token) != (spec.attempt, spec.token):
        return Reason.DATA_MISMATCH, "the outcome carries the token of another attempt"
    return None


def _files_problem(attempt_dir: Path, outcome: Outcome, hash_files: bool) -> Problem | None:
    if hash_output(outcome.artefacts) != outcome.output_hash:
        return Reason.DATA_MISMATCH, "the output hash does not match the list of artefacts"
    for artefact in outcome.artefacts:
        if not is_whole(attempt_dir, artefact.path, artefact.size):
            return Reason.DATA_MISMATCH, f"{artefact.path} is missing or not {artefact.size} bytes"
        if hash_files and digest(attempt_dir / artefact.path) != artefact.sha256:
            return Reason.DATA_MISMATCH, f"{artefact.path} has another sha256 than reported"
    return None


def _checks_problem(outcome: Outcome) -> Problem | None:
    """A check that the runner itself reports as not passed: False, or a mapping with ok False."""
    for name, value in outcome.checks.items():
        failed = value is False or (isinstance(value, Mapping) and value.get("ok") is False)
        if failed:
            return Reason.UNKNOWN, f"the runner's own check {name} did not pass: {value}"
    return None
