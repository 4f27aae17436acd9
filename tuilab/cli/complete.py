"""Completes what is typed at a shell: experiments, cells, settings and whatever an option takes.

A completion never fails and never prints: what cannot be read completes to nothing.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import redirect_stdout, suppress
from functools import wraps
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from tuilab.cli.resolve import PUBLISHED, find_experiment, find_place, shipped_configs
from tuilab.grid.metrics import METRICS, metric_keys
from tuilab.store.find_experiments import RUNS, find_experiments

if TYPE_CHECKING:
    from pydantic import BaseModel

    from tuilab.store.snapshot import Snapshot

ASKED = "_TUILAB_COMPLETE"
"""The variable by which a shell asks: ``complete_bash``."""
_CUTS = "@=:"


def answer_shell(ask: Callable[[], None], env: MutableMapping[str, str]) -> None:
    """Let the parser print its answers, as the shell puts them into its line.

    Bash has cut the last word at ``@=:``, unless told otherwise, and puts an answer behind the
    cut; zsh and fish replace all of ``--metric=le``.
    """
    said = StringIO()
    kept, uncut = join_words(env)
    option = re.match(r"-[^=\s]*=", env.get("_TYPER_COMPLETE_ARGS", uncut).rpartition(" ")[2])
    try:
        with redirect_stdout(said), suppress(Exception):
            ask()
    finally:
        lines = [line.removeprefix(kept) for line in said.getvalue().splitlines()]
        if option and env[ASKED] == "complete_zsh":
            lines[:0] = ["compset -P '*=';"]
        elif option:
            lines = [option[0] + line for line in lines]
        sys.stdout.write("".join(f"{line}\n" for line in lines))


def join_words(env: MutableMapping[str, str]) -> tuple[str, str]:
    """Join in COMP_WORDS what bash has cut.

    Return what it keeps of the last word, or "" and that word where nothing was cut. It replaces
    what stands behind the last cut, and with it an ``@``, which could begin a host.
    """
    words, at = env.get("COMP_WORDS", "").split("\n"), int(env.get("COMP_CWORD", "0"))
    whole: list[str] = []
    was_cut = False
    for word in (typed := words[: at + 1]):
        is_cut = len(word) == 1 and word in _CUTS
        if (is_cut or was_cut) and len(whole) > 1:
            whole[-1] += word
        else:
            whole.append(word)
        was_cut = is_cut
    if len(whole) == len(typed):
        return "", whole[-1]
    env["COMP_WORDS"], env["COMP_CWORD"] = "\n".join(whole), str(len(whole) - 1)
    kept = re.split(rf"[^{_CUTS}]*$|(?=@[^{_CUTS}]*$)", whole[-1], maxsplit=1)[0]
    return re.sub(r"^-[^=]*=", "", kept), ""


def _quietly(complete: Callable[..., Iterable[str]]) -> Callable[..., list[str]]:
    @wraps(complete)
    def answer(*given: Any, **named: Any) -> list[str]:
        try:
            return list(complete(*given, **named))
        except Exception:
            return []

    return answer


def one_of(words: Callable[[], Iterable[str]]) -> Callable[..., list[str]]:
    """Return what completes one of some words."""

    @_quietly
    def answer(incomplete: str) -> Iterator[str]:
        return (word for word in words() if word.startswith(incomplete))

    return answer


def _themes() -> Iterable[str]:
    from tuilab.tui.preferences import THEMES

    return THEMES


themes = one_of(_themes)


@_quietly
def experiments(incomplete: str) -> Iterator[str]:
    """Yield experiments here: by their folder, those in runs/ also by their name."""
    yield from _experiments(incomplete)


def _experiments(incomplete: str) -> Iterator[str]:
    here = Path.cwd()
    for found in find_experiments(here):
        path = found.root.relative_to(here)
        names = [str(path), path.name] if path.parent.name == RUNS else [str(path)]
        yield from (name for name in names if name.startswith(incomplete))
    if PUBLISHED.startswith(incomplete):
        yield PUBLISHED


@_quietly
def experiments_or_lock(incomplete: str) -> Iterator[str]:
    """Yield what may stand behind ``claims``."""
    yield from _experiments(incomplete)
    yield from (word for word in ("lock",) if word.startswith(incomplete))


@_quietly
def experiments_or_configs(incomplete: str) -> Iterator[str]:
    """Yield experiments, config files here and the shipped ones by their name."""
    yield from _experiments(incomplete)
    files = [path.name for path in Path.cwd().glob("*.toml")]
    names = [*files, *(config.stem for config in shipped_configs())]
    yield from (name for name in names if name.startswith(incomplete))


@_quietly
def cells(ctx: Any, incomplete: str) -> Iterator[str]:
    """Yield the cells of the experiment that was typed before, and its whole rows and columns."""
    yield from (name for name in _cells(_snapshot(ctx)) if name.startswith(incomplete))


@_quietly
def cells_or_jobs(ctx: Any, incomplete: str) -> Iterator[str]:
    """Yield cells, and single jobs such as ``eval/villain@4#42`` once their stage is typed."""
    yield from _cells_or_jobs(_snapshot(ctx), incomplete)


