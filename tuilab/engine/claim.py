"""Claims attempts: directory, spec, claim and journal line are on disk before a worker hears."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuilab.contract.identity import ExperimentRef
from tuilab.contract.spec import BASE_COMMIT, Input, Spec, write_spec
from tuilab.contract.tracking import TRACKER
from tuilab.engine.decide.policy import read_policy
from tuilab.engine.host.crash_points import crash_point
from tuilab.engine.state import JournaledStates
from tuilab.grid.jobs import Job
from tuilab.grid.relaunch import attempt_after
from tuilab.grid.resuming import RESUMABLE
from tuilab.grid.stages import Stage
from tuilab.grid.states import attempt_to_read
from tuilab.store import attempts
from tuilab.store.attempts import Claim, UnusableInputError
from tuilab.store.layout import Layout


class CannotClaimError(Exception):
    """The job cannot be launched as things are; the text says why."""


def claim(
    layout: Layout,
    states: JournaledStates,
    job: Job,
    worker: str,
    launch: Mapping[str, Any],
    experiment: ExperimentRef | None = None,
) -> int:
    """Make a new attempt of a job for a worker and return its number.

    Raises CannotClaimError when an upstream result cannot be used, OSError when the disk takes
    nothing; no trace is left then. A crash leaves a directory that no worker has heard of.
    """
    known = attempt_after(states.ledger.of(job.id))
    number = max(known, attempts.next_number(layout, job.id))
    base = _base(states, job)
    place = layout.attempt_dir(job.id, number)
    inputs = _inputs(layout, states, job, number)
    used = {item.job: item.read for item in inputs}
    used |= {name: commit for name, commit in base.items() if name != job.id}
    folder = attempts.new_attempt_dir(layout, job.id, number)
    crash_point("claim-after-mkdir")
    spec = Spec(
        job=job.id,
        stage=job.stage.value,
        attempt=number,
        token=uuid.uuid4().hex,
        fingerprint=job.fingerprint,
        settings=states.plan.settings[job.settings],
        inputs=inputs,
        source=job.source,
        epoch=job.epoch,
        seed=job.seed,
        launch={**launch, **_told(layout, states, job, place, base, used)},
        parts=job.parts.as_json() if job.parts else {},
    )
    try:
        write_spec(folder, spec)
        attempts.write_claim(folder, Claim(worker, time.time(), experiment))
        crash_point("claim-before-journal")
        states.record(
            "claimed",
            job=job.id,
            attempt=number,
            token=spec.token,
            fingerprint=spec.fingerprint,
            inputs=used,
            read={item.job: attempts.number_in(item.path) for item in inputs},
            parts=spec.parts,
            worker=worker,
        )
    except OSError:
        shutil.rmtree(place, ignore_errors=True)  # ours, and nobody has heard of it
        raise
    crash_point("claim-after-journal")
    attempts.point_latest(layout, job.id, number)
    return number


def _told(
    layout: Layout,
    states: JournaledStates,
    job: Job,
    place: Path,
    base: Mapping[str, str],
    used: Mapping[str, str],
) -> dict[str, Any]:
    """What a runner is told that no result depends on, and so is no setting."""
    plan = states.plan
    told: dict[str, Any] = {}
    if asked := plan.resources.get(TRACKER):
        folder = os.path.relpath(layout.tracker, place)  # so that all can be moved
        told[TRACKER] = {**asked, "group": plan.experiment, "folder": folder}
    if job.stage in RESUMABLE:
        told["save_seconds"] = read_policy(plan.resources).save_seconds
    if base:  # one experiment has one
        told[BASE_COMMIT] = next(iter(base.values()))
    if number := attempts.newest_state(layout, job, states.ledger.of(job.id), used):
        told["resume_from"] = f"../attempt-{number}"
    return told


def _base(states: JournaledStates, job: Job) -> dict[str, str]:
    """Return the commit at which the base was fetched, by its fetching job; {} without one.

    Another fetch of the same revision keeps it: a branch that moved on is not taken in silence.
    """
    names = [one for one in (*job.parents, job.id) if one.startswith(f"{Stage.FETCH}/")]
    found = {name: states.base_commit(name) for name in names}
    return {name: commit for name, commit in found.items() if commit}


def _inputs(layout: Layout, states: JournaledStates, job: Job, number: int) -> tuple[Input, ...]:
    reader = layout.attempt_dir(job.id, number)
    above = {parent: states.statuses[parent] for parent in job.parents}
    found = []
    for parent in job.parents:
        if above[parent].stage is Stage.FETCH:
            continue
        done = attempt_to_read(job, parent, above, states.ledger.of(parent))
        if done is None:
            raise CannotClaimError(f"{parent} has no result that can be read")
        try:
            found.append(attempts.usable_input(layout, parent, done.number, reader, job.epoch))
        except UnusableInputError as error:
            raise CannotClaimError(f"{error}: relaunch {parent}") from error
    return tuple(found)
