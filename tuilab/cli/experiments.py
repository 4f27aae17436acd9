"""Makes experiments from configs, and plans them again when config or code has changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tuilab.cli.errors import USAGE, RefusalError
from tuilab.cli.output import plain, tell
from tuilab.cli.requests import ask
from tuilab.grid.checks import blocking
from tuilab.grid.grow_config import More, is_grown_from
from tuilab.grid.growth import growth_lines
from tuilab.grid.jobs import Plan
from tuilab.store.base_model import base_shape
from tuilab.store.experiment import ExperimentExistsError, create_experiment
from tuilab.store.find_experiments import is_experiment
from tuilab.store.growth import propose
from tuilab.store.layout import Layout
from tuilab.store.lease import held
from tuilab.store.plan_file import (
    NewerPlanError,
    PlanFileError,
    config_digest,
    load_plan,
    planned_digest,
    save_plan,
)
from tuilab.store.program_name import program, quoted
from tuilab.store.read_state import read_state
from tuilab.store.replan import plan_of, plan_with, read_config

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig
    from tuilab.grid.config_text import LoadedConfig


def refuse_blocked(config: ExperimentConfig) -> None:
    """Raise RefusalError with everything that blocks a launch."""
    if found := blocking(config, base_shape(config).blocks):
        lines = [f"{config.name}: {check.name}: {check.sentence}" for check in found]
        raise RefusalError("\n".join([*lines, "nothing was started"]), USAGE)


def make_experiment(loaded: LoadedConfig, root: Path, write: bool = True) -> Plan:
    """Create the experiment of a config at ``root``, or continue the one that is there.

    Without ``write`` an existing one is left as it is; see ``take_changes_in``.
    """
    if not is_experiment(root):
        plan = plan_with(loaded.config)
        try:
            create_experiment(root, loaded.text, plan, loaded.data)
            return plan
        except ExperimentExistsError:
            if not is_experiment(root):
                raise
            # Another shell was faster: continue with what it made.
    if not _is_of(root, loaded):
        raise RefusalError(
            f"{root} is another experiment than this config asks for. `{program()} run "
            f"{quoted(root)}` continues it as it is; to change it, edit its experiment.toml; "
            "a `name` of its own in the config, or --dir, makes a new one",
            USAGE,
        )
    return take_changes_in(root, write)


def _is_of(root: Path, loaded: LoadedConfig) -> bool:
    """Whether an experiment was made from a config; what it has grown by since does not count."""
    own = read_config(Layout(root).config).config
    if own != loaded.config and not is_grown_from(own, loaded.config):
        return False
    if own != loaded.config:
        tell(f"{root} has grown since it was made from this config: this means all its cells")
    return True


def take_changes_in(
    root: Path,
    write: bool = True,
    check: Callable[[Plan], None] = lambda plan: None,
    mend: bool = False,
) -> Plan:
    """Take in what has changed in experiment.toml and in the runner code, and say what it changes.

    Without ``write`` the new plan is only returned. A damaged one is made again with ``write`` or
    ``mend``, a newer program's never. What ``check`` raises of the new plan leaves the old one. An
    engine that is alive takes it in itself; what runs goes on as it was begun.
    """
    layout = Layout(root)
    try:
        before = load_plan(root)
    except NewerPlanError:
        raise
    except PlanFileError as error:
        return _made_again(layout, error, write or mend, check)
    found = propose(layout, before, lambda plan: read_state(root, plan))
    if not found.why:
        check(before)
        if write and config_digest(layout) != planned_digest(layout):
            grown(root)  # another comment: the plan is to know the text that it agrees with
        return before
    check(found.plan)
    try:
        now = grown(root) if write else found.plan
    except RefusalError as refused:
        if "'grow' is not a verb" not in str(refused):
            raise
        old = "the engine is of an older tuilab and keeps its plan until it is started again"
        tell(f"{found.why}; {old}")
        return before
    to_apply = f"`{program()} run {quoted(root)}` applies that"
    tell(f"{found.why}; {'planned again' if write else to_apply}")
    for line in growth_lines(found.growth, gc_command(root)):
        tell(f"  {plain(line)}")
    return now


def _made_again(
    layout: Layout, why: PlanFileError, write: bool, check: Callable[[Plan], None]
) -> Plan:
    """Return the plan that the files ask for, in the place of one that cannot be read."""
    plan = plan_of(layout.root)
    check(plan)
    if write:
        with held(layout):
            save_plan(layout, plan)
    tell(f"{why}; {'made again' if write else 'a run makes it again'} from experiment.toml")
    return plan


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
