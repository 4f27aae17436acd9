"""Judges a place where workers are to run, by one that was sent there: ``tuilab doctor --on``."""

from __future__ import annotations

import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tuilab import __version__
from tuilab.cli.errors import USAGE, RefusalError
from tuilab.contract import hub
from tuilab.engine.decide.phase import Opinion, Word
from tuilab.engine.decide.workers import why_too_short
from tuilab.engine.host.local import Local
from tuilab.engine.host.ray import Ray
from tuilab.engine.host.remote import RefusedError, Remote, UnreachableError
from tuilab.engine.host.slurm import Slurm
from tuilab.engine.places import place_for
from tuilab.engine.try_place import PlaceTrial, try_place
from tuilab.grid.checks import Check, Level
from tuilab.grid.text import duration, list_of, size

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig

SLOW_SECONDS = 5.0
"""A file that takes longer to be seen slows every job down."""
CLOCK_SECONDS = 60.0
_LOOPBACK = ("127.", "localhost", "::1")
_ASK_SECONDS = 3.0


def examine_place(
    on: str,
    root: Path,
    config: ExperimentConfig | None,
    patience: float,
    say: Callable[[Opinion], None],
) -> list[Check]:
    """Send one worker to a place and return what is found; RefusalError for no such place."""
    resources = config.resources.model_dump(mode="json") if config is not None else {}
    try:
        place = place_for(resources, "", on)
    except ValueError as error:
        raise RefusalError(str(error), USAGE) from error
    if isinstance(place, Local):
        raise RefusalError("local is this machine: tuilab doctor looks at it", USAGE)
    trial = try_place(place, root, patience, say)
    is_silent = trial.answer is None and not trial.has_lease
    if is_silent and isinstance(place, Remote) and place.trouble:
        return [Check("place", Level.BLOCKING, f"{place.trouble}: nothing is known of the worker")]
    wants_gpu = config is None or config.base.device != "cpu"
    scheduler = place.scheduler if isinstance(place, Remote) else None
    found = list(findings_on_place(trial, place.name, root, wants_gpu))
    if trial.answer is not None:
        found += findings_on_models(trial.answer, hub.models_in_cache(os.environ))
    if isinstance(scheduler, Slurm) and trial.opinion.word is not Word.UNREACHABLE:
        found += _on_slurm(scheduler)
    if isinstance(scheduler, Ray):
        found += findings_on_port(scheduler.address, is_open)
    return found


def findings_on_place(
    trial: PlaceTrial, name: str, root: Path, wants_gpu: bool = True
) -> Iterator[Check]:
    """Judge what became of a worker that was sent to the place of this ``name``."""
    if why := why_too_short(trial.opinion.wall_seconds):
        yield Check("time", Level.BLOCKING, why)
    if trial.answer is None:
        yield _why_silent(trial, name, root)
        return
    answer = trial.answer
    host = str(answer.get("host") or "a machine")
    yield Check("place", Level.OK, f"{name} started a worker on {host} in {trial.seconds:.0f} s")
    yield from _on_programs(answer, host)
    yield from _on_gpus(answer.get("devices") or (), host, name, wants_gpu)
    yield from _on_volume(trial, answer, host, root)


def _why_silent(trial: PlaceTrial, name: str, root: Path) -> Check:
    word, why = trial.opinion.word, trial.opinion.why
    if word is Word.UNREACHABLE or trial.opinion.is_refused:
        return Check("place", Level.BLOCKING, why or f"{name} does not answer")
    waited = duration(trial.seconds)
    if word is Word.WAITING and not trial.has_lease:
        said = f"the worker waits in {name} since {waited} ({why or 'no reason given'})"
        return Check("place", Level.WARNING, f"{said}: nothing else was tried; --wait is longer")
    if trial.said:
        return Check(
            "place",
            Level.BLOCKING,
            f"the worker failed: {trial.said}. It is started with {sys.executable} after the "
            "setup of the config, and both must work on every machine",
        )
    if trial.has_lease:
        return Check(
            "place", Level.BLOCKING, f"the worker started, but said nothing within {waited}"
        )
    ended = f" ({why})" if why else ""
    return Check(
        "volume",
        Level.BLOCKING,
        f"{name} started the worker{ended} and no file of it is seen in {root.absolute()}: that "
        f"folder, and {sys.executable}, must be the same ones on every machine",
    )


def _on_programs(answer: Mapping[str, Any], host: str) -> Iterator[Check]:
    theirs = answer.get("tuilab")
    if theirs != __version__:
        yield Check("python", Level.BLOCKING, f"{host} has tuilab {theirs}, here is {__version__}")
    libraries: Mapping[str, Any] = answer.get("libraries") or {}
    told = ", ".join(f"{name} {number or 'missing'}" for name, number in libraries.items())
    lacking = [name for name in ("torch", "transformers", "peft") if not libraries.get(name)]
    level = Level.BLOCKING if lacking else Level.OK
    python = f"{answer.get('python')} ({answer.get('python_version')})"
    yield Check("python", level, f"{host} runs {python}: {told}")


