"""Examines the machine for ``tuilab doctor``: each look is a function, each finding a sentence."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuilab.cli.doctor.config_fit import machine_checks, why_no_gpu
from tuilab.cli.doctor.devices import findings_on_devices, look_at_driver
from tuilab.cli.doctor.folders import (
    Survival,
    existing,
    folders_of,
    free_bytes,
    in_container,
    why_not_writable,
)
from tuilab.cli.runner_programs import HUB, ProgramAnswer, ask, is_installed
from tuilab.contract import hub
from tuilab.contract.identity import is_alive, mark_of, read_stat
from tuilab.engine.host.model_hub import is_answered
from tuilab.engine.node_probe import version_of
from tuilab.grid.checks import Check, Level, inode_check
from tuilab.grid.text import list_of, size
from tuilab.store.layout import Layout
from tuilab.store.live_attempts import who_holds
from tuilab.store.volume import free_inodes, weigh

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig

_APP_LIBRARIES = ("textual", "pydantic", "typer", "psutil", "pandas")
_TOKENS = {"HF_TOKEN": "gated models", "WANDB_API_KEY": "the wandb tracker"}
_LOW_DISK = 5e9


def examine(
    root: Path, with_probe: bool = True, config: ExperimentConfig | None = None
) -> Iterator[Check]:
    """Yield all findings; ``config`` is what is to run.

    What is known at once comes first. The runners import torch and more to say what works: they
    are asked meanwhile, in a process of their own.
    """
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, "runners.probe", seconds=120) if with_probe else None
        yield from _python()
        yield from findings_on_app()
        yield from _disk(root)
        yield from findings_on_requests(root)
        yield from _tokens(os.environ)
        yield from _strays()
        yield from _terminal(os.environ)
        yield from _hub() if with_probe else ()
        answer = asked.result() if asked else ProgramAnswer(None, "not asked")
    yield from findings_on_libraries(answer)
    wants_gpu = config is None or bool(why_no_gpu(config))
    yield from findings_on_devices(answer, look_at_driver(), in_container(), wants_gpu)
    yield from machine_checks(config) if config is not None else ()


def _python() -> Iterator[Check]:
    fine = sys.version_info >= (3, 11)
    now = ".".join(map(str, sys.version_info[:3]))
    yield Check(
        "python",
        Level.OK if fine else Level.BLOCKING,
        f"Python {now}" if fine else f"Python {now} is too old: tuilab needs 3.11 or newer",
    )
    if not Path("/proc/self/stat").exists():
        yield Check("proc", Level.BLOCKING, "no /proc: the engine needs Linux")


def findings_on_app() -> Iterator[Check]:
    """Judge the app's own libraries."""
    found = {name: version_of(name) for name in _APP_LIBRARIES}
    missing = [name for name, number in found.items() if number is None]
    words = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    yield Check("app", Level.BLOCKING if missing else Level.OK, words)
    if missing:
        yield Check("app", Level.BLOCKING, f"{', '.join(missing)} missing: reinstall tuilab")


def findings_on_libraries(answer: ProgramAnswer) -> Iterator[Check]:
    """Judge the libraries that the runners imported."""
    if answer.value is None:
        yield Check("runners", Level.WARNING, f"runners do not work here: {answer.why_not}")
        return
    libraries: Mapping[str, Any] = answer.value.get("libraries") or {}
    words = ", ".join(f"{name} {number or 'missing'}" for name, number in libraries.items())
    lacking = [name for name in ("torch", "transformers", "peft") if not libraries.get(name)]
    yield Check("runners", Level.BLOCKING if lacking else Level.OK, words or "no versions given")
    for problem in answer.value.get("problems") or ():
        yield Check("runners", Level.WARNING, str(problem))


def _disk(root: Path) -> Iterator[Check]:
    for folder in folders_of(root):
        gone = folder.survival in (Survival.WIPED, Survival.MEMORY)
        yield Check("disk", Level.WARNING if gone else Level.OK, folder.sentence)
    free = folders_of(root)[0].free
    if free is not None:
        yield Check(
            "disk",
            Level.OK if free > _LOW_DISK else Level.WARNING,
            f"{size(free)} free for experiments in {root}",
        )
    yield from inode_check(0, free_inodes(existing(root)))
    if why := why_not_writable(root):
        yield Check("disk", Level.BLOCKING, why)
    yield from findings_on_cache(os.environ)


