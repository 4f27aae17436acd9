"""Finds the upstream results of a spec, and refuses those that are not the planned ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tuilab.contract.reasons import Reason
from tuilab.contract.report import DONE, JobError, Outcome, digest, read_outcome
from tuilab.contract.spec import Input, Spec


@dataclass(frozen=True, slots=True)
class Upstream:
    """One finished upstream attempt."""

    job: str
    directory: Path
    outcome: Outcome

    def file(self, name: str) -> Path:
        """Return an artefact's path once its bytes match the outcome's record.

        JobError: upstream when it is not listed, data-mismatch when its bytes differ.
        """
        record = next((item for item in self.outcome.artefacts if item.path == name), None)
        if record is None:
            raise JobError(Reason.UPSTREAM, f"{self.job} has no artefact {name}")
        path = self.directory / name
        if not path.is_file() or digest(path) != record.sha256:
            raise JobError(
                Reason.DATA_MISMATCH, f"{self.job}: {name} is not what its outcome lists"
            )
        return path

    def folder(self, name: str) -> Path:
        """Return a directory of artefacts once each matches the record."""
        members = [a.path for a in self.outcome.artefacts if a.path.startswith(f"{name}/")]
        if not members:
            raise JobError(Reason.UPSTREAM, f"{self.job} has no artefacts in {name}/")
        for member in members:
            self.file(member)
        return self.directory / name


Inputs = dict[str, list[Upstream]]
"""The upstream results by stage name."""


def find(spec: Spec, attempt_dir: Path) -> Inputs:
    """Return the inputs by stage name, in plan order; JobError when one is missing or differs."""
    found: Inputs = {}
    for item in spec.inputs:
        found.setdefault(item.job.split("/", 1)[0], []).append(_open(item, attempt_dir))
    return found


def one(inputs: Inputs, stage: str) -> Upstream:
    """Return the only input of a stage."""
    if len(found := inputs.get(stage, [])) != 1:
        raise JobError(Reason.CONFIG, f"spec.inputs must name one {stage}, not {len(found)}")
    return found[0]


def data_of(inputs: Inputs, persona: str) -> Upstream:
    """Return the data job of one persona; levels of an axis may follow its key."""
    own = f"data/{persona}"
    named = [one for one in inputs.get("data", []) if f"{one.job},".startswith(f"{own},")]
    if named:  # of the keys "a" and "a,b" the first has the shorter job
        return min(named, key=lambda one: len(one.job))
    raise JobError(Reason.CONFIG, f"spec.inputs lacks data/{persona}")


def refuse_other_chat(inputs: Inputs, chat: str) -> None:
    """Refuse inputs whose prompts another template made; ``chat`` is the digest of this one."""
    for found in (one for several in inputs.values() for one in several):
        if found.outcome.checks.get("chat_template", chat) != chat:
            raise JobError(
                Reason.DATA_MISMATCH,
                f"{found.job} was made with another chat template than the base has now: plan "
                "again and relaunch what is stale, or put the former template back",
            )


def _open(item: Input, attempt_dir: Path) -> Upstream:
    directory = (attempt_dir / item.path).resolve()
    outcome = read_outcome(directory)
    if outcome is None or outcome.status != DONE:
        raise JobError(Reason.UPSTREAM, f"{item.job} is not done in {directory.name}")
    if outcome.job != item.job or outcome.output_hash != item.output_hash:
        raise JobError(
            Reason.DATA_MISMATCH,
            f"{item.job}: planned with output {item.output_hash[:12]}, "
            f"found {outcome.job} with {outcome.output_hash[:12]}",
        )
    return Upstream(item.job, directory, outcome)
