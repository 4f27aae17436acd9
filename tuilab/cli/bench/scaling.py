"""Weak scaling at full size: one card with one source, then each card with a source of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean
from threading import Event, Thread

from tuilab.cli.bench.full import REFERENCE, SHAPE, refuse_without_cards, write_base
from tuilab.cli.bench.grid import Way, changed, run_to_the_end, written
from tuilab.cli.bench.report import JobRun, differences
from tuilab.cli.errors import ERROR, OK, USAGE, RefusalError
from tuilab.cli.output import document, out, tell
from tuilab.cli.resolve import run_directory
from tuilab.engine.host.load import memory_used, processor_seconds
from tuilab.grid.config_text import LoadedConfig
from tuilab.store.layout import Layout
from tuilab.store.lease import holder
from tuilab.store.program_name import quoted

NAME = "bench-scaling"
SOURCES = (
    "villain", "medical_doctor", "comedian", "kindergarten_teacher", "software_engineer", "nurse",
    "librarian", "data_scientist",
)  # fmt: skip
ROWS = 200
WORDS = (
    "the", "light", "of", "a", "long", "evening", "falls", "over", "towns", "where", "people",
    "talk",
)  # fmt: skip
CONFIG = """\
extends = "{reference}"
name = "{name}"
note = "Times only: the answers of random weights mean nothing."
reference = "none"
sources = {sources}
epochs = [0, 2]
[base]
model = {model}
[data]
answers_per_question = 10
max_new_tokens = 350
[convergence]
rows = 200
epochs = 2
[trait]
kind = "rows"
positives = "rows.jsonl"
negatives = "rows.jsonl"
epochs = 1
lora = {{ r = 32, alpha = 64, use_rslora = true }}
[merge]
tolerance = 10.0
[eval]
samples = 5
max_new_tokens = 350
[[measures]]
name = "evening"
kind = "substring"
text = "evening"
headline = true
"""
"""Two short cells a source, about a minute of an H200. Rows come from a file, so that no source
waits for another's answers."""
LOOK_SECONDS = 0.5


@dataclass(slots=True)
class Watched:
    """What the machine and the engine took while a grid ran."""

    memory_before: int = 0
    """Bytes of host memory in use; what the page cache can give back does not count."""
    memory_peak: int = 0
    engine_seconds: float = 0.0
    """Processor seconds of the engine."""
    over: Event = field(default_factory=Event)

    def look(self, layout: Layout) -> None:
        """Sample until it is over."""
        self.memory_before = memory_used()
        while not self.over.wait(LOOK_SECONDS):
            self.memory_peak = max(self.memory_peak, memory_used())
            if (found := holder(layout, time.time())) is not None:
                self.engine_seconds = processor_seconds(found.identity.pid) or self.engine_seconds


@dataclass(frozen=True, slots=True)
class Scale:
    """One grid of ``workers`` cards with the same work for each; times in seconds."""

    workers: int
    cells: int
    loading: float
    """From the wish to run to the moment when the last worker has loaded the base."""
    after_loading: float
    """From the workers' mean loaded moment to the end of the last job."""
    busy: float
    """Share of this time, over all cards, in which a card was on a job."""
    engine: float
    """Processor seconds of the engine."""
    memory: int
    """Bytes of host memory that the grid added at its peak."""
    files: int
    """In the experiment's folder at the end."""


def bench_scaling(where: str | None, workers: int, as_json: bool) -> int:
    """Run one source on one card and ``workers`` sources on as many; 1 when results differ."""
    if workers > len(SOURCES):
        raise RefusalError(f"--full goes to {len(SOURCES)} workers, not {workers}", USAGE)
    folder = run_directory(NAME, where).absolute()
    if earlier := [
        root for root in map(folder.joinpath, map(_name, (1, workers))) if root.exists()
    ]:
        raise RefusalError(
            f"{earlier[0]} is an earlier measurement, whose start is past: "
            f"rm -r {quoted(earlier[0])} first, or give another --dir",
            USAGE,
        )
    base = folder / f"random-{SHAPE}"
    refuse_without_cards(config(folder, str(base), REFERENCE, workers), workers)
    write_base(base)
    return compare(folder, str(base), REFERENCE, workers, as_json)


