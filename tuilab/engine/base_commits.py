"""Keeps on record what fetched bases tell: commit, size, and that a branch is another by now."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from tuilab.contract import hub
from tuilab.engine.state import JournaledStates
from tuilab.grid.estimate import base_of, learned
from tuilab.grid.jobs import Job, Plan, fetch_id, fetches
from tuilab.store.base_model import shape_in
from tuilab.store.layout import Layout
from tuilab.store.plan_file import write_learned


def keep_commits(
    layout: Layout, states: JournaledStates, env: Mapping[str, str] = os.environ
) -> bool:
    """Write commits and times into plan.json, and into the journal what the cache has newer.

    True where the plan has other times now.
    """
    plan = states.plan
    found = {job.id: commit for job in fetches(plan) if (commit := states.base_commit(job.id))}
    told = _with_times(replace(plan, commits=found), env)
    has_times = told.rates != plan.rates
    if has_times or told.commits != plan.commits:
        write_learned(layout, told)
        states.remember(told)
    for job in fetches(plan):
        asked = plan.settings[job.settings]
        note_branch(states, job, hub.commit_in_cache(asked["model"], asked["revision"], env))
    return has_times


def _with_times(plan: Plan, env: Mapping[str, str]) -> Plan:
    """Return the plan with times by the size of its base, where that was fetched to this machine.

    A grid has one base.
    """
    base = base_of(plan)
    commit = plan.commits.get(fetch_id(base["model"])) if base and "model" in base else None
    folder = hub.fetched(base["model"], commit, env) if commit else None
    if folder is None:
        return plan
    return learned(plan, shape_in([folder], base["model"], base["dtype"]))


def note_branch(states: JournaledStates, job: Job, now: str) -> None:
    """Record that the branch of a fetched base is ``now`` another commit, if that is news."""
    done, kept = states.ledger.of(job.id).last_done, states.base_commit(job.id)
    if done is not None and kept and now not in ("", kept, done.moved):
        states.record("moved", job=job.id, attempt=done.number, commit=now, kept=kept)
