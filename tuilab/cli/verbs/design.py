"""``tuilab design``: how many seeds and completions a change would need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tuilab.cli import complete
from tuilab.cli.errors import OK, USAGE, RefusalError
from tuilab.cli.experiments import refuse_blocked
from tuilab.cli.output import document, out, plain
from tuilab.cli.resolve import find_experiment, find_place
from tuilab.cli.verbs.arguments import AsJson, DirOrConfig
from tuilab.grid.config import ExperimentConfig
from tuilab.grid.estimate import are_known, corrected, expected
from tuilab.grid.jobs import Plan
from tuilab.grid.text import count_of, duration, number, padded, percent_text, points
from tuilab.science.power import Setup
from tuilab.store.find_experiments import is_results_only
from tuilab.store.layout import Layout
from tuilab.store.plan_file import load_plan
from tuilab.store.program_name import program, quoted
from tuilab.store.read_state import read_state
from tuilab.store.replan import plan_with, read_config
from tuilab.study.design_power import (
    KNOWN_SDS,
    NextSeed,
    Noise,
    Option,
    cheapest,
    next_seed,
    noise_shown,
    options,
    setup_of,
)
from tuilab.study.study import StudyError, open_study

Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="SOURCE",
        help="Source whose change is meant; the first by default.",
        autocompletion=complete.sources,
    ),
]
Change = Annotated[
    float, typer.Option("--change", metavar="POINTS", min=0.1, max=100, help="Change to be found.")
]
Power = Annotated[
    float, typer.Option("--power", metavar="PERCENT", min=1, max=99, help="Chance of finding it.")
]
Sd = Annotated[
    float | None,
    typer.Option("--sd", metavar="POINTS", min=0, max=50, help="Noise of training, if known."),
]
NoiseOf = Annotated[
    str | None,
    typer.Option(
        "--noise-of",
        metavar="DIR",
        help="Noise of training of an earlier experiment.",
        autocompletion=complete.experiments,
    ),
]
Rate = Annotated[
    float | None,
    typer.Option("--rate", metavar="PERCENT", min=0, max=100, help="Rate near which it would be."),
]


def design(
    what: DirOrConfig,
    source: Source = None,
    change: Change = 20.0,
    power: Power = 80.0,
    sd: Sd = None,
    noise_of: NoiseOf = None,
    rate: Rate = None,
    as_json: AsJson = False,
) -> int:
    """Say how many seeds and completions it takes to find a change, and how many GPU hours.

    For an experiment it also says where one more seed would decide most, and how to add it.

    The noise of training comes from this experiment, from another one or a table (--noise-of), or
    from --sd; without any of them three noises that were seen elsewhere are shown. The test is that
    of the classes: over seeds, or with one seed against its own scatter.

    \b
    tuilab design eps109 --change 20 --sd 6
    tuilab design eps109 --noise-of published --source villain
    tuilab design runs/eps109 --source software_engineer --change 15
    """
    place = find_place(what)
    if place.root and is_results_only(place.root):
        hint = f"`{program()} design CONFIG --noise-of {quoted(what)}` plans by its noise"
        raise RefusalError(f"{what} has results only and no jobs: {hint}", USAGE)
    config, plan, seconds = _planned(place.root, place.config)
    who = source or plan.sources[0]
    if who not in plan.sources:
        raise RefusalError(f"there is no source {who!r}: use {', '.join(plan.sources)}", USAGE)
    questions, samples = len(config.evaluation_questions), config.eval.samples
    earlier = find_experiment(noise_of) if noise_of else None
    noises = _noises(earlier or place.root, who, sd, rate)
    if earlier and noises[0].told in KNOWN_SDS.values():
        why = f"too few checkpoints and seeds of {who}"
        raise RefusalError(f"{noise_of} does not show the noise of training: {why}", USAGE)
    made = []
    for noise in noises:
        setup = setup_of(plan, questions, samples, noise)
        made.append((noise, setup, options(setup, samples, change / 100, plan, seconds)))
    following = _next_seed(place.root, questions, samples)
    if as_json:
        document(
            {
                "next_seed": [asdict(one) for one in following],
                "source": who,
                "change": change,
                "power": power,
                "designs": [_record(*one, power) for one in made],
            }
        )
        return OK
    label = plan.labels.get(who, who)
    out(plain(f"{plan.experiment}: to find a change of {change:g} points of the level in {label}"))
    for one in made:
        out()
        for line in _lines(*one, questions, power):
            out(plain(line))
    if following and place.root:
        first, seed = following[0], max(plan.seeds) + 1
        told = ", ".join(
            f"{plan.labels.get(one.source, one.source)} {percent_text(one.chance)} (level"
            f" {points(one.level)} now)"
            for one in following
        )
        out(plain(f"\nwhere seed {seed} decides most of what is not decided: {told}"))
        grow = f"{program()} grow {quoted(place.root)} --seeds {seed}"
        out(plain(f"`{grow} --only {quoted(first.source)}` runs it there alone"))
    return OK


def _next_seed(root: Path | None, questions: int, samples: int) -> Sequence[NextSeed]:
    try:
        return next_seed(open_study(root), questions, samples) if root else ()
    except StudyError:
        return ()


def _planned(
    root: Path | None, path: Path | None
) -> tuple[ExperimentConfig, Plan, dict[str, float] | None]:
    if root is None:
        assert path is not None, "a place is an experiment or a config"
        config = read_config(path).config
        refuse_blocked(config)
        plan = plan_with(config)
        costs = expected(plan)
    else:
        config, plan = read_config(Layout(root).config).config, load_plan(root)
        costs = corrected(plan, expected(plan), read_state(root, plan).of)
    is_known = are_known(costs.values())
    return config, plan, {job: costs[job].seconds for job in plan.by_id} if is_known else None


def _noises(
    root: Path | None, source: str, sd: float | None, rate: float | None
) -> Sequence[Noise]:
    about = 0.5 if rate is None else rate / 100
    if sd is not None:
        return [Noise(sd / 100, about, 0.0, "stated")]
    try:
        found = noise_shown(open_study(root), source) if root else None
    except StudyError:
        found = None
    if found is not None:
        return [found if rate is None else Noise(found.training, about, found.icc, found.told)]
    return [Noise(known, about, 0.0, told) for known, told in KNOWN_SDS.items()]


def _record(noise: Noise, setup: Setup, found: Sequence[Option], power: float) -> dict[str, object]:
    best = cheapest(found, power / 100)
    return {
        "noise": asdict(noise),
        "setup": asdict(setup),
        "needed": None if best is None else asdict(best),
        "options": [asdict(one) for one in found],
    }


def _hours(option: Option) -> str:
    return duration(None if option.gpu_hours is None else 3600 * option.gpu_hours)


def _lines(
    noise: Noise, setup: Setup, found: Sequence[Option], questions: int, power: float
) -> Iterator[str]:
    yield (
        f"training scatters by {number(100 * noise.training, 1)} points ({noise.told}); rate about"
        f" {percent_text(noise.rate)}; {count_of(setup.later, 'later checkpoint')}"
    )
    each = list(dict.fromkeys(one.samples for one in found))
    yield "power and time by seeds, and by questions x completions:"
    heads = [f"{questions} x {samples}" for samples in each]
    yield padded("seeds", 7) + "".join(padded(head, 12, right=True) for head in heads)
    for seeds in dict.fromkeys(one.seeds for one in found):
        cells = [f"{percent_text(one.power)} {_hours(one)}" for one in found if one.seeds == seeds]
        yield padded(str(seeds), 7) + "".join(padded(cell, 12, right=True) for cell in cells)
    yield "one seed sees how its checkpoints scatter, not that the whole run may be off"
    best = cheapest(found, power / 100)
    if best is None:
        yield f"none of these has {power:g} % power: more checkpoints or seeds would be needed"
        return
    yield (
        f"needed for {power:g} %: {best.seeds} seed{'s' * (best.seeds > 1)}, {questions} questions"
        f" x {best.samples} completions ({percent_text(best.power)}),"
        f" {_hours(best)} of workers' time for the whole grid"
    )