def findings_on_cache(environment: Mapping[str, str]) -> Iterator[Check]:
    """Say what the model cache holds and whether more fits: its volume is often another."""
    cache, models = hub.cache_folder(environment), hub.models_in_cache(environment)
    shown = list_of(models, 6) or "no model"
    free = free_bytes(cache)
    there = f"{cache}: {shown}, {size(weigh(cache.resolve()).bytes)}; {size(free)} free for more"
    is_low = free is not None and free < _LOW_DISK
    yield Check("cache", Level.WARNING if is_low else Level.OK, there)
    if why := why_not_writable(cache):
        yield Check("cache", Level.WARNING, f"{why}: set HF_HOME to a folder that takes models")


def findings_on_requests(root: Path) -> Iterator[Check]:
    """Tell when others may leave requests, which the engine obeys as its owner's.

    Or put a link in the place of a file that the engine writes.
    """
    means = {Layout(root).requests: "commands the engine", root: "decides where the engine writes"}
    for folder, so in means.items():
        try:
            mode = stat.S_IMODE(folder.stat().st_mode)
        except OSError:
            continue
        if mode & 0o022 and (folder != root or Layout(root).plan.is_file()):
            yield Check(
                "requests",
                Level.WARNING,
                f"{folder} may be written by others (mode {mode:o}): who can leave a file there "
                f"{so}; `chmod go-w {shlex.quote(str(folder))}` keeps it to you",
            )


def _tokens(environment: Mapping[str, str]) -> Iterator[Check]:
    for name, purpose in _TOKENS.items():
        there = bool(environment.get(name))
        yield Check("token", Level.OK, f"{name} is {'set' if there else 'not set'} (for {purpose})")
    if (stored := hub.hub_home(os.environ) / "token").is_file():
        yield Check("token", Level.OK, f"a hub login is stored in {stored}")
    if not is_installed("wandb"):
        yield Check(
            "tracker", Level.OK, 'wandb is not installed (only needed for tracker.kind = "wandb")'
        )


def _hub() -> Iterator[Check]:
    """Try the hub once, and say who is logged in: the name, never the token."""
    address = hub.endpoint(os.environ)
    if os.environ.get("HF_HUB_OFFLINE"):
        yield Check("hub", Level.OK, f"{address} is not asked: HF_HUB_OFFLINE is set")
        return
    if not is_answered(address):
        yield Check(
            "hub",
            Level.WARNING,
            f"{address} does not answer: bases that are not in the cache cannot be fetched "
            "(network, proxy, HF_ENDPOINT)",
        )
        return
    yield Check("hub", Level.OK, f"{address} answers")
    told = ask(HUB, ["login"], seconds=30, offline=False)
    value = told.value or {}
    if why := value.get("error") or told.why_not:
        yield Check("login", Level.WARNING, str(why))
    elif value.get("name"):
        yield Check("login", Level.OK, f"logged in as {value['name']} (by {value['source']})")
    else:
        yield Check("login", Level.OK, "not logged in: only public models (`hf auth login`)")


def _strays() -> Iterator[Check]:
    found = find_strays()
    for stray in found:
        yield Check("stray", Level.WARNING, stray)
    if not found:
        yield Check("stray", Level.OK, "no processes left over from dead workers")


def _terminal(environment: Mapping[str, str]) -> Iterator[Check]:
    term = environment.get("TERM", "")
    if term in ("", "dumb"):
        yield Check("terminal", Level.WARNING, f"TERM is {term or 'not set'}: plain text only")
    if environment.get("TMUX"):
        yield Check(
            "terminal",
            Level.WARNING,
            "inside tmux, copying needs `set -g set-clipboard on` in ~/.tmux.conf",
        )
    encoding = (sys.stdout.encoding or "").lower()
    if "utf" not in encoding:
        yield Check("terminal", Level.WARNING, f"stdout is {encoding or 'unknown'}: use --ascii")


def find_strays() -> list[str]:
    """Return a sentence for each process that a dead worker left behind."""
    found = []
    for pid in (int(folder.name) for folder in Path("/proc").glob("[0-9]*")):
        mark, stat = mark_of(pid), read_stat(pid)
        if mark is None or stat is None or stat[0] in "ZX":
            continue
        worker = mark.worker
        shim = who_holds(Path(worker), mark.experiment)
        if shim is None or shim.pid == pid or is_alive(shim) is not False:
            continue
        found.append(f"pid {pid} belongs to the dead worker {worker}: end it with `kill {pid}`")
    return found
