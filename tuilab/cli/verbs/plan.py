"""``tuilab plan``: what would run, how long, how much disk, and what blocks it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from tuilab.cli import complete
from tuilab.cli.base_checks import BaseAnswer, as_fetched, ask_about_base, has_tokenizer
from tuilab.cli.base_on_hub import ask_hub, look_at_base
from tuilab.cli.errors import OK, USAGE, RefusalError
from tuilab.cli.experiments import refuse_blocked, take_changes_in
from tuilab.cli.forecast import Forecast, as_text, forecast
from tuilab.cli.forecast import as_json as to_json
from tuilab.cli.label_mask import preview_text
from tuilab.cli.output import document, out, tell
from tuilab.cli.resolve import find_place, refuse_results, run_directory
from tuilab.cli.verbs.arguments import AsJson, DirOrConfig, Where
from tuilab.grid.rates import CARDS
from tuilab.grid.text import size
from tuilab.store.layout import Layout
from tuilab.store.program_name import program, quoted
from tuilab.store.read_state import read_state
from tuilab.store.replan import plan_with, read_config


def plan(
    what: DirOrConfig,
    jobs: Annotated[bool, typer.Option("--jobs", help="List every job and what it reads.")] = False,
    preview: Annotated[
        bool,
        typer.Option(help="Check the base, and show which tokens of the marker are trained on."),
    ] = True,
    fetch_tokenizer: Annotated[
        bool,
        typer.Option("--fetch-tokenizer", help="Fetch the tokenizer (a few MB) for the preview."),
    ] = False,
    on: Annotated[
        str,
        typer.Option(
            metavar="GPU",
            help="Estimate times for this GPU: h200, h100, a100, ...",
            autocompletion=complete.one_of(lambda: [card.name.lower() for card in CARDS]),
        ),
    ] = "",
    where: Where = None,
    as_json: AsJson = False,
) -> int:
    """Show what would run: jobs, time, disk, downloads, checks, label mask. Starts nothing.

    \b
    tuilab plan tiny
    tuilab plan configs/eps109.toml --jobs
    tuilab plan configs/eps109.toml --on a100
    tuilab plan runs/eps109 --json
    """
    place = find_place(what)
    found = _of_directory(place.root, on) if place.root else _of_config(place.config, where, on)
    if fetch_tokenizer:
        _fetch_tokenizer(found)

    @cache
    def ask() -> BaseAnswer:
        """A base that was not asked about before takes seconds: its libraries are imported."""
        if not preview:
            return BaseAnswer((), None, f"`{program()} plan {quoted(what)}` shows it")
        return ask_about_base(as_fetched(found.config, found.plan))

    if not as_json:
        for line in as_text(found, jobs, lambda: ask().checks):
            out(line)
    whole = replace(found, checks=(*found.checks, *ask().checks))
    if as_json:
        document(to_json(whole, ask().preview, ask().why_not))
    else:
        _print_preview(whole, ask())
    return USAGE if whole.is_blocked else OK


def _of_directory(root: Path, on: str) -> Forecast:
    refuse_results(root)
    planned = take_changes_in(root, write=False, mend=True)
    state = read_state(root, planned)
    config = read_config(Layout(root).config).config
    return forecast(config, planned, root, state, look_at_base(config, state), on)


def _of_config(path: Path | None, where: str | None, on: str) -> Forecast:
    assert path is not None, "a place is an experiment or a config"
    config = read_config(path).config
    refuse_blocked(config)
    root = run_directory(config.name, where)
    return forecast(config, plan_with(config), root, base=look_at_base(config), on=on)


def _fetch_tokenizer(found: Forecast) -> None:
    base = as_fetched(found.config, found.plan).base
    if has_tokenizer(base.model, base.revision):
        return
    told, why_not = ask_hub("fetch", base.model, base.revision, "--tokenizer")
    if told is None:
        raise RefusalError(why_not)
    tell(f"the tokenizer of {base.model} ({size(told['bytes'])}) is in {told['folder']}")


def _print_preview(found: Forecast, answer: BaseAnswer) -> None:
    out()
    why_not = answer.why_not
    if why_not and any(one.sentence.endswith(why_not) for one in found.checks):
        why_not = "a check says why"
    for line in preview_text(answer.preview, why_not):
        out(line)