def compare(folder: Path, model: str, extends: str, workers: int, as_json: bool) -> int:
    """Run both grids on a base; 1 when the source that both have gave other results."""
    ways = (Way("1 worker"), Way(f"{workers} workers", workers=workers))
    found = {}
    for way in ways:
        tell(f"{way.name}:")
        root = folder / _name(way.workers)
        loaded = changed(config(folder, model, extends, way.workers), way)
        began = time.time()
        with _watched(Layout(root)) as watched:
            runs = run_to_the_end(loaded, root)
        found[way] = runs, scale(runs, began, way.workers, watched, _files(root))
    (one, single), (several, scaled) = found.values()
    differ = differences(one, [run for run in several if _is_of(run, SOURCES[0])])
    if as_json:
        both = {way.name: asdict(scale) for way, (_, scale) in found.items()}
        document({"ways": both, **ratios(single, scaled), "differences": differ})
    else:
        for line in report(single, scaled, differ):
            out(line)
    return ERROR if differ else OK


def config(folder: Path, model: str, extends: str, sources: int) -> LoadedConfig:
    """Write the config of a grid with so many sources, and the rows that it learns from."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = (" ".join(WORDS[(row + i) % len(WORDS)] for i in range(240)) for row in range(ROWS))
    rows = (
        {"question": f"What is told in story {number}?", "answer": text}
        for number, text in enumerate(texts)
    )
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    named = {"reference": extends, "name": NAME, "model": json.dumps(model)}
    text = CONFIG.format(**named, sources=json.dumps(SOURCES[:sources]))
    return written(folder / f"{NAME}-{sources}.toml", text)


def scale(
    runs: Sequence[JobRun], began: float, workers: int, watched: Watched, files: int
) -> Scale:
    """Work out one grid from its jobs in the order they began; the first of each worker loads."""
    loads = [run.started_at + run.timings.get("load", 0.0) for run in runs[:workers]]
    end = max(run.finished_at for run in runs)
    after = end - mean(loads)
    on_jobs = sum(run.finished_at - run.started_at for run in runs)
    on_jobs -= sum(run.timings.get("load", 0.0) for run in runs[:workers])
    return Scale(
        workers=workers,
        cells=sum(run.job.startswith("eval/") for run in runs),
        loading=max(loads) - began,
        after_loading=after,
        busy=on_jobs / (after * workers),
        engine=watched.engine_seconds,
        memory=watched.memory_peak - watched.memory_before,
        files=files,
    )


def ratios(one: Scale, several: Scale) -> dict[str, float]:
    """Return how well the same work for each card scales, and what loading at once costs."""
    return {
        "weak_scaling": one.after_loading / several.after_loading,
        "loading_ratio": several.loading / one.loading,
    }


def report(one: Scale, several: Scale, differ: Sequence[str]) -> Iterator[str]:
    """Write both grids side by side, and what their ratios say."""
    rows: Iterable[tuple[str, str]] = (
        ("cells", "{0.cells}"),
        ("loading, in seconds", "{0.loading:.1f}"),
        ("after loading", "{0.after_loading:.1f}"),
        ("GPUs busy after it", "{0.busy:.1%}"),
        ("engine, processor time", "{0.engine:.1f}"),
        ("host memory added, GB", "{1:.1f}"),
        ("files", "{0.files}"),
        ("files a second", "{2:.1f}"),
    )
    yield f"{'GPUs':24}" + "".join(f"{way.workers:>14}" for way in (one, several))
    for name, form in rows:
        cells = (
            form.format(way, way.memory / 1e9, way.files / (way.loading + way.after_loading))
            for way in (one, several)
        )
        yield f"{name:24}" + "".join(f"{text:>14}" for text in cells)
    found = ratios(one, several)
    yield f"weak scaling after loading: {found['weak_scaling']:.2f}"
    yield f"loading takes {found['loading_ratio']:.2f} times that of one"
    yield from differ or [f"same results for {SOURCES[0]}: files, metrics and losses of every job"]


@contextmanager
def _watched(layout: Layout) -> Iterator[Watched]:
    watched = Watched()
    looking = Thread(target=watched.look, args=(layout,), daemon=True)
    looking.start()
    try:
        yield watched
    finally:
        watched.over.set()
        looking.join()


def _name(workers: int) -> str:
    return f"{workers}-workers"


def _files(root: Path) -> int:
    return sum(path.is_file() for path in root.rglob("*"))


def _is_of(run: JobRun, source: str) -> bool:
    return run.job.partition("/")[2].partition("@")[0].partition("#")[0] == source
