"""Sends one worker to a place and waits for what it finds there, for ``tuilab doctor --on``."""

from __future__ import annotations

import os
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tuilab.contract import atomic
from tuilab.contract.foreign import clean_line
from tuilab.contract.parsing import read_if_sound
from tuilab.contract.tail import last_words
from tuilab.contract.worker import EXIT_FILE, LEASE_FILE, LOG_FILE, Lease, listed
from tuilab.engine.decide.phase import Opinion, Word
from tuilab.engine.host.environment import worker_environment
from tuilab.engine.host.place import Known, Place
from tuilab.engine.node_probe import ANSWER_FILE, READY_FILE, TOKEN_FILE
from tuilab.engine.shim import COMMAND_FILE, Command

LOOK = 0.2
SETTLE = 10.0
"""Seconds that a volume has to show what a worker wrote before its place said that it ended."""
GRACE = 5.0
Say = Callable[[Opinion], None]


@dataclass(frozen=True, slots=True)
class PlaceTrial:
    """What became of one worker."""

    opinion: Opinion
    """The place's last word."""
    seconds: float
    """Until its answer was here, or nobody waited any longer."""
    answer: Mapping[str, Any] | None = None
    """What ``node_probe`` found; None when it did not come."""
    listed_after: float | None = None
    """Seconds until a listing here showed what could be opened already; None: it did not."""
    clock_apart: float = 0.0
    """Seconds by which its clock is ahead of this one, less the time that its answer took."""
    has_lease: bool = False
    """The shim came up and its file is seen here."""
    said: str = ""
    """The last line of its log."""


def try_place(
    place: Place,
    root: Path,
    patience: float,
    say: Say = lambda _: None,
    python: str = sys.executable,
) -> PlaceTrial:
    """Have a probe started in a folder of its own below ``root``, and wait for its answer.

    Whatever comes of it, the probe is taken back and its folder removed. OSError where no folder
    can be made.
    """
    folder = root.absolute() / "doctor" / f"w0-{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True)
    command = Command((python, "-m", "tuilab.engine.node_probe", str(folder)), GRACE)
    atomic.write_json(folder / COMMAND_FILE, asdict(command))
    began = time.monotonic()
    try:
        place.submit(folder, worker_environment(os.environ))
        return _wait(place, folder, began, patience, say)
    finally:
        if not (folder / EXIT_FILE).exists():
            place.cancel(folder, force=True)
        place.opinions(())  # whoever asks the scheduler for us may rest
        _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a probe's folder; a shim that is still ending may write into it meanwhile."""
    deadline = time.monotonic() + GRACE
    shutil.rmtree(folder, ignore_errors=True)
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(LOOK)
        shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()


def _wait(place: Place, folder: Path, began: float, patience: float, say: Say) -> PlaceTrial:
    opinion, ended_at = Opinion(Word.WAITING), float("inf")
    is_told, has_lease = False, False
    while (now := time.monotonic()) < began + patience and now < ended_at + SETTLE:
        lease = read_if_sound(folder / LEASE_FILE, Lease)
        has_lease = has_lease or lease is not None
        if not is_told and READY_FILE in listed(folder):
            (folder / TOKEN_FILE).touch()
            is_told = True
        answer = read_if_sound(folder / ANSWER_FILE, dict)
        if answer is not None:
            return _answered(folder, opinion, answer, time.monotonic() - began)
        heard = place.opinions([Known(folder, lease)])[folder.name]
        if (heard.word, heard.why) != (opinion.word, opinion.why):
            say(heard)
        opinion = heard
        if heard.is_refused:
            break
        if (folder / EXIT_FILE).exists():
            ended_at = min(ended_at, now - SETTLE + 1.0)  # the answer came before, if it came
        elif heard.word is Word.ENDED:
            ended_at = min(ended_at, now)
        time.sleep(LOOK)
    said = clean_line(last_words(folder / LOG_FILE), 200)
    return PlaceTrial(opinion, time.monotonic() - began, has_lease=has_lease, said=said)


def _answered(folder: Path, opinion: Opinion, answer: Mapping[str, Any], took: float) -> PlaceTrial:
    at, arrived = answer.get("at"), time.time()
    apart = float(at) - arrived if isinstance(at, int | float) else 0.0
    began, listed = time.monotonic(), None
    while listed is None and time.monotonic() < began + SETTLE:
        if ANSWER_FILE in os.listdir(folder):  # noqa: PTH208  # names only, as a listing has them
            listed = time.monotonic() - began
        else:
            time.sleep(LOOK)
    return PlaceTrial(opinion, took, answer, listed, apart, has_lease=True)
