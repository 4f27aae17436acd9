"""Keeps on record at which commit bases were fetched, and that a branch is another one by now."""

from __future__ import annotations

import os
from collections.abc import Mapping

from tuilab.contract import hub
from tuilab.engine.state import JournaledStates
from tuilab.grid.jobs import Job, fetches
from tuilab.store.layout import Layout
from tuilab.store.plan_file import write_commits


def keep_commits(
    layout: Layout, states: JournaledStates, env: Mapping[str, str] = os.environ
) -> None:
    """Write commits into plan.json, and into the journal what this machine's cache has newer."""
    plan = states.plan
    found = {job.id: commit for job in fetches(plan) if (commit := states.base_commit(job.id))}
    if found != plan.commits:
        write_commits(layout, found)
        states.remember_commits(found)
    for job in fetches(plan):
        asked = plan.settings[job.settings]
        note_branch(states, job, hub.commit_in_cache(asked["model"], asked["revision"], env))


def note_branch(states: JournaledStates, job: Job, now: str) -> None:
    """Record that the branch of a fetched base is ``now`` another commit, if that is news."""
    done, kept = states.ledger.of(job.id).last_done, states.base_commit(job.id)
    if done is not None and kept and now not in ("", kept, done.moved):
        states.record("moved", job=job.id, attempt=done.number, commit=now, kept=kept)
