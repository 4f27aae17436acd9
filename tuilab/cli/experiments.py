"""Makes experiments from configs, and plans them again when config or code has changed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from tuilab.cli.errors import USAGE, RefusalError
from tuilab.cli.output import tell
from tuilab.grid.checks import blocking
from tuilab.grid.jobs import Plan
from tuilab.grid.planning import config_hash
from tuilab.grid.text import count_of
from tuilab.store.base_model import base_blocks
from tuilab.store.experiment import ExperimentExistsError, create_experiment, is_experiment
from tuilab.store.layout import Layout
from tuilab.store.lease import holder
from tuilab.store.plan_file import PlanFileError, load_plan, save_plan
from tuilab.store.program_name import program
from tuilab.store.replan import plan_of, plan_with, read_config

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig
    from tuilab.grid.config_text import LoadedConfig


def refuse_blocked(config: ExperimentConfig) -> None:
    """Raise RefusalError with everything that blocks a launch."""
    if found := blocking(config, base_blocks(config)):
        lines = [f"{config.name}: {check.name}: {check.sentence}" for check in found]
        raise RefusalError("\n".join([*lines, "nothing was started"]), USAGE)


def make_experiment(loaded: LoadedConfig, root: Path, write: bool = True) -> Plan:
    """Create the experiment of a config at ``root``, or continue the one that is there.

    Without ``write`` an existing one is left as it is; see ``take_changes_in``.
    """
    if not is_experiment(root):
        plan = plan_with(loaded.config)
        try:
            create_experiment(root, loaded.text, plan)
            return plan
        except ExperimentExistsError:
            if not is_experiment(root):
                raise
            # Another shell was faster: continue with what it made.
    if not _is_of(root, loaded, load_plan(root)):
        raise RefusalError(
            f"{root} was made from another config: continue it (`{program()} run {root}`), "
            "choose another folder with --dir, or edit its experiment.toml",
            USAGE,
        )
    return take_changes_in(root, write)


def _is_of(root: Path, loaded: LoadedConfig, plan: Plan) -> bool:
    """Whether an experiment was made from a config; settings added since do not count."""
    if plan.config_hash == config_hash(loaded.config):
        return True
    return read_config(Layout(root).config).config == loaded.config


def take_changes_in(root: Path, write: bool = True) -> Plan:
    """Plan the experiment again if its config or the runner code has changed, and say so.

    Without ``write`` the new plan is only returned; an unreadable one is always replaced.
    While an engine runs, the plan belongs to it and is left alone.
    """
    layout = Layout(root)
    now = plan_of(root)
    try:
        before = load_plan(root)
    except PlanFileError as error:
        tell(f"{error}; made again from experiment.toml")
        save_plan(layout, now)
        return now
    if not (why := difference(before, now)):
        return before
    if (engine := holder(layout, time.time())) is not None:
        tell(f"{why}; the engine ({engine}) keeps its plan until it is restarted")
        return before
    if not write:
        tell(f"{why}; `{program()} run {root}` applies that")
        return now
    save_plan(layout, now)
    tell(f"{why}; planned again")
    return now


def difference(before: Plan, now: Plan) -> str:
    """Say how a new plan differs from the old one; "" when no job differs."""
    added = [job for job in now.by_id if job not in before.by_id]
    removed = [job for job in before.by_id if job not in now.by_id]
    changed = [
        job.id
        for job in now.jobs
        if job.id in before.by_id and before.by_id[job.id].fingerprint != job.fingerprint
    ]
    if not (added or removed or changed) and before.resources == now.resources:
        return ""
    causes = {
        "the config": before.config_hash != now.config_hash,
        "the runner code": before.code_version != now.code_version,
    }
    what = " and ".join(cause for cause, has_changed in causes.items() if has_changed)
    parts = [
        f"{count_of(len(jobs), 'job')} {word}"
        for jobs, word in ((changed, "changed"), (added, "new"), (removed, "removed"))
        if jobs
    ]
    verb = "have" if all(causes.values()) else "has"
    told = f" ({', '.join(parts)})" if parts else ""
    return f"{what or 'the base model'} {verb} changed since the last plan{told}"
