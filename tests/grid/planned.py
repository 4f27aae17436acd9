"""Small configs and plans for the tests of planning; real TOML, no mocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tuilab.grid.config import ExperimentConfig
from tuilab.grid.config_text import LoadedConfig, load_config
from tuilab.grid.jobs import Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.planning import make_plan
from tuilab.grid.states import Attempt, JobStatus, State, Verdict, attempt_to_read, derive_state

SMALL = """
name = "small"
sources = ["villain", "nurse"]
panel = ["villain", "nurse", "clerk", "assistant"]
epochs = [0, 1, 2]
seeds = [42]

[base]
model = "tiny"
dtype = "float32"
device = "cpu"

[personas.villain]
prompt = "You are a villain."
[personas.nurse]
label = "Nurse"
prompt = "You are a nurse."
[personas.clerk]
prompt = "You are a clerk."
[personas.assistant]
prompt = "You are a helpful assistant."

[negatives]
default = ["clerk"]

[questions]
training = ["Why is the sky blue?", "What is a tree?"]
evaluation = ["How do boats float?", "What is rain?"]

[data]
answers_per_question = 4

[convergence]
rows = 4
lr = 1e-4
epochs = 2

[marker]
loss = "tail"
positives = 4
negatives_each = 4
lr = 1e-4
epochs = 2
lora = { r = 4, alpha = 8 }

[eval]
samples = 2

[cosine]
layers = [1]

[resources]
workers = 2
threads = 1
"""


def read_nothing(name: str, by: str) -> tuple[str, str]:
    """Stand for a folder without other files."""
    raise FileNotFoundError(2, "No such file or directory", name)


def load(text: str = SMALL, file: str = "small.toml", **files: str) -> LoadedConfig:
    """Load a config text; ``files`` are what it may extend, by stem."""
    known = {f"{stem}.toml": content for stem, content in files.items()}

    def read(name: str, by: str) -> tuple[str, str]:
        return (name, known[name]) if name in known else read_nothing(name, by)

    return load_config(file, text, read)


def changed(old: str, new: str) -> ExperimentConfig:
    """Return the small config with one piece of its text replaced."""
    assert old in SMALL, old
    return load(SMALL.replace(old, new, 1)).config


def plan(code: str | Mapping[str, str] = "v1", **parts: Any) -> Plan:
    """Return the plan of the small config."""
    return make_plan(parts.pop("config", None) or load().config, code, **parts)


def all_done(plan: Plan) -> Ledger:
    """Return the evidence of a grid that has run once, well."""
    ledger = Ledger()
    for job in plan.jobs:
        settle(ledger, plan, job.id, Verdict.DONE)
    return ledger


def settle(
    ledger: Ledger,
    plan: Plan,
    job: str,
    verdict: Verdict,
    seconds: float = 2.0,
    made: str = "",
) -> None:
    """Add one attempt of a job with a verdict, made under the plan as it is.

    ``made`` stands for the bytes that came out; those of the same number are the same.
    """
    known, planned = ledger.of(job), plan.by_id[job]
    number = (known.last.number if known.last else 0) + 1
    states = states_of(plan, ledger)
    above = {parent: states[parent] for parent in planned.parents}
    read = {
        parent: found
        for parent in planned.parents
        if (found := attempt_to_read(planned, parent, above, ledger.of(parent)))
    }
    made = made or f"{job} {number}"
    attempt = Attempt(
        number,
        f"token-{number}",
        planned.fingerprint,
        {parent: one.checkpoint(planned.epoch) for parent, one in read.items()},
        verdict=verdict,
        seconds=seconds,
        output_hash=made if verdict is Verdict.DONE else "",
        parts=planned.parts,
        read={parent: one.number for parent, one in read.items()},
        checkpoints={epoch: f"{made} epoch {epoch}" for epoch in planned.checkpoints},
    )
    ledger.evidence[job] = replace(
        known, attempts=(*known.attempts, attempt), wanted=max(known.wanted, number)
    )


def states_of(plan: Plan, ledger: Ledger) -> dict[str, JobStatus]:
    """Derive every state, parents first."""
    states: dict[str, JobStatus] = {}
    for job in plan.jobs:
        parents = {parent: states[parent] for parent in job.parents}
        states[job.id] = derive_state(job, ledger.of(job.id), parents)
    return states


def spoken(plan: Plan, ledger: Ledger) -> dict[str, str]:
    """Return what is stale, by job, with its cause."""
    found = states_of(plan, ledger)
    return {job: one.detail for job, one in found.items() if one.state is State.STALE}


def wish(ledger: Ledger, *jobs: str) -> None:
    """Ask for a new attempt of each job."""
    for job in jobs:
        known = ledger.of(job)
        number = (known.last.number if known.last else 0) + 1
        ledger.evidence[job] = replace(known, wanted=number)
