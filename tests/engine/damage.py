"""A seeded fuzzer of state files: damages a grid's files, starts an engine, and judges the rest."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.ending import processes_of
from tests.engine.trials import Trial
from tuilab.grid.jobs import Plan, ancestors
from tuilab.grid.states import State
from tuilab.store.journal import follow
from tuilab.store.layout import Layout
from tuilab.store.plan_file import PlanFileError, load_plan
from tuilab.store.quarantine import quarantined
from tuilab.store.reader import Reader
from tuilab.store.settlement import settlement
from tuilab.store.status import status

OF_A_GRID = ("journal.jsonl", "folded.bin", "engine.json", "engine.lock", "plan.json",
             "deviations.json", "requests", "workers")  # fmt: skip
OF_AN_ATTEMPT = ("outcome.json", "spec.json", "claim.json", "events.jsonl", "log.txt", "stop.json")
OF_A_WORKER = ("lease.json", "exit.json", "command.json", "stop.json", "inbox", "log.txt",
               "inbox/000001.json")  # fmt: skip
ODD = [float("nan"), float("inf"), -1, 10**400, "fast", "", None, True, [], {}, {"a": [1]}, 1e308]
HANGS = 30.0
"""Seconds after which an engine that still runs counts as hung; one on an idle machine needs 1."""


@dataclass
class Tally:
    """What a fuzz came to."""

    seed: int
    damaged: int = 0
    engines: int = 0
    refused: int = 0
    """Engines that did not start, with a sentence."""
    kinds: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """Tracebacks, hung engines and false states."""

    def __str__(self) -> str:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(self.kinds.items()))
        return (
            f"seed {self.seed}: {self.damaged} files damaged ({kinds}), {self.engines} engine "
            f"starts, {self.refused} refused in a sentence, {len(self.wrong)} wrong"
        )


def fuzz(grid: Trial, seed: int, files: int, at_once: int = 8) -> Tally:
    """Damage ``files`` files of copies of a finished grid, ``at_once`` in each; judge each copy.

    Half of the copies have a journal that settled nothing, so that the engine must read it all.
    """
    chance, tally = random.Random(seed), Tally(seed)
    before = grid.layout.root.with_name("template")
    shutil.move(grid.layout.root, before)
    while tally.damaged < files:
        shutil.copytree(before, grid.layout.root, symlinks=True)
        if chance.random() < 0.5:
            _unsettle(grid.layout)
        touched = _damage(grid.layout, chance, tally, at_once)
        _judge(grid, touched, tally)
        grid.end()
        shutil.rmtree(grid.layout.root)
    return tally


def _unsettle(layout: Layout) -> None:
    lines = layout.journal.read_text().splitlines(keepends=True)
    layout.journal.write_text("".join(line for line in lines if '"settled"' not in line))


def _damage(layout: Layout, chance: random.Random, tally: Tally, number: int) -> set[Path]:
    attempts = sorted(layout.jobs.glob("**/attempt-*"))
    workers = sorted(layout.workers.iterdir())
    touched = set()
    for _ in range(number):
        where = chance.random()
        if where < 0.6:
            path = chance.choice(attempts) / chance.choice(OF_AN_ATTEMPT)
        elif where < 0.75:
            path = chance.choice(workers) / chance.choice(OF_A_WORKER)
        elif where < 0.85:
            path = layout.requests / f"{chance.randrange(10**9):017d}-1-x.json"
            shown = {"schema": 1, "verb": "run", "cells": [], "options": {}, "at": 1.0}
            if layout.requests.is_dir():
                path.write_text(json.dumps(shown))
        else:
            path = layout.root / chance.choice(OF_A_GRID)
        kind = chance.choice(sorted(DAMAGE))
        try:
            touched |= DAMAGE[kind](path, chance, attempts) or set()
        except (OSError, RuntimeError):
            continue  # an earlier damage has taken the place
        tally.damaged += 1
        tally.kinds[kind] += 1
        touched.add(path)
    return touched


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _written(path: Path, content: bytes) -> None:
    _clear(path)
    path.write_bytes(content)


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b'{"schema": 1}'


def _type_change(path: Path, chance: random.Random, _: list[Path]) -> None:
    """Give one value somewhere in the file another type, or a number that is none."""
    lines = _bytes(path).splitlines() or [b"{}"]
    is_lines = path.suffix == ".jsonl"
    place = chance.randrange(len(lines)) if is_lines else 0
    try:
        value = json.loads(lines[place] if is_lines else b"\n".join(lines))
    except ValueError:
        value = {}
    spot: Any = value
    while isinstance(spot, dict | list) and spot:
        key: Any = chance.choice(sorted(spot) if isinstance(spot, dict) else range(len(spot)))
        if not isinstance(spot[key], dict | list) or not spot[key] or chance.random() < 0.3:
            spot[key] = chance.choice(ODD)
            break
        spot = spot[key]
    text = json.dumps(value).encode()
    lines[place] = text
    _written(path, b"\n".join(lines) + b"\n" if is_lines else text)


def _truncated(path: Path, chance: random.Random, _: list[Path]) -> None:
    content = _bytes(path)
    _written(path, content[: chance.randrange(len(content) + 1)])


def _garbage(path: Path, chance: random.Random, _: list[Path]) -> None:
    kinds = (b"", b"\0" * 200, chance.randbytes(300), b"[" * 5000, b"null", b"[]", b"{}", b"1e999")
    _written(path, chance.choice(kinds))


def _swapped(path: Path, chance: random.Random, attempts: list[Path]) -> set[Path]:
    other = chance.choice(attempts) / path.name
    if not (path.is_file() and other.is_file() and other != path):
        raise FileNotFoundError
    mine, theirs = path.read_bytes(), other.read_bytes()
    _written(path, theirs)
    _written(other, mine)
    return {other}


def _folder(path: Path, chance: random.Random, _: list[Path]) -> None:
    _clear(path)
    path.mkdir()


def _pipe(path: Path, chance: random.Random, _: list[Path]) -> None:
    _clear(path)
    os.mkfifo(path)


def _device(path: Path, chance: random.Random, _: list[Path]) -> None:
    _clear(path)
    path.symlink_to(chance.choice(["/dev/zero", "/dev/tty", "/dev/full"]))


def _loop(path: Path, chance: random.Random, _: list[Path]) -> None:
    _clear(path)
    path.symlink_to(path.name)


DAMAGE: dict[str, Callable[[Path, random.Random, list[Path]], set[Path] | None]] = {
    "type changes": _type_change,
    "truncated": _truncated,
    "garbage": _garbage,
    "swapped": _swapped,
    "folders": _folder,
    "pipes": _pipe,
    "devices": _device,
    "link loops": _loop,
}


def _judge(grid: Trial, touched: set[Path], tally: Tally) -> None:
    """Start an engine on the damaged grid and add what is wrong with what it comes to."""
    what = ", ".join(sorted(str(path.relative_to(grid.layout.root)) for path in touched))
    log = grid.layout.engine_log
    if log.exists():
        log.unlink()
    engine = grid.start("--go")
    tally.engines += 1
    deadline = time.monotonic() + HANGS
    while engine.poll() is None and not _is_paused(grid.layout) and time.monotonic() < deadline:
        _look(grid.layout.root, what, tally)
        time.sleep(0.05)
    if engine.poll() is None and not _is_paused(grid.layout):
        tally.wrong.append(f"hung: {what}: {grid.log()[-600:]}")
    engine.kill()
    engine.wait()
    if "Traceback" in grid.log():
        tally.wrong.append(f"traceback: {what}: {grid.log()[-900:]}")
    try:
        plan = load_plan(grid.layout.root)
    except PlanFileError:
        tally.refused += 1
        return
    if engine.returncode not in (0, -9):
        tally.wrong.append(f"did not start ({engine.returncode}): {what}: {grid.log()[-300:]}")
    _look(grid.layout.root, what, tally)
    tally.wrong += [f"{state}: {what}" for state in _false_states(grid.layout, plan, touched)]


def _is_paused(layout: Layout) -> bool:
    return any(line["kind"] == "paused" for line in follow(layout).read())


def _look(root: Path, what: str, tally: Tally) -> None:
    """Read as the screen and ``status`` do; a sentence is an answer, anything else is not."""
    try:
        json.dumps(status(root), allow_nan=False)
        Reader(root).poll(time.time())
    except PlanFileError:
        return
    except Exception as error:
        tally.wrong.append(f"reading: {type(error).__name__}: {error}: {what}")


def _false_states(layout: Layout, plan: Plan, touched: set[Path]) -> list[str]:
    """Name what is shown as running without a process, done without a sound result, or not done
    although nothing of it was damaged."""
    reader = Reader(layout.root)
    reader.poll(time.time())
    put_away = {layout.root / one.was for one in quarantined(layout)}
    found = []
    for job in plan.jobs:
        status_of = reader._state.states.statuses[job.id]
        evidence = reader.of(job.id)
        folder = layout.job_dir(job.id)
        is_touched = any(folder in path.parents for path in touched | put_away)
        worker = evidence.last.worker if evidence.last is not None else ""
        if status_of.state is State.RUNNING and not processes_of(layout.worker_dir(worker)):
            found.append(f"{job.id} is shown as running")
        done = evidence.last_done
        if status_of.state is State.DONE and done is not None and not is_touched:
            said = settlement(layout, plan, job, done.number)
            if said is None or said.verdict != "done":
                found.append(f"{job.id} is shown as done: {said}")
        above = ancestors(plan, [job.id]) | {job.id}
        is_clean = not any(
            layout.job_dir(name) in path.parents for path in touched | put_away for name in above
        )
        if is_clean and status_of.state is not State.DONE:
            found.append(f"{job.id} is {status_of.state}: {status_of.detail}")
    return found
