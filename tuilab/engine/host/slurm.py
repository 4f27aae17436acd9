"""Runs workers as Slurm jobs, by its own three commands; a job's name is its worker's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tuilab.contract.worker import LOG_FILE
from tuilab.engine.decide.phase import Opinion, Word
from tuilab.engine.host.remote import (
    FENCE_SECONDS,
    RefusedError,
    UnreachableError,
    read_options,
    script,
)

OPTIONS: Mapping[str, Any] = {
    "options": [], "setup": "", "look_seconds": 30.0, "fence_seconds": FENCE_SECONDS,
}  # fmt: skip
"""Those of ``[resources.slurm]``, with their defaults."""
PATIENCE = 60.0
"""Seconds that one of its commands may take; they wait long for a controller that is away."""
WARNING_SECONDS = 120
"""Between Slurm's word that the wall time is nearly over and its end."""
_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "SHELL", "SLURM_CONF", "SLURM_CLUSTERS")
"""Slurm's commands see no more of the environment: what goes along lies readable in its state, and
what a runner needs is in command.json."""
_WAITING = frozenset(
    {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"}
)
"""CONFIGURING: its nodes are booting, which may take longer than the start of a shim."""
_RUNNING = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING"})
_AWAY = ("Unable to contact", "Connection", "timed out", "Transport", "communication", "Zero Bytes")


class Slurm:
    """The body of ``Scheduler`` over sbatch, squeue and scancel."""

    name = "Slurm"

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Raise ValueError for options that it does not know."""
        given = read_options("slurm", options, OPTIONS)
        self.look_seconds = float(given["look_seconds"])
        self.fence_seconds = float(given["fence_seconds"])
        self.setup = given["setup"]
        self.options = tuple(map(str, given["options"]))

    def look(self, workers: Collection[str]) -> Mapping[str, Opinion]:
        """One squeue call; jobs that ended minutes ago are still in it (MinJobAge)."""
        form = "%j|%T|%r|%B|%L|%l"
        text = _call(
            ["squeue", "--noheader", "--states=all", f"--name={','.join(workers)}", "-o", form]
        )
        found: dict[str, Opinion] = {}
        for line in text.splitlines():
            name, *told = line.strip().split("|")
            if name in workers and len(told) == 5:
                opinion = _opinion(*told)
                if name not in found or opinion.word is not Word.ENDED:
                    found[name] = opinion
        return found

    def submit(self, folder: Path) -> None:
        """One sbatch call; ``--no-requeue``: a second start would find the lease taken.

        ``--export=ALL`` is the little of ``_KEPT``. A list of names there would have the node run
        the login profile first, which may take minutes, and then counts as a failed node.
        """
        command = [
            "sbatch", "--parsable", f"--job-name={folder.name}", "--no-requeue",
            "--open-mode=append", f"--output={folder / LOG_FILE}", "--export=ALL",
            f"--signal=B:TERM@{WARNING_SECONDS}", *self.options,
        ]  # fmt: skip
        _call(command, f"#!/bin/sh\n{script(folder, self.setup)}")

    def cancel(self, workers: Collection[str], force: bool) -> None:
        """One scancel call; ``force`` kills the shim as well."""
        hard = ["--full", "--signal=KILL"] if force else ["--state=PENDING"]
        names = [f"--jobname={','.join(workers)}"]
        for extra in (hard, []) if force else (hard,):
            _call(["scancel", "--quiet", *names, *extra])

    def settings(self) -> Mapping[str, str]:
        """Return what the site has set, such as SlurmdTimeout; UnreachableError."""
        pairs = (line.partition("=") for line in _call(["scontrol", "show", "config"]).splitlines())
        return {name.strip(): value.strip() for name, sign, value in pairs if sign}


def _opinion(state: str, reason: str, host: str, left: str, limit: str) -> Opinion:
    if state in _WAITING:
        silent = "" if state == "PENDING" else state
        why = silent if reason == "None" else reason
        return Opinion(Word.WAITING, why, wall_seconds=seconds_in(limit))
    where = "" if host in ("n/a", "") else host
    if state in _RUNNING:
        return Opinion(
            Word.RUNNING, host=where, seconds_left=seconds_in(left), wall_seconds=seconds_in(limit)
        )
    return Opinion(Word.ENDED, f"Slurm says {state}", host=where)


def seconds_in(left: str) -> float | None:
    """Return the seconds of Slurm's ``days-hours:minutes:seconds``; None where there is no end."""
    days, _, clock = left.rpartition("-")
    parts = clock.split(":")
    if not all(part.isdecimal() for part in parts) or (days and not days.isdecimal()):
        return None
    seconds = 0
    for part in parts:
        seconds = 60 * seconds + int(part)
    return float(seconds + 86400 * int(days or 0))


def _call(command: list[str], text: str | None = None) -> str:
    """Return what a command of Slurm prints; nothing of ours is in its environment."""
    try:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
        )
    except FileNotFoundError as error:
        raise UnreachableError(f"{command[0]} is not installed here") from error
    except subprocess.TimeoutExpired as error:
        raise UnreachableError(f"{command[0]} took more than {PATIENCE:.0f} s") from error
    said = " ".join(done.stderr.split())
    if done.returncode == 0:
        return done.stdout
    if any(sign.lower() in said.lower() for sign in _AWAY) or command[0] != "sbatch":
        raise UnreachableError(said or f"{command[0]} gave {done.returncode}")
    raise RefusedError(said)
