"""Makes an experiment's plan from what lies on disk: config, edits, runner code, base model."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tuilab.contract.hub import TINY, is_on_hub
from tuilab.contract.parsing import loads, read_bytes
from tuilab.grid.cells import Cell
from tuilab.grid.edits import Deviation, from_json, without
from tuilab.grid.fingerprint import code_versions
from tuilab.grid.jobs import PARTS_SCHEMA, Plan, with_code, with_commits
from tuilab.store.base_model import base_hash, base_shape
from tuilab.store.data_files import with_files
from tuilab.store.installed_code import other_code, runner_sources
from tuilab.store.layout import Layout
from tuilab.store.plan_file import (
    PlanFile,
    PlanFileError,
    config_digest,
    is_other_config,
    load_plan_file,
    save_plan,
)
from tuilab.store.shipped import configs_dir

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig
    from tuilab.grid.config_text import LoadedConfig


class DeviationsError(Exception):
    """deviations.json cannot be used; the text says why and what to do."""


class NoTextError(Exception):
    """A config that is not even text, or that an experiment has lost."""


def plan_of(root: Path, more: Sequence[Deviation] = (), as_planned: Collection[str] = ()) -> Plan:
    """Plan an experiment as its files are now, with further edits laid over the kept ones.

    The kept edits of the cells ``as_planned`` are left out.

    Raises ConfigError, PlanError, EditError or DeviationsError, each with what to do.
    """
    config = read_config(Layout(root).config).config
    kept = without(read_deviations(Layout(root)), as_planned)
    return plan_with(config, (*kept, *more))


def changed_by(
    root: Path,
    plan: Plan,
    cells: Iterable[Cell],
    sets: Mapping[str, object],
    as_planned: bool = False,
) -> frozenset[str]:
    """Return the jobs whose settings some edits change; slow, since the grid is planned again.

    With ``as_planned`` the cells first lose the edits that they carry.
    Raises EditError, PlanError, ConfigError or DeviationsError, each saying why not.
    """
    names = tuple(map(str, cells))
    made = plan_of(root, [Deviation(names, dict(sets))], names if as_planned else ())
    return frozenset(
        job.id
        for job in made.jobs
        if job.id not in plan.by_id
        or made.settings[job.settings] != plan.settings[plan.by_id[job.id].settings]
    )


def plan_with(config: ExperimentConfig, deviations: Sequence[Deviation] = ()) -> Plan:
    """Plan a config with the runner code and the base model that are installed here."""
    from tuilab.grid.planning import make_plan

    versions = code_versions(runner_sources())
    on_hub = is_on_hub(config.base.model)
    return make_plan(config, versions, deviations, base_hash(config), base_shape(config), on_hub)


def read_config(path: Path) -> LoadedConfig:
    """Read a config file and what it extends; ConfigError lists all that is wrong, OSError."""
    return config_of(path, read_text(path))


def config_of(path: Path, text: str) -> LoadedConfig:
    """Understand a config's text as if it were at ``path``; ConfigError lists what is wrong."""
    from tuilab.grid.config_text import load_config

    loaded = load_config(str(path), text, _read_beside)
    folders = dict.fromkeys(Path(file).parent for file in (str(path), *loaded.files))
    return _anchored(with_files(loaded, (*folders, configs_dir())))


def _anchored(loaded: LoadedConfig) -> LoadedConfig:
    """Write whole the path of a base in a folder: engine and workers run elsewhere.

    It is looked for beside the config and what that extends, then in the current folder.
    """
    from tuilab.grid.config_text import change_config

    base = loaded.config.base
    near = [*(Path(file).parent for file in loaded.files), Path()]
    found: dict[str, str] = {}
    for key, value in (("base.model", base.model), ("base.path", base.path)):
        if value and value != TINY and not Path(value).is_absolute():
            whole = next((one for folder in near if (one := folder / value).is_dir()), None)
            found |= {key: str(whole.resolve())} if whole else {}
    return change_config(loaded, found) if found else loaded


def read_text(path: Path) -> str:
    """Read a config file; NoTextError or OSError, each naming the file."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except FileNotFoundError as error:
        if path != Layout(path.parent).config:
            raise
        raise NoTextError(
            f"{path} is missing: copy back the config that the experiment was made of; "
            "a report's bundle has it too"
        ) from error
    except OSError as error:
        error.filename = error.filename or str(path)  # an open file that fails names none
        raise
    except ValueError as error:
        raise NoTextError(f"{path}: not a text file: a config is TOML in UTF-8") from error


def current_plan(layout: Layout, found: PlanFile | None = None) -> Plan:
    """Return an experiment's plan, made again where version 0.1 or other runner code made it.

    For who holds the experiment: what runs under a plan is recorded as made by the code that it
    names. An edit of experiment.toml that no ``run`` has taken in, and shown, stays out of it.
    Where the files cannot be planned the plan that is there holds.
    Raises PlanFileError, also for one of version 0.1 that cannot be made again.
    """
    found = found or load_plan_file(layout.root)
    before, planned = found.plan, found.config_digest
    is_old = before.schema < PARTS_SCHEMA
    if not is_old and not other_code(before, found.sources_digest):
        return before
    try:
        if not is_old and is_other_config(layout, planned):
            plan = with_code(before, code_versions(runner_sources()))
        else:
            plan, planned = with_commits(plan_of(layout.root), before), config_digest(layout)
    except (ValueError, NoTextError, DeviationsError, OSError) as error:
        if not is_old:
            return before
        raise PlanFileError(
            f"{layout.plan} was made by tuilab 0.1 and cannot be made again: {error}"
        ) from error
    save_plan(layout, plan, planned)
    return plan


def read_deviations(layout: Layout) -> tuple[Deviation, ...]:
    """Return the edits kept for single cells, oldest first; () when there are none."""
    try:
        return from_json(loads(read_bytes(layout.deviations)))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DeviationsError(
            f"{layout.deviations} cannot be read ({error}): move it away, and the cells go back "
            "to the config's own values"
        ) from error


def _read_beside(name: str, by: str) -> tuple[str, str]:
    """Read a file beside the one that extends it, else a shipped config of that name."""
    path = Path(by).parent / name
    if not path.is_file() and Path(name).name == name and (configs_dir() / name).is_file():
        path = configs_dir() / name
    return str(path), read_text(path)
