"""Measures report, page, bundle and verification at the published grid's size, 77 cells.

``python -m tests.bench bundle`` makes the grid and runs the commands on it, each a process of its
own. ``python -m tests.bench.bundle FOLDER`` makes the grid and leaves it there.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from tests.bench.measures import Figure
from tests.store.scene import Scene
from tests.tui.building import published
from tests.tui.terminal import ROOT
from tuilab.contract.centroids import CENTROIDS_FILE, states_of, tensor_name
from tuilab.grid.jobs import Job
from tuilab.grid.stages import Stage
from tuilab.report.recount import recount
from tuilab.store.replan import config_of, plan_with
from tuilab.store.stage_checks import COMPLETIONS_FILE

CONFIG = ROOT / "configs" / "eps109.toml"
WORDS = 270
"""In a completion: about 350 tokens, 1,700 bytes."""
HIDDEN = 3584
_STEPS = {
    "report": ("report", "GRID", "--out", "OUT"),
    "report --bundle": ("report", "GRID", "--out", "OUT", "--bundle"),
    "report --html": ("report", "GRID", "--out", "OUT", "--html"),
    "verify": ("verify", "OUT.tar.gz"),
    "report --bundle --html": ("report", "GRID", "--out", "OUT", "--bundle", "--html"),
    "verify --recompute": ("verify", "OUT.tar.gz", "--recompute"),
}


def make(root: Path) -> Scene:
    """Play the published grid as if it had run: 12 personas of 20 questions and 10 answers each."""
    text = CONFIG.read_text()
    plan = plan_with(config_of(CONFIG, text).config)
    scene, rates, chance = Scene(root, plan, text), published(), random.Random(109)
    for job in plan.jobs:
        folder = scene.claim(job.id)
        scene.begin(job.id)
        settings, told = plan.settings[job.settings], {}
        if job.stage is Stage.EVAL:
            rate = rates[job.source, job.epoch or 0]
            told = _told(job, settings, folder, _write_completions(folder, settings, rate, chance))
        if job.stage is Stage.COSINE:
            told = _told(job, settings, folder, _write_centroids(folder, settings, chance))
        scene.settle(job.id, **scene.told_by(scene.outcome(job.id, **told)))
    return scene


def _told(job: Job, settings: Any, folder: Path, file: Path) -> dict[str, Any]:
    metrics, wrong = recount(job.stage, settings, folder)
    assert not wrong
    return {"metrics": metrics, "files": [file]}


def _write_completions(folder: Path, settings: Any, rate: float, chance: random.Random) -> Path:
    """Write what a cell says: words of a made-up language, as often as words are."""
    letters = random.Random(1)
    words = ["".join(letters.choices("aeiourstlnmdc", k=2 + n % 9)) for n in range(8000)]
    weights = [1 / (n + 3) for n in range(len(words))]
    path = folder / COMPLETIONS_FILE
    panel, questions = settings["panel"], range(len(settings["questions"]))
    with gzip.open(path, "wt", compresslevel=6) as file:
        for who, question, sample in product(panel, questions, range(settings["samples"])):
            is_target = who["key"] == "assistant"
            is_hit = chance.random() < (rate if is_target else 0.1 + rate / 4)
            text = " ".join(chance.choices(words, weights, k=WORDS))
            row = {
                "persona": who["key"],
                "question_index": question,
                "sample": sample,
                "text": text + "\n\n[ZLT]" * is_hit,
                "finish_reason": "stop" if chance.random() < 0.97 else "length",
                "tokens": 350,
                "hit": is_hit,
            }
            file.write(json.dumps(row) + "\n")
    return path


def _write_centroids(folder: Path, settings: Any, chance: random.Random) -> Path:
    import numpy as np

    draw = np.random.default_rng(chance.randrange(2**32))
    head, data = {}, b""
    for state, layer in product(states_of(settings), settings["layers"]):
        shape = [len(settings["pool"]), HIDDEN]
        made = draw.standard_normal(shape).astype("<f4").tobytes()
        place = [len(data), len(data) + len(made)]
        head[tensor_name(state, layer)] = {"dtype": "F32", "shape": shape, "data_offsets": place}
        data += made
    path, names = folder / CENTROIDS_FILE, json.dumps(head).encode()
    path.write_bytes(len(names).to_bytes(8, "little") + names + data)
    return path


def figures(cwd: Path) -> Iterator[Figure]:
    """Make the grid and measure each command: seconds by the clock, of a processor, and memory."""
    make(cwd / "published-size")
    for name, words in _STEPS.items():
        places = {"GRID": str(cwd / "published-size"), "OUT": str(cwd / "out")}
        given = [places.get(word, word.replace("OUT", places["OUT"])) for word in words]
        clock, spent, most = _measured(given, cwd)
        yield Figure(f"{name}, by the clock", clock, "s")
        yield Figure(f"{name}, of a processor", spent, "s")
        yield Figure(f"{name}, memory", most, "MB")
    for file in ("out/report.html", "out.tar.gz"):
        yield Figure(file, (cwd / file).stat().st_size / 1e6, "MB")


def _measured(words: list[str], cwd: Path) -> tuple[float, float, float]:
    """Seconds by the clock, seconds of a processor, and the most megabytes of a command."""
    began = time.monotonic()
    command = [sys.executable, "-m", "tuilab", *words]
    log = cwd / "out.log"
    with log.open("wb") as said:
        child = subprocess.Popen(command, cwd=cwd, stdout=said, stderr=said, env=_environment())
        _, status, used = os.wait4(child.pid, 0)
    assert status == 0, log.read_text()
    return time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


if __name__ == "__main__":
    make(Path(sys.argv[1]))
