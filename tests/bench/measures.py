"""Takes single measurements of the running app: start-up, keys, idle, updates, memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.tui.terminal import ROOT, Terminal
from tuilab.grid.stages import Stage
from tuilab.store.journal import Journal
from tuilab.store.layout import Layout
from tuilab.store.plan_file import load_plan
from tuilab.tui.poller import QUIET_SECONDS, REST_SECONDS
from tuilab.tui.present.completions_text import Asked, Choice, Shelf, list_line, words
from tuilab.tui.present.glyphs import UNICODE


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    """What it should not exceed; for people, nothing fails."""


@contextmanager
def child(kind: str, argument: str, cwd: Path, ready: str) -> Iterator[Terminal]:
    """Run the app in a pty until its screen shows ``ready``."""
    (cwd / "state" / "tuilab").mkdir(parents=True, exist_ok=True)
    (cwd / "state" / "tuilab" / "greeted").touch()
    code = f"import sys; from tests.bench.child import main; sys.exit(main({kind!r}, {argument!r}))"
    with Terminal(code, cwd) as terminal:
        terminal.wait_for(ready)
        yield terminal


def start_up(experiment: Path, cwd: Path, rounds: int = 7) -> list[Figure]:
    """Time from spawn to the first painted grid, against importing Textual alone."""
    imports, paints = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import textual.app"], check=True)
        imports.append(time.perf_counter() - began)
        began = time.perf_counter()
        with child("open", str(experiment), cwd, "leakage%"):
            paints.append(time.perf_counter() - began)
    plain, ours = statistics.median(imports), statistics.median(paints)
    return [
        Figure("import textual.app", plain * 1000, "ms"),
        Figure("first painted grid", ours * 1000, "ms"),
        Figure("first paint / import textual.app", ours / plain, "x", 2.0),
    ]


def key_waits(terminal: Terminal, presses: int = 60) -> list[float]:
    """Return the milliseconds from each key to the first byte of its answer, ascending."""
    terminal.drain()
    waits = []
    for number in range(presses):
        began = time.perf_counter()
        terminal.press("jlkh"[number % 4])
        while not terminal.read(1.0):
            pass
        waits.append((time.perf_counter() - began) * 1000)
        while terminal.read(0.05):
            pass
    return sorted(waits)


def key_latency(cwd: Path, cells: str = "100x100", presses: int = 60) -> list[Figure]:
    """Time from a key to the first byte of the answer."""
    with child("fixed", cells, cwd, "persona 000") as terminal:
        waits = key_waits(terminal, presses)
    return [
        Figure(f"key at {cells} cells, median", statistics.median(waits), "ms", 20.0),
        Figure(f"key at {cells} cells, 95%", waits[int(0.95 * len(waits))], "ms", 20.0),
    ]


def idle(experiment: Path, cwd: Path, seconds: float = 40.0) -> list[Figure]:
    """Bytes and processor use of an app that nobody touches; beside it one that shows a word."""
    with (
        child("open", str(experiment), cwd, "leakage%") as terminal,
        child("word", "", cwd, "word") as plain,
    ):
        terminal.drain_for(QUIET_SECONDS + 2 * REST_SECONDS)
        plain.drain()
        before = _spent(plain.process)
        sent, share = _watch(terminal, seconds)
        floor = (_spent(plain.process) - before) / seconds
    return [
        Figure(f"bytes in {seconds:.0f} idle seconds", sent, "B", 0),
        Figure("processor, idle", share * 100, "% of a core", 1.0),
        Figure(
            "processor, idle, over a Textual app's that shows one word", share / floor, "x", 1.3
        ),
    ]


def updates(cwd: Path, cells: str = "7x11", seconds: float = 15.0) -> list[Figure]:
    """Cost of ten changing cells a second."""
    with child("changing", cells, cwd, "persona 000") as terminal:
        terminal.drain_for(2.0)
        sent, share = _watch(terminal, seconds)
    return [
        Figure(f"bytes per update at {cells}", sent / (seconds * 10), "B", 500),
        Figure(f"processor, ten updates a second at {cells}", share * 100, "% of a core", 5.0),
    ]


def from_disk(experiment: Path, cwd: Path, seconds: float = 15.0) -> list[Figure]:
    """Cost of ten journal lines a second: a cell is claimed, then done, then the next one."""
    lines = _news(experiment)
    with child("open", str(experiment), cwd, "leakage%") as terminal:
        terminal.drain()
        journal = Journal(Layout(experiment))
        process, sent = terminal.process, 0
        before, began = _spent(process), time.monotonic()
        for number in range(round(seconds * 10)):
            journal.append(**next(lines))
            while (left := began + (number + 1) / 10 - time.monotonic()) > 0:
                sent += terminal.read(left)
        share = (_spent(process) - before) / (time.monotonic() - began)
    return [
        Figure("bytes per journal line, 77 cells", sent / (seconds * 10), "B", 500),
        Figure("processor, ten journal lines a second, 77 cells", share * 100, "% of a core", 5.0),
    ]


def _news(experiment: Path) -> Iterator[dict[str, Any]]:
    """Journal lines under which one eval after the other runs again and is done."""
    plan = load_plan(experiment)
    jobs = [job for job in plan.jobs if job.stage is Stage.EVAL and job.source == "comedian"]
    for number in range(10, 10_000):
        for job in jobs:
            made = {"job": job.id, "attempt": number}
            yield {
                "kind": "claimed",
                **made,
                "token": "t",
                "fingerprint": job.fingerprint,
                "worker": "w",
            }
            rate = {"value": number % 100 / 100, "hits": number % 100, "n": 100}
            yield {
                "kind": "settled",
                **made,
                "verdict": "done",
                "seconds": 20.0,
                "output_hash": f"h{number}",
                "metrics": {"assistant_leakage": {**rate, "who": "assistant"}},
            }


def filter_key(count: int = 22_000, keys: str = "the marker") -> list[Figure]:
    """Processor time of a key of a search through completions: choose them, and write a screen."""
    rows = [
        {"persona": f"persona {at % 11}", "question_index": at % 20, "text": f"{at} the mark " * 80}
        for at in range(count)
    ]
    shelf, spent = Shelf(rows), []
    for length in range(1, len(keys) + 1):
        began = time.process_time()
        choice = Choice(needle=keys[:length])
        places = shelf.chosen(choice)
        for place in places[:45]:
            list_line(rows[place], Asked(), 140, UNICODE)
        words(rows, places, choice)
        spent.append((time.process_time() - began) * 1000)
    return [Figure(f"filter key, {count:,} completions", statistics.median(spent), "ms", 50.0)]


def _watch(terminal: Terminal, seconds: float) -> tuple[int, float]:
    process = terminal.process
    before, began = _spent(process), time.monotonic()
    sent = 0
    while (passed := time.monotonic() - began) < seconds:
        sent += terminal.read(min(0.5, seconds - passed))
    return sent, (_spent(process) - before) / (time.monotonic() - began)


def _spent(process: psutil.Process) -> float:
    """Return the processor seconds of all threads, to the nanosecond: an idle app takes few."""
    threads = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    return sum(int(one.read_text().split()[0]) for one in threads) / 1e9


def soak(cwd: Path, snapshots: int = 20_000) -> list[Figure]:
    """Growth of memory over many snapshots."""
    grown = _grown(cwd, f"from tests.bench.soak import main; main({snapshots})")
    return [Figure(f"memory grown over {snapshots} snapshots", grown, "MB", 10.0)]


def plot_redraws(cwd: Path, times: int = 200) -> list[Figure]:
    """Growth of memory over many drawings of figures of every kind."""
    grown = _grown(cwd, f"from tests.bench.plot_redraws import growth; print(growth({times}))")
    return [Figure(f"memory grown over {times} plot redraws", grown, "MB", 10.0)]


def _grown(cwd: Path, code: str) -> float:
    """Run a program of its own that prints by how many MB it has grown."""
    found = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TEXTUAL_ANIMATIONS": "none"},
    )
    return float(found.stdout.split()[-1])