@_quietly
def logs(ctx: Any, incomplete: str) -> Iterator[str]:
    """Yield what has a log: cells, jobs and the engine."""
    yield from (name for name in ("engine",) if name.startswith(incomplete))
    yield from _cells_or_jobs(_snapshot(ctx), incomplete)


@_quietly
def sources(ctx: Any, incomplete: str) -> Iterator[str]:
    """Yield the sources of the experiment or config that was typed before."""
    typed = ctx.params.get("directory") or ctx.params.get("what")
    place = find_place(typed) if typed else None
    if place and place.config:
        from tuilab.store.replan import read_config

        names: Iterable[str] = read_config(place.config).config.sources
    else:
        names = _snapshot(ctx).sources
    yield from (name for name in names if name.startswith(incomplete))


@_quietly
def new_sources(ctx: Any, incomplete: str) -> Iterator[str]:
    """Yield the personas of an experiment that are no sources yet."""
    config = _config(ctx)
    known = {*config.sources, config.target}
    yield from (
        name for name in config.personas if name not in known and name.startswith(incomplete)
    )


@_quietly
def tags(ctx: Any, incomplete: str) -> Iterator[str]:
    """Yield the tags that were given so far."""
    known = _snapshot(ctx)
    found = {tag for note in (known.note, *(one.note for one in known.cells)) for tag in note.tags}
    yield from (tag for tag in sorted(found) if tag.startswith(incomplete))


@_quietly
def metrics(ctx: Any, incomplete: str) -> Iterator[str]:
    """Yield the metrics by key and short name, with those of the experiment's own measures."""
    try:
        keys = _snapshot(ctx).metrics
    except Exception:
        keys = metric_keys()
    names = dict.fromkeys([*keys, *(METRICS[key].short for key in keys)])
    yield from (name for name in names if name.startswith(incomplete))


@_quietly
def settings(ctx: Any, incomplete: str) -> Iterator[str]:
    """Yield the dotted keys that a relaunch can set, ``marker.lr=``; of the last one also values.

    Two answers keep a shell from ending the word at ``=``.
    """
    from tuilab.grid.config import ExperimentConfig

    key, sign, _ = incomplete.partition("=")
    known = list(_keys(ExperimentConfig))
    found = [one for one in known if (one == key if sign else one.startswith(key))]
    words = [f"{one}=" for one in found]
    if len(found) == 1:
        words += [f"{found[0]}={value}" for value in _values(_config(ctx), found[0])]
    yield from (word for word in words if word.startswith(incomplete))


def _keys(model: type[BaseModel], before: str = "") -> Iterator[str]:
    from pydantic import BaseModel

    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _keys(kind, f"{before}{name}.")
        elif before:
            yield f"{before}{name}"


def _values(config: Any, key: str) -> list[str]:
    """Return what a setting can be, or what it is where that is a number or a word."""
    *blocks, name = key.split(".")
    for block in blocks:
        config = getattr(config, block)
    kind, now = type(config).model_fields[name].annotation, getattr(config, name)
    if isinstance(now, bool):
        return ["true", "false"]
    words = [one for one in get_args(kind) if isinstance(one, str)]
    return words or ([str(now)] if isinstance(now, int | float | str) and now != "" else [])


def _snapshot(ctx: Any) -> Snapshot:
    from tuilab.store.reader import Reader

    typed = ctx.params.get("directory") or ctx.params.get("what") or ctx.params.get("one")
    return Reader(find_experiment(typed)).poll(0.0)


def _config(ctx: Any) -> Any:
    from tuilab.store.layout import Layout
    from tuilab.store.replan import read_config

    return read_config(Layout(find_experiment(ctx.params.get("directory"))).config).config


def _cells_or_jobs(known: Snapshot, incomplete: str) -> Iterator[str]:
    stages = dict.fromkeys(f"{name.partition('/')[0]}/" for name in known.statuses)
    jobs = known.statuses if "/" in incomplete else stages
    yield from (name for name in (*_cells(known), *jobs) if name.startswith(incomplete))


def _cells(known: Snapshot) -> Iterator[str]:
    seeds = len(known.seeds) > 1
    yield from (f"{source}@*" for source in known.sources)
    yield from (f"*@{epoch}" for epoch in known.epochs)
    for view in known.cells:
        cell = view.cell
        yield f"{cell.source}@{cell.epoch}" + (f"#{cell.seed}" if seeds else "")
