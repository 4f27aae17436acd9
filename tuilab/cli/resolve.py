"""Finds what people mean by DIR, CONFIG and CELL; the only place that guesses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from tuilab.cli.errors import USAGE, RefusalError
from tuilab.grid.metrics import MARKED, metric_keys, metric_named
from tuilab.grid.text import list_of
from tuilab.store.experiment_id import refuse_copy
from tuilab.store.find_experiments import RUNS, find_experiments, is_experiment, is_results_only
from tuilab.store.layout import Layout, slug
from tuilab.store.program_name import program, quoted
from tuilab.store.shipped import SHARED_PROMPTS, configs_dir
from tuilab.store.shipped import published_dir as published_dir

CONFIG_SUFFIX = ".toml"
PUBLISHED = "published"
"""Names the card's own results, which come with the package as a read-only experiment."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a DIR|CONFIG argument stands for."""

    root: Path | None = None
    """An experiment directory."""
    config: Path | None = None
    """A config file, when it is no experiment."""


def shipped_configs() -> list[Path]:
    """Return the config files that come with tuilab, without the shared prompts."""
    return sorted(p for p in configs_dir().glob("*.toml") if p.name != SHARED_PROMPTS)


def find_place(text: str) -> Place:
    """Return what DIR|CONFIG names: a path first, then a run's name, then a shipped config."""
    here = Path.cwd()
    if not text.strip():
        raise RefusalError("the name is empty: give an experiment's directory or a config", USAGE)
    path = Path(text).expanduser()
    if path.is_dir() and is_experiment(path):
        return Place(root=path)
    if path.is_file():
        if path.name == "experiment.toml" and is_experiment(path.parent):
            return Place(root=path.parent)
        if path.suffix != CONFIG_SUFFIX:
            raise RefusalError(
                f"{text} is neither an experiment's directory nor a config ({CONFIG_SUFFIX})", USAGE
            )
        return Place(config=path)
    if text == PUBLISHED:
        return Place(root=published_dir())
    if "/" not in text:
        named = here / RUNS / text
        if is_experiment(named):
            return Place(root=Path(RUNS) / text)
        for config in shipped_configs():
            if text in (config.name, config.stem):
                return Place(config=config)
    raise RefusalError(_explain_nothing(text, path, here), USAGE)


def is_place(text: str) -> bool:
    """Whether DIR|CONFIG names something."""
    try:
        find_place(text)
    except RefusalError:
        return False
    return True


def find_experiment(text: str | None) -> Path:
    """Return the experiment directory that DIR names; without DIR the newest one here."""
    if text is None:
        return newest_experiment(Path.cwd())
    place = find_place(text)
    if place.root is not None:
        return place.root
    raise RefusalError(
        f"{text} is a config, not an experiment: `{program()} run {quoted(text)}` makes one "
        "from it",
        USAGE,
    )


def find_grid(text: str | None) -> Path:
    """Return the experiment that DIR names; refuse one that holds results and no jobs."""
    root = find_experiment(text)
    refuse_results(root)
    return root


def find_own_grid(text: str | None) -> Path:
    """Return the experiment that DIR names, to act on it; refuse results and copies."""
    root = find_grid(text)
    refuse_copy(Layout(root))
    return root


def refuse_results(root: Path) -> None:
    """Raise RefusalError where there is nothing but results."""
    if is_results_only(root):
        raise RefusalError(
            f"{root.name} has results only and no jobs: use table, plot, claims or report"
        )


def newest_experiment(here: Path) -> Path:
    """Return the experiment with the newest sign of life in or below a folder."""
    if is_experiment(here):
        return here
    found = find_experiments(here)
    if not found:
        raise RefusalError(
            f"no experiment in {here} or {here / RUNS}: `{program()} demo` makes one", USAGE
        )
    return found[0].root


def run_directory(name: str, chosen: str | None) -> Path:
    """Return the folder for a config's experiment: ``--dir``, else runs/<name> here."""
    return Path(chosen).expanduser() if chosen else Path(RUNS) / slug(name)


def output_folder(text: str) -> Path:
    """Return the folder that ``--out`` names; refuse a file."""
    folder = Path(text).expanduser()
    if folder.exists() and not folder.is_dir():
        raise RefusalError(f"--out {text} is a file: name a folder", USAGE)
    return folder


def text_of(file: str, hint: str = "") -> str:
    """Read a text file that was named; ``hint`` is for a name that is of no file."""
    path = Path(file).expanduser()
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        more = f"; {hint}" if hint and not path.exists() else ""
        raise RefusalError(f"{file}: {error.strerror}{more}", USAGE) from error
    except UnicodeDecodeError as error:
        raise RefusalError(f"{file}: not a text file", USAGE) from error


def find_metric(text: str, measured: Sequence[str] = MARKED) -> str:
    """Return the metric of this key or short name, the headline for ""; or say which there are."""
    try:
        return metric_named(text, metric_keys(measured))
    except ValueError as error:
        raise RefusalError(str(error), USAGE) from None


def _explain_nothing(text: str, path: Path, here: Path) -> str:
    if path.is_dir():
        return (
            f"{text} is a directory without an experiment: `{program()} run CONFIG` makes one, "
            f"`{program()}` lists the ones here"
        )

    known = [str(found.root.relative_to(here)) for found in find_experiments(here)]
    known += [*(config.stem for config in shipped_configs()), PUBLISHED]
    near = get_close_matches(text, known + [Path(name).name for name in known], n=1, cutoff=0.6)
    hint = f" (did you mean {near[0]}?)" if near else f". Known here: {list_of(known)}"
    return f"no experiment or config named {text}{hint}"
