"""Names the closed list of failure reasons, and decides which one the evidence speaks for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """Why an attempt failed; the same word on disk, in the CLI and on the screen."""

    GPU_OOM = "gpu-oom"
    HOST_OOM = "host-oom"
    DISK_FULL = "disk-full"
    GPU_HELD = "gpu-held"
    NAN_LOSS = "nan-loss"
    DATA_MISMATCH = "data-mismatch"
    ADAPTER_MISMATCH = "adapter-mismatch"
    MERGE_EMPTY = "merge-empty"
    VLLM_INIT = "vllm-init"
    AUTH = "auth"
    HUB = "hub"
    TIMEOUT = "timeout"
    PREEMPTED = "preempted"
    STALLED = "stalled"
    KILLED = "killed"
    UPSTREAM = "upstream"
    CONFIG = "config"
    CODE = "code"
    UNKNOWN = "unknown"


NEXT_ACTION: Mapping[str, str] = {
    Reason.GPU_OOM: "lower the batch size or the sampler's memory share, then relaunch",
    Reason.HOST_OOM: "lower the number of workers or the eval batch size, then relaunch",
    Reason.DISK_FULL: "free space (tuilab gc --dry-run lists leftovers), then relaunch",
    Reason.GPU_HELD: "end the process that holds the GPU (tuilab doctor names it), then relaunch",
    Reason.NAN_LOSS: "lower the learning rate (convergence.lr, marker.lr, trait.lr), then relaunch",
    Reason.DATA_MISMATCH: "read what does not match; --from data makes the rows again",
    Reason.ADAPTER_MISMATCH: "redo from train: the adapter is not the planned one",
    Reason.MERGE_EMPTY: "redo from train: the adapter changes nothing",
    Reason.VLLM_INIT: "run tuilab doctor: vLLM did not start",
    Reason.AUTH: "set HF_TOKEN (or WANDB_API_KEY) in the engine's environment",
    Reason.HUB: "wait: the grid tries again when the model hub answers; tuilab doctor tries it now",
    Reason.TIMEOUT: "raise the time limit or look at the log, then relaunch",
    Reason.PREEMPTED: "nothing: it resumes from its saved state on the next worker",
    Reason.STALLED: "look at the last log line, stop the job, then relaunch",
    Reason.KILLED: "relaunch; if it is killed again, find out what sends the signal",
    Reason.UPSTREAM: "relaunch the stage it depends on",
    Reason.CONFIG: "fix the config file and run tuilab plan",
    Reason.CODE: "read the log: the runner's code raised an error",
    Reason.UNKNOWN: "read the log",
}

_LOG_SIGNS = (
    (Reason.GPU_OOM, r"CUDA out of memory|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED"),
    (Reason.DISK_FULL, r"No space left on device|Disk quota exceeded|ENOSPC|EDQUOT"),
    (Reason.HOST_OOM, r"\bMemoryError\b|Cannot allocate memory|std::bad_alloc"),
    (Reason.AUTH, r"401 Client Error|403 Client Error|GatedRepoError|Invalid user token"),
    (Reason.VLLM_INIT, r"Engine core initialization failed|EngineCore.*failed to start"),
    (Reason.CODE, r"^Traceback \(most recent call last\)|^\w*(Error|Exception): "),
)


def from_log(last_lines: Sequence[str]) -> tuple[Reason, str]:
    """Return the reason the last log lines speak for, and the line that says so ("" if none)."""
    for reason, sign in _LOG_SIGNS:
        for line in reversed(last_lines):
            if re.search(sign, line, re.IGNORECASE):
                return reason, line.strip()
    return Reason.UNKNOWN, next((line.strip() for line in reversed(last_lines) if line.strip()), "")


def from_exit(
    exit_code: int | None, last_lines: Sequence[str], oom_kills: int = 0
) -> tuple[Reason, str]:
    """Classify an attempt that left no outcome: exit signal first, then the log's last lines.

    ``exit_code`` follows the shell: 128 + signal for a death by signal. ``oom_kills`` is how far
    the cgroup's oom_kill counter rose while the process lived.
    """
    if exit_code in (137, -9) and oom_kills > 0:
        return Reason.HOST_OOM, "killed by the kernel: the container ran out of memory (exit 137)"
    reason, line = from_log(last_lines)
    if reason not in (Reason.UNKNOWN, Reason.CODE):
        return reason, line
    if exit_code is not None and (exit_code > 128 or exit_code < 0):
        number = exit_code - 128 if exit_code > 128 else -exit_code
        return Reason.KILLED, f"killed by signal {number} (exit {exit_code})"
    return reason, line


class Death(NamedTuple):
    """How an attempt ended that left no outcome."""

    is_lost: bool
    """Nothing says that it failed: its worker was taken from it. False: it failed."""
    reason: Reason | None
    """None when it was never begun."""
    detail: str


@dataclass(frozen=True, slots=True)
class Exit:
    """How a worker ended."""

    exit_code: int | None = None
    """As a shell gives it; None when nobody recorded it."""
    oom_kills: int = 0
    """How far the cgroup's counter rose while it lived."""
    disk_free: int | None = None
    """Bytes free at that moment."""
    away: str = ""
    """Why its folder could not be reached at that moment ("" = it could)."""
    why: str = ""
    """Why nobody recorded it: its shim was killed, the machine restarted, it never came up."""


