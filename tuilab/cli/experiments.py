"""Makes experiments from configs, and plans them again when config or code has changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tuilab.cli.errors import USAGE, RefusalError
from tuilab.cli.output import plain, tell
from tuilab.cli.requests import ask
from tuilab.grid.checks import blocking
from tuilab.grid.grow_config import More
from tuilab.grid.growth import growth_lines
from tuilab.grid.jobs import Plan
from tuilab.grid.planning import config_hash
from tuilab.store.base_model import base_blocks
from tuilab.store.experiment import ExperimentExistsError, create_experiment, is_experiment
from tuilab.store.growth import propose
from tuilab.store.layout import Layout
from tuilab.store.plan_file import NewerPlanError, PlanFileError, load_plan, save_plan
from tuilab.store.program_name import program, quoted
from tuilab.store.replan import plan_of, plan_with, read_config
from tuilab.store.state import read_state

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
            f"{root} was made from another config: continue it (`{program()} run {quoted(root)}`), "
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
    """Take in what has changed in experiment.toml and in the runner code, and say what it changes.

    Without ``write`` the new plan is only returned; a damaged one is always replaced, a newer
    program's never. An engine that is alive takes it in itself; what runs goes on as it was begun.
    """
    layout = Layout(root)
    try:
        before = load_plan(root)
    except NewerPlanError:
        raise
    except PlanFileError as error:
        now = plan_of(root)
        tell(f"{error}; made again from experiment.toml")
        save_plan(layout, now)
        return now
    found = propose(layout, before, lambda plan: read_state(root, plan))
    if not found.why:
        return before
    to_apply = f"`{program()} run {quoted(root)}` applies that"
    tell(f"{found.why}; {'planned again' if write else to_apply}")
    for line in growth_lines(found.growth, gc_command(root)):
        tell(f"  {plain(line)}")
    if not write:
        return found.plan
    try:
        return grown(root)
    except RefusalError as refused:
        if "'grow' is not a verb" not in str(refused):
            raise
        tell("the engine is of an older tuilab and keeps its plan until it is started again")
        return before


def grown(root: Path, more: More | None = None) -> Plan:
    """Have the plan replaced by what the files say, with more cells, and return it.

    Raises RefusalError when whoever holds the experiment refuses.
    """
    reply = ask(root, "grow", options=more.as_json() if more else {})
    if not reply.accepted:
        raise RefusalError(reply.why or "the plan was not changed")
    return load_plan(root)


def gc_command(root: Path) -> str:
    """Return the command that removes what is no longer planned."""
    return f"`{program()} gc {quoted(root)} --unplanned`"
