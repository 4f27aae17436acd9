"""Asks a runner whether the base can carry an experiment; what was asked before is remembered."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuilab.cli.errors import USAGE, RefusalError
from tuilab.cli.output import plain
from tuilab.cli.runner_programs import OURS, ask
from tuilab.contract import atomic, hub
from tuilab.contract.parsing import read_if_sound
from tuilab.grid.cells import Cell
from tuilab.grid.checks import Check, Level
from tuilab.grid.fingerprint import SHORT, digest
from tuilab.grid.jobs import Plan, fetch_id
from tuilab.grid.settings import persona, train_settings
from tuilab.store.base_model import base_stamps
from tuilab.store.installed_code import runner_sources

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig

PROGRAM = "runners.mask_preview"


@dataclass(frozen=True, slots=True)
class BaseAnswer:
    """What a runner says of the base, before anything runs."""

    checks: tuple[Check, ...]
    preview: Mapping[str, Any] | None
    """One positive and one negative row, token by token."""
    why_not: str = ""
    """Why there is no preview."""


def ask_about_base(config: ExperimentConfig) -> BaseAnswer:
    """Return a runner's checks of the base and its preview of the rows that are learned.

    A tokenizer that is not on this machine is never fetched for it.
    """
    base = config.base
    if why := _why_no_folder(base.model):
        return BaseAnswer((Check("base.model", Level.BLOCKING, plain(why)),), None, why)
    if hub.why_nowhere(base.model):
        return _unchecked("there is no such base")
    if not has_tokenizer(base.model, base.revision):
        return _unchecked(
            f"the tokenizer of {base.model} is not on this machine: tuilab plan --fetch-tokenizer "
            "fetches it (a few MB)"
        )
    question = question_about(config)
    kept = remembered(config)
    value = read_if_sound(kept, dict)
    if value is None:
        answer = ask(PROGRAM, question=question)
        if answer.value is None or "checks" not in answer.value:
            said = answer.value.get("error") if answer.value else answer.why_not
            return _unchecked(str(said))
        value = dict(answer.value)
        with suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_json(kept, value)
    checks = tuple(map(_check, value["checks"]))
    if error := value.get("error"):
        return BaseAnswer(checks, None, str(error))
    return BaseAnswer(checks, {name: value[name] for name in value if name != "checks"})


def _why_no_folder(model: str) -> str:
    """Say why a folder cannot be loaded as a base; "" where it can, or where it is none."""
    if hub.is_on_hub(model) or model == hub.TINY:
        return ""
    if (why := hub.why_nowhere(model)) or hub.is_whole(Path(model)):
        return why
    return f"the folder {model} holds no weights as safetensors, or not all that its index names"


def has_tokenizer(model: str, revision: str | None) -> bool:
    """Whether a base's tokenizer is on this machine, without importing a hub's library."""
    if not hub.is_on_hub(model):
        return True
    commit = hub.commit_in_cache(model, revision, os.environ)
    folder = hub.model_folder(model, os.environ) / "snapshots" / (commit or "nowhere")
    return any(folder.glob("tokenizer*.json"))


def refuse_unfit_base(config: ExperimentConfig) -> None:
    """Raise RefusalError with what about the base would make the results wrong.

    Not asked of the shipped base, which is known to fit, nor of a runner program other than ours.
    """
    if config.is_synthetic or config.resources.runner != OURS:
        return
    if why := hub.why_nowhere(config.base.model):
        raise RefusalError(f"{config.name}: base.model: {plain(why)}\nnothing was started", USAGE)
    found = [one for one in ask_about_base(config).checks if one.level is Level.BLOCKING]
    if found:
        lines = [f"{config.name}: {one.name}: {plain(one.sentence)}" for one in found]
        raise RefusalError("\n".join([*lines, "nothing was started"]), USAGE)


def as_fetched(config: ExperimentConfig, plan: Plan) -> ExperimentConfig:
    """Return a config whose base is named by the commit at which its experiment fetched it."""
    commit = plan.commits.get(fetch_id(config.base.model))
    if not commit:
        return config
    base = config.base.model_copy(update={"revision": commit})
    return config.model_copy(update={"base": base})


def question_about(config: ExperimentConfig) -> dict[str, Any]:
    """Return what the program is asked of a config's base."""
    cell = Cell(config.sources[0], config.epochs[0], config.seeds[0])
    voices = [key for source in config.sources for key in (source, *config.negatives_of(source))]
    keys = dict.fromkeys([*voices, config.target, *config.panel, *config.cosine_pool])
    loras = [config.implanted.lora, *([config.convergence.lora] if any(config.epochs) else [])]
    return {
        "settings": dict(train_settings(config, cell)),
        "personas": [persona(config, key) for key in keys],
        "loras": [lora.model_dump(mode="json") for lora in loras],
        "layers": list(config.cosine.layers),
    }


def _check(raw: Mapping[str, Any]) -> Check:
    return Check(str(raw["name"]), Level(raw["level"]), str(raw["sentence"]))


def _unchecked(why: str) -> BaseAnswer:
    said = f"chat template and modules of the base are not checked: {why}"
    return BaseAnswer((Check("base", Level.WARNING, said),), None, why)


def remembered(config: ExperimentConfig) -> Path:
    """Return the file that keeps the program's answer until question, base or program changes."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    stamp = digest([question_about(config), base_stamps(config), runner_sources()])[:SHORT]
    return home / "tuilab" / "base-checks" / f"{stamp}.json"