FULL_BYTES = 1024 * 1024
"""Below so much free space a worker's unexplained end is put down to the full disk."""
SILENT_SECONDS = 600.0
"""Silence after which an attempt on another host counts as lost."""
SILENT = Death(
    True,
    Reason.UNKNOWN,
    "no sign of the host that ran it; it counts as running again once it writes",
)
"""What such an attempt has come to: it may still run where nobody can look."""


_AWAY = re.compile(r"Stale file handle|Transport endpoint is not connected")


def without_outcome(end: Exit, last_lines: Sequence[str], full: str = "") -> Death:
    """Say how an attempt ended that was begun and left no outcome when its worker was gone.

    ``last_lines`` are those of its log; ``full`` says why the disk is believed to have been full.
    """
    if end.exit_code is None:
        return Death(True, Reason.KILLED, end.why)
    reason, detail = from_exit(end.exit_code, last_lines, end.oom_kills)
    said = _AWAY.search("\n".join(last_lines))
    away = end.away or (said[0] if said else "")
    if away and reason in (Reason.UNKNOWN, Reason.CODE):
        detail = f"its folder could not be reached ({away}): the volume was away or its mount stale"
        return Death(True, Reason.KILLED, detail)
    if end.disk_free is not None and end.disk_free < FULL_BYTES:
        full = f"the disk was full when it ended ({end.disk_free} bytes free)"
    if full and reason in (Reason.UNKNOWN, Reason.CODE):
        return Death(False, Reason.DISK_FULL, full)
    if end.exit_code == 0 and reason is Reason.UNKNOWN:
        left = "the worker left in good order, but without an outcome for this attempt"
        return Death(True, Reason.KILLED, left)
    if reason is Reason.UNKNOWN:
        detail = f"exit code {end.exit_code} without an outcome; last line: {detail}"
    return Death(False, reason, detail)


GOES_ON = "the next attempt resumes from its saved state"


def preempted(has_saved: bool) -> Death:
    """Say how an attempt ended whose place took the worker away: a wall time, a dearer job."""
    what = GOES_ON if has_saved else "it had saved nothing to resume from"
    return Death(True, Reason.PREEMPTED, f"its place took the worker away: {what}")


def never_begun(end: Exit | None, last_lines: Sequence[str], is_first: bool) -> Death:
    """Say how an attempt ended whose worker was gone before it began it.

    ``last_lines`` are those of the worker's log; ``is_first``: the worker began nothing, this was
    to be the first, and nobody had asked it to end. If it fell then, that is charged to the first.
    """
    if end is None or end.exit_code in (None, 0) or not is_first:
        return Death(True, None, "never started: its worker ended first")
    reason, line = from_exit(end.exit_code, last_lines, end.oom_kills)
    if reason is Reason.KILLED:
        return Death(False, reason, f"{line} before it started")
    how = f"its worker ended before it started (exit {end.exit_code})"
    return Death(False, reason, f"{how}: {line}")


def stalled(last_lines: Sequence[str]) -> Death:
    """Say how an attempt ended that the stall watchdog ended."""
    detail = f"no event for the time allowed; last line: {last_line(last_lines)}"
    return Death(False, Reason.STALLED, detail)


def last_line(lines: Sequence[str]) -> str:
    """Return the last line of a log that says anything."""
    return next((line.strip() for line in reversed(lines) if line.strip()), "(the log is empty)")
