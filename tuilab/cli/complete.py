"""Completes what is typed at a shell: experiments, configs, cells, metrics and config keys.

A completion never fails and never prints: what cannot be read completes to nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

from tuilab.cli.resolve import PUBLISHED, RUNS, find_experiment, shipped_configs
from tuilab.grid.metrics import METRICS
from tuilab.store.experiment import find_experiments


def _quietly(complete: Callable[..., Iterable[str]]) -> Callable[..., list[str]]:
    @wraps(complete)
    def answer(*given: Any, **named: Any) -> list[str]:
        try:
            return list(complete(*given, **named))
        except Exception:
            return []

    return answer


@_quietly
def experiments(incomplete: str) -> Iterator[str]:
    """Yield experiments here: by their folder, those in runs/ also by their name."""
    here = Path.cwd()
    for found in find_experiments(here):
        path = found.root.relative_to(here)
        names = [str(path), path.name] if path.parent.name == RUNS else [str(path)]
        yield from (name for name in names if name.startswith(incomplete))
    if PUBLISHED.startswith(incomplete):
        yield PUBLISHED


@_quietly
def experiments_or_configs(incomplete: str) -> Iterator[str]:
    """Yield experiments, config files here and the shipped ones by their name."""
    yield from experiments(incomplete)
    files = [path.name for path in Path.cwd().glob("*.toml")]
    names = [*files, *(config.stem for config in shipped_configs())]
    yield from (name for name in names if name.startswith(incomplete))


@_quietly
def cells(ctx: Any, incomplete: str) -> Iterator[str]:
    """Yield the cells of the experiment that was typed before, and its whole rows and columns."""
    from tuilab.store.reader import Reader

    known = Reader(find_experiment(ctx.params.get("directory") or ctx.params.get("what"))).poll(0.0)
    seeds = len(known.seeds) > 1
    names = [f"{source}@*" for source in known.sources] + [f"*@{epoch}" for epoch in known.epochs]
    for view in known.cells:
        cell = view.cell
        names.append(f"{cell.source}@{cell.epoch}" + (f"#{cell.seed}" if seeds else ""))
    before = _before_at(os.environ)
    wanted = before + incomplete
    yield from (name.removeprefix(before) for name in names if name.startswith(wanted))


def _before_at(env: Mapping[str, str]) -> str:
    """Return what bash has cut off the word: it splits at @, as if that named a host."""
    words = env.get("COMP_WORDS", "").split("\n")
    place = int(env.get("COMP_CWORD", "0"))
    if place >= len(words):
        return ""
    if words[place] == "@":
        return words[place - 1]
    return "".join(words[place - 2 : place]) if words[place - 1] == "@" else ""


@_quietly
def metrics(incomplete: str) -> Iterator[str]:
    """Yield the metrics by key and short name."""
    names = dict.fromkeys([*METRICS, *(metric.short for metric in METRICS.values())])
    yield from (name for name in names if name.startswith(incomplete))


@_quietly
def settings(incomplete: str) -> Iterator[str]:
    """Yield the dotted keys of a config that a relaunch can set: ``marker.lr=``."""
    from pydantic import BaseModel

    from tuilab.grid.config import ExperimentConfig

    def keys(model: type[BaseModel], before: str) -> Iterator[str]:
        for name, field in model.model_fields.items():
            kind = field.annotation
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from keys(kind, f"{before}{name}.")
            elif before:
                yield f"{before}{name}="

    yield from (key for key in keys(ExperimentConfig, "") if key.startswith(incomplete))
