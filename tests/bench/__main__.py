"""``python -m tests.bench [NAME...] [--write]``: print figures of docs; ``--write`` puts those of
``waits`` into the table of speed.md.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.bench import bundle, measures, scale, size, waits
from tests.bench.measures import Figure
from tests.tui.building import LATER
from tests.tui.examples import half_way

SPEED = Path(__file__).resolve().parents[2] / "docs" / "speed.md"
_BEGIN, _END = "<!-- measured: waits -->\n", "<!-- /measured -->"


def main(names: list[str]) -> None:
    """Measure everything, or what was named."""
    is_written = "--write" in names
    names = [name for name in names if name != "--write"]
    with tempfile.TemporaryDirectory() as folder:
        cwd = Path(folder)
        experiment = cwd / "runs" / "eps109"
        half_way(experiment)
        _make_fresh(experiment)
        known: dict[str, Callable[[], Iterable[Figure]]] = {
            "start": lambda: measures.start_up(experiment, cwd),
            "waits": lambda: waits.figures(cwd),
            "keys": lambda: measures.key_latency(cwd),
            "idle": lambda: measures.idle(experiment, cwd),
            "updates": lambda: measures.updates(cwd) + measures.updates(cwd, "100x100"),
            "disk": lambda: measures.from_disk(experiment, cwd),
            "soak": lambda: measures.soak(cwd),
            "plots": lambda: measures.plot_redraws(cwd),
            "filter": measures.filter_key,
            "size": lambda: size.figures(cwd),
            "scale": lambda: scale.figures(cwd),
            "bundle": lambda: bundle.figures(cwd),
        }
        load = os.getloadavg()[0] / (os.cpu_count() or 1)
        print(f"load per core: {load:.1f} (figures are honest below 0.5)")
        for name in names or list(known):
            found = []
            for figure in known[name]():
                found.append(figure)
                limit = "" if figure.limit is None else f"   at most {figure.limit:g}"
                print(f"{figure.name:<48} {figure.value:>9.2f} {figure.unit}{limit}", flush=True)
            if name == "waits" and is_written:
                write_table(found, load)


def write_table(figures: list[Figure], load: float) -> None:
    """Put figures into the table of speed.md."""
    head, rest = SPEED.read_text(encoding="utf-8").split(_BEGIN)
    rows = [
        f"| {one.name} | {one.value:.2f} {one.unit} | "
        + ("" if one.limit is None else f"{one.limit:g} {one.unit}")
        + " |"
        for one in figures
    ]
    told = f"With {load:.1f} processes waiting for each core:"
    table = "\n".join([told, "", "| | measured | goal |", "|---|---|---|", *rows, "", ""])
    SPEED.write_text(f"{head}{_BEGIN}{table}{_END}{rest.split(_END, 1)[1]}", encoding="utf-8")


def _make_fresh(experiment: Path) -> None:
    """Let the engine's heartbeat stay young for as long as the benchmarks take."""
    path = experiment / "engine.json"
    path.write_text(path.read_text().replace(str(LATER), str(4_000_000_000.0)))


if __name__ == "__main__":
    main(sys.argv[1:])