def _on_gpus(
    devices: Sequence[Mapping[str, Any]], host: str, name: str, wants_gpu: bool
) -> Iterator[Check]:
    if devices:
        named = [f"{one.get('name')} ({size(one.get('memory_total'))})" for one in devices]
        yield Check("gpu", Level.OK, f"{host} has {list_of(named, 8)}")
    elif wants_gpu:
        ask = {"Slurm": 'resources.slurm.options = ["--gres=gpu:1"]', "Ray": "resources.ray.gpus"}
        hint = f": ask for one with {ask[name]}" if name in ask else ""
        yield Check("gpu", Level.BLOCKING, f"the worker on {host} has no GPU{hint}")


def _on_volume(
    trial: PlaceTrial, answer: Mapping[str, Any], host: str, root: Path
) -> Iterator[Check]:
    ways = (
        (answer.get("seen_after"), f"a file made here is seen on {host}"),
        (trial.listed_after, f"a file made on {host} is listed here"),
    )
    for seconds, what in ways:
        if not isinstance(seconds, int | float):
            said = f"{what.replace(' is ', ' is never ')}: the mount is stale or caches listings"
            yield Check("volume", Level.BLOCKING, f"{said}; mount {root.absolute()} again")
        elif seconds > SLOW_SECONDS:
            yield Check("volume", Level.WARNING, f"{what} after {duration(seconds)}")
        else:
            yield Check("volume", Level.OK, f"{what} after {seconds:.1f} s")
    for key, what in (("excludes", "exclusive creation"), ("renames", "renaming")):
        if answer.get(key) is False:
            why = f"the volume does no {what} on {host}: two workers could take one job"
            yield Check("volume", Level.BLOCKING, why)
    if answer.get("links") is False:
        yield Check("volume", Level.OK, f"no hard links on {host}: files are created instead")
    if abs(trial.clock_apart) > CLOCK_SECONDS:
        apart = duration(abs(trial.clock_apart))
        which = "ahead" if trial.clock_apart > 0 else "behind"
        said = f"the clock of {host} is {apart} {which}: its times are shown like that"
        yield Check("clock", Level.WARNING, said)


def findings_on_models(answer: Mapping[str, Any], models: Sequence[str]) -> Iterator[Check]:
    """Say whether a node finds the ``models`` that are fetched here, or fetches its own copies."""
    theirs = answer.get("models") or ()
    lacking = [model for model in models if model not in theirs]
    if not lacking:
        return
    said = f"{answer.get('host')} keeps models in {answer.get('cache')}, where "
    said += f"{list_of(lacking, 3)} is not"
    if answer.get("hub"):
        how = "each machine fetches its own copy; HF_HOME on the shared volume saves that"
        yield Check("cache", Level.WARNING, f"{said}: {how}")
    else:
        how = "it does not reach the hub: set HF_HOME to a folder on the shared volume"
        yield Check("cache", Level.BLOCKING, f"{said}, and {how}")


def _on_slurm(slurm: Slurm) -> Iterator[Check]:
    try:
        told = slurm.settings()
    except (UnreachableError, RefusedError) as error:
        yield Check("slurm", Level.WARNING, f"its settings are not known: {error}")
        return
    shown = ("SlurmdTimeout", "KillWait", "MinJobAge", "ProctrackType")
    yield Check("slurm", Level.OK, ", ".join(f"{name} {told.get(name, '?')}" for name in shown))


def findings_on_port(address: str, asks: Callable[[str], bool]) -> Iterator[Check]:
    """Say where Ray's jobs can be made by whoever reaches a port; ``asks`` tries an address."""
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or 8265
    outside = _own_addresses() if host.startswith(_LOOPBACK) else [host]
    reached = next((there for one in outside if asks(there := f"http://{one}:{port}")), "")
    if reached:
        yield Check(
            "port",
            Level.WARNING,
            f"{reached} takes jobs from whoever reaches it, and a job is any "
            "command: keep it behind a firewall, or listen on 127.0.0.1 and use an ssh tunnel",
        )
    else:
        yield Check("port", Level.OK, f"{address} is not open to the network of this machine")


def is_open(address: str) -> bool:
    """Whether somebody without a password gets Ray's list of jobs."""
    try:
        with urllib.request.urlopen(f"{address}/api/jobs/", timeout=_ASK_SECONDS) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError, urllib.error.URLError):
        return False


def _own_addresses() -> list[str]:
    """The IPv4 addresses by which others reach this machine; its name often leads to 127.0.1.1."""
    try:
        routes = Path("/proc/net/fib_trie").read_text()
    except OSError:
        return []
    found = dict.fromkeys(re.findall(r"\|-- (\S+)\s+/32 host LOCAL", routes))
    return [one for one in found if not one.startswith(_LOOPBACK)]
