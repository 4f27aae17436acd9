"""Measures what a person waits for, in the shell and in the app, on the tiny grid run to its end.

Each beside a floor of the same run: what Python takes to import typer or Textual, or what a Textual
app takes that shows one word. Processor seconds, since machines are shared, but where the clock is
named.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from tests.bench import size
from tests.bench.measures import Figure, child, key_waits
from tests.tui.terminal import DEADLINE, ROOT, Terminal, typed

CONFIG = ROOT / "configs" / "tiny.toml"
_TUILAB = (sys.executable, "-m", "tuilab")
_ENV = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
VERBS = {
    "plan DIR": (("plan", "DIR"), 1.0),
    "doctor": (("doctor",), None),
    "table DIR": (("table", "DIR"), 0.6),
    "claims DIR": (("claims", "DIR"), 0.6),
    "compare published DIR": (("compare", "published", "DIR"), 0.6),
    "plot DIR": (("plot", "DIR"), 0.6),
    "report DIR": (("report", "DIR", "--out", "OUT"), 3.0),
}
"""Command lines, and the seconds that each should not exceed."""
WORD = "import sys; from tests.bench.child import main; sys.exit(main('word', ''))"
_ROUNDS = 5
_PAINTS = 15
"""Starts of each command of the app: they take a quarter of a second, and machines are shared."""
_LOG = 1 << 30
"""Bytes of a long log."""


def figures(cwd: Path) -> Iterator[Figure]:
    """Run the demo's grid, then measure the shell and the app on it."""
    grid = cwd / "runs" / "tiny"
    began = time.monotonic()
    _run((*_TUILAB, "run", str(CONFIG), "--dir", str(grid), "--headless"), cwd)
    limit = 30.0 if (os.cpu_count() or 1) >= 4 else None
    yield Figure("the demo's grid, by the clock", time.monotonic() - began, "s", limit)
    yield from _shell(grid, cwd)
    yield from _first_paint(grid, cwd)
    with child("open", str(grid), cwd, "leakage%") as terminal:
        yield Figure(
            "a key on the demo, median", statistics.median(key_waits(terminal)), "ms", 10.0
        )
    yield from _log_searched(cwd)
    yield from _while_loading(cwd)


def _shell(grid: Path, cwd: Path) -> Iterator[Figure]:
    floor = _median(partial(_spent, (sys.executable, "-c", "import typer"), cwd))
    yield Figure("import typer", floor, "s")
    for name, (words, limit) in VERBS.items():
        line = [{"DIR": str(grid), "OUT": str(cwd / "out")}.get(word, word) for word in words]
        spent = _median(partial(_spent, (*_TUILAB, *line), cwd))
        yield Figure(name, spent, "s", limit)
        yield Figure(f"{name}, over import typer", spent / floor, "x")
    yield Figure("doctor to its first lines, by the clock", _median(partial(_first, cwd)), "s", 1.0)


def _median(measured: Callable[[], float]) -> float:
    return statistics.median(measured() for _ in range(_ROUNDS))


def _run(words: Sequence[str], cwd: Path) -> None:
    subprocess.run(
        words, cwd=cwd, env=_ENV, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, check=False,
    )  # fmt: skip


def _spent(words: Sequence[str], cwd: Path) -> float:
    """Return the processor seconds of a command and what it started."""

    def used() -> float:
        found = resource.getrusage(resource.RUSAGE_CHILDREN)
        return found.ru_utime + found.ru_stime

    before = used()
    _run(words, cwd)
    return used() - before


def _first(cwd: Path) -> float:
    began = time.monotonic()
    with subprocess.Popen((*_TUILAB, "doctor"), cwd=cwd, env=_ENV, stdout=subprocess.PIPE) as told:
        assert told.stdout is not None
        assert told.stdout.readline()
        found = time.monotonic() - began
        told.kill()
    return found


def _first_paint(grid: Path, cwd: Path) -> Iterator[Figure]:
    """The commands themselves, from the shell to the painted grid."""
    commands = {"published": ("published",), "open DIR": ("open", str(grid))}
    plain = (sys.executable, "-c", "import textual.app")
    imports, words, paints = [], [], dict[str, list[float]]()
    for _ in range(_PAINTS):
        began = time.monotonic()
        _run(plain, cwd)
        imports.append(time.monotonic() - began)
        words.append(_painted(WORD, "word", cwd))
        for name, command in commands.items():
            paints.setdefault(name, []).append(_painted(typed(*command), "leakage%", cwd))
    imported, word = statistics.median(imports), statistics.median(words)
    yield Figure("import textual.app, by the clock", imported, "s")
    for name, found in paints.items():
        ratio = statistics.median(found) / imported
        yield Figure(f"tuilab {name} to its first paint, over import textual.app", ratio, "x", 1.4)
        ratio = statistics.median(found) / word
        yield Figure(f"tuilab {name}, over a Textual app's that shows one word", ratio, "x")


def _painted(code: str, sign: str, cwd: Path) -> float:
    """Return the seconds until a sign was sent to the terminal."""
    began = time.monotonic()
    with Terminal(code, cwd) as terminal:
        while sign.encode() not in terminal.output:
            assert time.monotonic() - began < DEADLINE, terminal.text
            terminal.read()
        return time.monotonic() - began


def _log_searched(cwd: Path) -> Iterator[Figure]:
    """Look for what stands on the first line of a log of 1 GiB, from its end."""
    path = cwd / "log.txt"
    line = b"step 1 of 3000 epoch 1 loss 2.1034 grad 0.501 12.9 steps/s\n"
    with path.open("wb") as file:
        file.write(b"the needle\n")
        for _ in range(_LOG // (len(line) << 14)):
            file.write(line * (1 << 14))
    code = (
        "import resource, sys, time; from pathlib import Path\n"
        "from tuilab.tui.log_tail import search\n"
        "began = time.process_time(); place = search(Path(sys.argv[1]), 'needle', 1 << 40, -1)\n"
        "assert place == 0\n"
        "print(time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    told = subprocess.run(
        (sys.executable, "-c", code, str(path)), env=_ENV, check=True, capture_output=True
    )
    path.unlink()
    seconds, kilobytes = map(float, told.stdout.split())
    yield Figure("all of a log of 1 GiB searched", seconds, "s")
    yield Figure("the most memory of that", kilobytes / 1000, "MB")


def _while_loading(cwd: Path) -> Iterator[Figure]:
    """Keys from the first paint of a grid of 10,000 finished cells until it is read."""
    folder = cwd / "large"
    for step in ("made", "finished"):
        size.measured(step, folder, size.FEW)
    with Terminal(typed("open", str(folder)), cwd) as terminal:
        while not terminal.read(0.05):
            pass
        waits: list[float] = []
        began = time.monotonic()
        while time.monotonic() - began < 4.0:
            pressed = time.perf_counter()
            terminal.press("?")  # opens the help, and closes it; esc is waited on for 100 ms
            while not terminal.read(1.0):
                pass
            waits.append((time.perf_counter() - pressed) * 1000)
            terminal.read(0.02)
    waits.sort()
    yield Figure("a key while 10,000 cells load, 95%", waits[int(0.95 * len(waits))], "ms", 30.0)
