"""Tells confirmatory claims from exploratory ones, and what has changed since they were locked."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import tuilab
from tuilab.contract.foreign import clean_line
from tuilab.grid.claims_lock import LOCKED, Lock, LockRecord, lock_record, plan_digest
from tuilab.grid.text import count_of, written_time
from tuilab.science.claims.claim import Claim
from tuilab.science.claims.declared import (
    ClaimsFileError,
    CorrelatesClaim,
    CosineClaim,
    DeclaredClaim,
    PredictsClaim,
    parse,
)
from tuilab.science.claims.evaluate import evaluate
from tuilab.science.claims.standard import standard_claims
from tuilab.store.journal import follow
from tuilab.study.study import Study

CONFIRMATORY, EXPLORATORY = "confirmatory", "exploratory"
_ANALYSIS = ("science", "study", "grid/metrics.py")
"""What numbers, tests and verdicts come from."""
_OTHER = f"{EXPLORATORY}: cosines of another layer or state than the plan's"


def verdicts(study: Study, declared: Sequence[DeclaredClaim] | None = None) -> tuple[Claim, ...]:
    """Return verdicts on declared claims, or on the locked and the standard ones.

    Where claims were locked each says what it is: locked before the first measurement, or not.
    """
    record = locks_of(study)
    if not record:
        if declared is None:
            return standard_claims(study.analysis)
        return evaluate(declared, study.analysis)
    if declared is None:
        locked = _ever_locked(record)
        rest = (replace(one, status=EXPLORATORY) for one in standard_claims(study.analysis))
        return (*verdicts(study, locked), *rest)
    judged = evaluate(declared, study.analysis)
    planned = study.snapshot.headline_cosine
    is_other = any(planned.get(key) != chosen for key, chosen in study.scale.items())
    return tuple(
        replace(claim, status=_OTHER if is_other and _reads_cosines(one) else _status(one, record))
        for one, claim in zip(declared, judged, strict=True)
    )


def locks_of(study: Study) -> LockRecord:
    """Read what was locked; an empty record for tables, and where nothing was."""
    if study.reader.is_results_only:
        return LockRecord()
    journal = study.reader.layout.journal
    if not journal.is_file() or f'"{LOCKED}"'.encode() not in journal.read_bytes():
        return LockRecord()
    return lock_record(follow(study.reader.layout).stream())


def lock_lines(
    study: Study, declared: Sequence[DeclaredClaim] | None = None, code: str = ""
) -> list[str]:
    """Say in sentences what was locked, when, and each deviation since; [] without a lock.

    ``code`` is the digest of the analysis code that speaks, the one installed here when "".
    """
    record = locks_of(study)
    if not record:
        return []
    lines = [_locked(lock) for lock in record.locks]
    last = record.locks[-1]
    gone = [] if declared is None else [o for o in _ever_locked(record) if o not in declared]
    if gone:
        told = ", ".join(f"{one.key} ({clean_line(one.says, 80)})" for one in gone)
        lines.append(f"Locked, and not so in this file: {told}.")
    lines += [f"{_date(one.at)}: {one.text}." for one in record.deviations]
    if plan_digest(study.reader.plan) != last.plan:
        lines.append("The plan is not the one that was locked.")
    if (now := code or analysis_code()) != last.code:
        told = f"{last.code[:12]}, now {now[:12]}"
        lines.append(f"The analysis code is not the one that was locked: {told}.")
    if len(lines) == 1:
        lines.append("No deviation since.")
    return lines


def analysis_code() -> str:
    """Hash the source of what turns measurements into verdicts."""
    root = Path(tuilab.__file__).parent
    found = hashlib.sha256()
    for place in _ANALYSIS:
        path = root / place
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            found.update(f"{file.relative_to(root).as_posix()}\n".encode() + file.read_bytes())
    return found.hexdigest()


def _locked(lock: Lock) -> str:
    count = count_of(len(_claims(lock)), "claim")
    told = f"{_date(lock.at)}: {lock.by or 'somebody'} locked {count} of {lock.name}"
    when = "before the first measurement"
    if lock.seen is not None:
        when = f"after the first measurement had begun ({_date(lock.seen)})"
    return (
        f"{told}, {when} (claims {lock.sha256[:12]}, plan {lock.plan[:12]}, code {lock.code[:12]})."
    )


def _status(claim: DeclaredClaim, record: LockRecord) -> str:
    holding = [lock for lock in record.locks if claim in _claims(lock)]
    if any(lock.seen is None for lock in holding):
        return CONFIRMATORY
    if holding:
        return f"{EXPLORATORY}: locked after the first measurement"
    if any(one.key == claim.key for lock in record.locks for one in _claims(lock)):
        return f"{EXPLORATORY}: not as it was locked"
    return EXPLORATORY


def _reads_cosines(claim: DeclaredClaim) -> bool:
    is_of_cosines = isinstance(claim, CosineClaim | PredictsClaim | CorrelatesClaim)
    return is_of_cosines or getattr(claim, "metric", "") == "cosine"


def _ever_locked(record: LockRecord) -> tuple[DeclaredClaim, ...]:
    """Return every claim that was ever locked, once in each wording; none is replaced."""
    found: list[DeclaredClaim] = []
    for lock in record.locks:
        found += [one for one in _claims(lock) if one not in found]
    return tuple(found)


def _claims(lock: Lock) -> Sequence[DeclaredClaim]:
    try:
        return parse(lock.text)
    except ClaimsFileError:  # of another version
        return ()


def _date(at: float) -> str:
    return written_time("%Y-%m-%d %H:%M UTC", at, "a time beyond the calendar", time.gmtime)
