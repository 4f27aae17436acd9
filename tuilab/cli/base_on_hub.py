"""Says of a base whether it is on this machine, and what is to be fetched; asks a hub if it may."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuilab.cli.doctor.folders import free_bytes
from tuilab.cli.runner_programs import HUB, ask, how_to_install, is_installed
from tuilab.contract import hub
from tuilab.grid.checks import Check, Level
from tuilab.grid.experiment_state import ExperimentState
from tuilab.grid.jobs import fetch_id
from tuilab.grid.states import commit_of as commit_of_fetch
from tuilab.grid.text import duration, size
from tuilab.store.base_model import base_shape

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig

RATE = 100e6
"""Bytes per second with which the time of a download is estimated before one was seen."""
ASK_SECONDS = 30.0
PUBLISHED_BYTES = 2
"""Of each weight, as models are published."""


@dataclass(frozen=True, slots=True)
class Base:
    """What is known of a base that comes from a hub."""

    model: str
    commit: str = ""
    """Of the experiment's first fetch, else of the cache or the hub; "" when nobody knows."""
    missing: int | None = 0
    """Bytes that are to be fetched; None when only the hub knows and does not say."""
    total: int | None = None
    why_not: str = ""
    """Why the hub does not say."""
    likely: int | None = None
    """Bytes by the shape of the base, where the hub does not say; None where nothing tells."""
    moved: str = ""
    """What the branch is in the cache now, where that is not what the experiment fetched."""
    nowhere: str = ""
    """Why it cannot be had at all."""

    @property
    def is_sized(self) -> bool:
        """Whether anything tells how much there is to fetch."""
        return self.missing is not None or self.likely is not None

    @property
    def seconds(self) -> float:
        """How long the download may take."""
        return ((self.likely if self.missing is None else self.missing) or 0) / RATE


def look_at_base(config: ExperimentConfig, state: ExperimentState | None = None) -> Base | None:
    """Look into the cache and, for what is not there, ask the hub; None for a base from nowhere."""
    base = config.base
    if not hub.is_on_hub(base.model):
        return None
    if why := hub.why_nowhere(base.model):
        return Base(base.model, missing=None, nowhere=why)
    kept = commit_of(base.model, state) if state else ""
    here = hub.commit_in_cache(base.model, base.revision, os.environ)
    found = hub.fetched(base.model, kept or base.revision, os.environ)
    moved = here if kept and here and here != kept else ""
    if found is not None:
        total = sum(path.stat().st_size for path in found.iterdir() if path.is_file())
        return Base(base.model, found.name, 0, total, moved=moved)
    told, why_not = ask_hub("ask", base.model, kept or base.revision)
    if told is None:
        shape = base_shape(config)
        likely = round(shape.weights * PUBLISHED_BYTES) if shape.is_known else None
        return Base(base.model, kept or here, None, None, why_not, likely, moved)
    return Base(base.model, str(told["commit"]), told["missing"], told["bytes"], moved=moved)


def commit_of(model: str, state: ExperimentState) -> str:
    """Return the commit that an experiment fetched, "" when it has fetched none."""
    job = state.plan.by_id.get(fetch_id(model))
    return commit_of_fetch(job, state.of(job.id)) if job else ""


def ask_hub(
    verb: str, model: str, revision: str | None = None, *more: str, seconds: float = ASK_SECONDS
) -> tuple[Mapping[str, Any] | None, str]:
    """Ask a hub through the runners' library; the answer, or None and one sentence."""
    if not is_installed("huggingface_hub"):
        return None, f"huggingface_hub is not installed: {how_to_install()}"
    given = [verb, model, *(["--revision", revision] if revision else []), *more]
    answer = ask(HUB, given, seconds=seconds, offline=False)
    if answer.value is not None and answer.value.get("error"):
        return None, str(answer.value["error"])
    return answer.value, answer.why_not


def base_check(found: Base) -> Check:
    """Say what is to be downloaded, and whether the cache has room for it."""
    cache = hub.cache_folder(os.environ)
    if found.nowhere:
        return Check("base.model", Level.BLOCKING, found.nowhere)
    if found.missing is None:
        what = f"{found.model} is not in {cache}: {found.why_not}"
        counted = "the time to fetch it is not counted"
        if found.likely is not None:
            took = f"{duration(found.seconds)} at {size(RATE)}/s"
            counted = f"by its shape {size(found.likely)}, for which {took} are counted"
        return Check("fetch", Level.WARNING, f"{what}; {counted}")
    if not found.missing:
        at = f"{found.model} ({size(found.total)}) is in the cache at {found.commit[:12]}"
        if found.moved:
            return Check("fetch", Level.WARNING, f"{at}; {moved_words(found)}")
        return Check("fetch", Level.OK, at)
    free = free_bytes(cache)
    some = "" if found.missing == found.total else f" of {size(found.total)}"
    what = f"{found.model} will be fetched: {size(found.missing)}{some} into {cache}"
    if free is not None and free < found.missing:
        return Check(
            "fetch",
            Level.BLOCKING,
            f"{what}, where only {size(free)} is free: free space, or set HF_HOME to a larger "
            "volume",
        )
    took = f", about {duration(found.seconds)} at {size(RATE)}/s" if found.seconds >= 1 else ""
    return Check("fetch", Level.OK, f"{what} ({size(free)} free){took}")


def moved_words(found: Base) -> str:
    """Say that a branch is another commit by now, and how to take it."""
    return (
        f"the branch is now at {found.moved[:12]}, and this experiment keeps {found.commit[:12]}: "
        "set base.revision to one of them"
    )
