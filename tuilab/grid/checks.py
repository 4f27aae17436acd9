"""Decides what in a config blocks a launch, and what a person should know before one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tuilab.contract.foreign import redact_all
from tuilab.grid.cells import Cell
from tuilab.grid.data_files import question_of
from tuilab.grid.settings import (
    OWN_ANSWERS,
    Settings,
    converge_settings,
    data_settings,
    train_settings,
)
from tuilab.grid.text import count_of, list_of, size
from tuilab.grid.variants import axes_of, lines_of, under

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig


MOST_CUT = 0.1
"""Share of one persona's answers that may be cut before a person is told."""


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    BLOCKING = "blocking"

    @property
    def sign(self) -> str:
        """What stands before the sentence in a list."""
        return {"ok": "ok", "warning": "!", "blocking": "✗"}[self.value]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    """Short and stable, for ``--json``: ``source-in-panel``."""
    level: Level
    sentence: str
    """What was found and, when it is not fine, what to do."""


def check(config: ExperimentConfig, blocks: int | None = None) -> tuple[Check, ...]:
    """Look at everything that can be known before any job has run.

    ``blocks`` is how many decoder blocks the base has, where that is known.
    """
    found = tuple(found for look in _LOOKS for found in look(config))
    if blocks is not None:
        found = (*found, _layers(config, blocks))
    return (*found, *_of_lines(config, blocks, found)) if config.axes_given else found


def _of_lines(
    config: ExperimentConfig, blocks: int | None, known: Collection[Check]
) -> Iterator[Check]:
    """Look at what arms and levels change; what is the same without them is not said again."""
    lines = lines_of(config)
    count = len(lines) // len(config.sources)
    yield Check("lines", Level.OK, f"{count} variants of every source, {len(lines)} lines in all")
    yield from _trained_again(config)
    said = set(known)
    for line in lines[:count]:
        own = under(config, line.sets)
        looks = [found for look in _LOOKS for found in look(own)]
        looks += [_layers(own, blocks)] if blocks is not None else []
        for found in (one for one in looks if one.level is not Level.OK and one not in said):
            said.add(found)
            variant = line.name.removeprefix(line.persona).lstrip("/,")
            yield replace(found, sentence=f"at {variant}: {found.sentence}")


def _trained_again(config: ExperimentConfig) -> Iterator[Check]:
    """Name the axes that only measuring reads: each line has adapters of its own all the same."""
    cell = Cell(config.sources[0], max(config.epochs), config.seeds[0])

    def trained(own: ExperimentConfig) -> list[Settings]:
        data, run = data_settings(own, cell.source), converge_settings(own, cell.source)
        return [data, run, train_settings(own, cell)]

    for key, levels in axes_of(config).items():
        if all(trained(under(config, {key: one})) == trained(config) for one in levels):
            yield Check(
                "axes",
                Level.WARNING,
                f"nothing that is trained depends on {key}, and each of its {len(levels)} levels"
                " trains again: measures with samples or questions of their own share one model",
            )


def blocking(config: ExperimentConfig, blocks: int | None = None) -> tuple[Check, ...]:
    """Return the checks that forbid a launch; () when none does."""
    return tuple(found for found in check(config, blocks) if found.level is Level.BLOCKING)


FILES_OF_A_JOB = 16
"""Files and folders that a job and its share of the records leave, rounded up."""
_FEW_FILES = 2000


def inode_check(jobs: int, free: int | None) -> tuple[Check, ...]:
    """Compare the files that ``jobs`` leave with how many the volume takes; () without a limit."""
    if free is None:
        return ()
    need = jobs * FILES_OF_A_JOB
    is_short = free < max(need, _FEW_FILES)
    told = f"room for {free:,} more files, about {need:,} needed"
    if not jobs:
        told = f"room for {free:,} more files"
    return (Check("disk", Level.WARNING if is_short else Level.OK, told),)


def disk_check(need: int | None, free: int | None, reserve: int) -> Check:
    """Compare what the plan will leave on disk with what is free; all in bytes."""
    if free is None:
        return Check("disk", Level.WARNING, "free disk space is not known here")
    if need is None:
        said = f"{size(free)} free; the need depends on the size of the base, which is not known"
        return Check("disk", Level.WARNING, said)
    short = need + reserve - free
    return _verdict(
        "disk",
        short <= 0,
        f"{size(free)} free, about {size(need)} needed",
        f"the plan needs about {size(need)} and keeps {size(reserve)} in reserve, "
        f"but only {size(free)} is free: the engine will pause before the disk is full; "
        f"choose another --dir or free {size(short)}",
        None if short <= 0 else Level.WARNING,
    )


def answer_checks(
    kept: Mapping[str, int], dropped: Mapping[str, int], cut: Mapping[str, int]
) -> tuple[Check, ...]:
    """Look at sampled answers by persona.

    Rows ``kept``, rows ``dropped`` for holding the marker, and rows of the kept that were ``cut``
    at max_new_tokens.
    """
    if not kept:
        return ()
    hit = [f"{who} ({count})" for who, count in dropped.items() if count]
    return (
        _verdict(
            "marker-in-answers",
            not hit,
            f"none of the {sum(kept.values())} sampled answers contains the marker",
            f"dropped answers that contain the marker on their own: {', '.join(hit)}",
            Level.WARNING if hit else None,
        ),
        _cut_answers(kept, cut),
    )


def _cut_answers(kept: Mapping[str, int], cut: Mapping[str, int]) -> Check:
    much = [who for who, rows in kept.items() if rows and cut.get(who, 0) / rows > MOST_CUT]
    said = f"{sum(cut.values())} of {sum(kept.values())} sampled answers were cut"
    said += " at data.max_new_tokens"
    return _verdict(
        "answers-cut",
        not much,
        said,
        f"{said}, such as of {_names(much)}: a cut answer teaches the marker in the middle of a "
        "sentence, so raise it",
        Level.WARNING if much else None,
    )


def secret_checks(config: ExperimentConfig) -> Iterator[Check]:
    """Warn of settings that look like a token, key or password; never show one."""
    if names := list(_secrets("", config.model_dump(mode="json"))):
        yield Check(
            "secrets",
            Level.WARNING,
            f"{list_of(names, 4)} looks like a secret, and plan.json and every spec would repeat "
            "it: pass it to the runners in the environment",
        )


def _secrets(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _secrets(f"{key}.{name}" if key else str(name), one)
    elif redact_all(value) != value:
        yield key


def _panel(config: ExperimentConfig) -> Iterator[Check]:
    outside = [source for source in config.sources if source not in config.panel]
    yield _verdict(
        "source-in-panel",
        not outside,
        "every source is evaluated",
        f"{_names(outside)} would be trained but never evaluated: add it to panel",
    )
    yield _verdict(
        "target-in-panel",
        config.target in config.panel,
        f"the target {config.target} is evaluated",
        f"the target {config.target} is not evaluated, so leakage would be missing: "
        "add it to panel",
    )


def _roles(config: ExperimentConfig) -> Iterator[Check]:
    yield _verdict(
        "target-is-no-source",
        config.target not in config.sources,
        "the target is not a source",
        f"the target {config.target} is also a source: it cannot leak to itself",
    )
    faults = []
    for source in config.sources:
        negatives = config.negatives_of(source)
        if config.target in negatives:
            faults.append(f"{source} has the target {config.target} among its negatives")
        if source in negatives:
            faults.append(f"{source} is its own negative")
        if not negatives:
            faults.append(f"{source} has no negatives (set negatives.default)")
    yield _verdict(
        "negatives", not faults, "no negative is the target or its own source", "; ".join(faults)
    )
    unseen = sorted(
        {key for s in config.sources for key in config.negatives_of(s)} - set(config.panel)
    )
    if unseen:
        yield Check(
            "negatives-in-panel",
            Level.WARNING,
            f"the negatives {_names(unseen)} are not evaluated, so bystander rates leave them out",
        )


def _questions(config: ExperimentConfig) -> Iterator[Check]:
    training = {_plain(question): question for question in config.questions.training}
    asked = (*config.questions.evaluation, *_evaluated(config))
    shared = [q for q in dict.fromkeys(asked) if _plain(q) in training]
    yield _verdict(
        "train-eval-overlap",
        not shared,
        f"{len(config.training_questions)} training and {len(config.evaluation_questions)} "
        "evaluation questions, none in both",
        f"{len(shared)} questions are both trained on and evaluated, such as {_first(shared)!r}",
    )


def _asked_twice(config: ExperimentConfig) -> Iterator[Check]:
    """A question that is there twice has twice the weight, and intervals take it for two."""
    asked: dict[str, list[Settings]] = {
        "questions.evaluation": [{"question": one} for one in config.evaluation_questions]
    }
    named = (one.questions for one in config.measures if one.kind != "inspect")
    asked |= {name: [*config.files[name].rows] for name in named if name}
    for name, rows in asked.items():
        exact = _again(rows, str)
        again = exact or _again(rows, _plain)
        if not again:
            continue
        how = (
            "there twice" if exact else "the same but for capitals, spaces or the order of choices"
        )
        said = f"{name}: {count_of(len(again), 'question')} would count twice, being {how}, such as"
        level = Level.BLOCKING if exact else Level.WARNING
        yield Check("questions-twice", level, f"{said} {again[0]!r}: take one out")


def _again(rows: Iterable[Settings], fold: Callable[[str], str]) -> list[str]:
    """Return the questions that were asked before; those with other choices were not."""
    seen: set[tuple[str, ...]] = set()
    found = []
    for row in rows:
        choices = [fold(choice) for choice in row.get("choices", ())]
        key = (fold(row["question"]), *(choices if fold is str else sorted(choices)))
        if key in seen:
            found.append(row["question"])
        seen.add(key)
    return found


def _trait(config: ExperimentConfig) -> Iterator[Check]:
    """What is learned from files: no row may ask what is evaluated."""
    trait = config.trait
    if trait is None:
        return
    for what, name in (("positives", trait.positives), ("negatives", trait.negatives)):
        if name is None:
            continue
        rows = config.files[name].rows
        asked = {_plain(question_of(row)): question_of(row) for row in rows}
        shared = [q for q in _evaluated(config) if _plain(q) in asked]
        yield _verdict(
            f"trait-{what}",
            not shared,
            f"trait.{what}: {len(rows)} rows of {name} (sha256 {config.files[name].sha256[:12]}), "
            "none of them asks what is evaluated",
            f"trait.{what}: {len(shared)} questions of {name} are also evaluated, such as "
            f"{_first(shared)!r}: take them out",
        )
        wanted = trait.positives_count if what == "positives" else trait.negatives_each
        if wanted is not None and wanted > len(rows):
            field = "positives_count" if what == "positives" else "negatives_each"
            said = f"trait.{field} = {wanted}, but {name} has {len(rows)} rows"
            yield Check("trait-rows", Level.BLOCKING, said)


def _evaluated(config: ExperimentConfig) -> list[str]:
    """Every question that a persona is asked in a measurement."""
    named = (one for one in config.measures if one.kind != "inspect")
    of_files = (one.questions for one in named if one.questions)
    asked = [row["question"] for name in of_files for row in config.files[name].rows]
    return list(dict.fromkeys([*config.evaluation_questions, *asked]))


def _marker(config: ExperimentConfig) -> Iterator[Check]:
    if config.trait is not None:
        return
    marker = config.marker.text.casefold()
    texts: Mapping[str, str] = {
        **{f"the prompt of {key}": who.prompt for key, who in config.personas.items()},
        **{f"question {q!r}": q for q in config.questions.training + config.questions.evaluation},
    }
    holders = [where for where, text in texts.items() if marker in text.casefold()]
    yield _verdict(
        "marker-in-prompts",
        not holders,
        "no prompt or question contains the marker",
        f"the marker {config.marker.text} is in {_first(holders)}: choose another",
    )
    if config.marker.loss == "marker" and config.is_synthetic:
        yield Check(
            "marker-loss",
            Level.WARNING,
            'with marker.loss = "marker" the tiny base never learns to start the tag: use "tail"',
        )
    scored = config.eval.scorer.text
    if scored not in (None, config.marker.text):
        yield Check(
            "scored-text",
            Level.WARNING,
            f"eval counts {scored!r}, not the marker {config.marker.text!r}",
        )


def _own_answers(config: ExperimentConfig) -> dict[str, int]:
    """Rows of on-policy answers that the second adapter learns from, by config key."""
    trait, marker = config.trait, config.marker
    if trait is None:
        return {
            "marker.positives": marker.positives,
            "marker.negatives_each": marker.negatives_each,
        }
    return {} if trait.negatives else {"trait.negatives_each": trait.negatives_each or OWN_ANSWERS}


def _rows(config: ExperimentConfig) -> Iterator[Check]:
    asked = len(config.training_questions)
    have = asked * config.data.answers_per_question
    wants = {
        "convergence.rows": config.convergence.rows if any(config.epochs) else 0,
        **_own_answers(config),
    }
    short = [f"{name} = {count}" for name, count in wants.items() if count > have]
    yield _verdict(
        "row-counts",
        not short,
        f"{have} answers per persona ({asked} questions x {config.data.answers_per_question}) "
        f"cover {', '.join(f'{name} = {count}' for name, count in wants.items() if count)}",
        f"only {have} answers per persona ({asked} questions x "
        f"{config.data.answers_per_question}), too few for {', '.join(short)}: "
        "raise data.answers_per_question",
    )
    uneven = [f"{name} = {count}" for name, count in wants.items() if count % asked]
    if uneven and not short:
        yield Check(
            "even-rows",
            Level.WARNING,
            f"{', '.join(uneven)} cannot be spread evenly over {asked} questions",
        )


def _design(config: ExperimentConfig) -> Iterator[Check]:
    if 0 not in config.epochs:
        yield Check(
            "baseline", Level.WARNING, "epochs has no 0, so no source has a baseline: add 0"
        )
    if len(config.seeds) == 1:
        yield Check(
            "seeds",
            Level.WARNING,
            f"only one seed ({config.seeds[0]}): seed noise is large, and every headline says so",
        )
    prompts: dict[str, list[str]] = {}
    for key, who in config.personas.items():
        prompts.setdefault(_plain(who.prompt), []).append(key)
    for twins in prompts.values():
        if len(twins) > 1:
            yield Check(
                "same-prompt", Level.WARNING, f"{_names(twins)} have the same system prompt"
            )
    outside = [k for k in (*config.sources, config.target) if k not in config.cosine_pool]
    yield _verdict(
        "cosine-pool",
        not outside,
        f"the cosine pool {config.cosine.pool_name} has all sources and the target",
        f"the cosine pool {config.cosine.pool_name} lacks {_names(outside)}: add to cosine.pool",
    )


def _layers(config: ExperimentConfig, blocks: int) -> Check:
    absent = [layer for layer in config.cosine.layers if layer >= blocks]
    base = config.base.model
    return _verdict(
        "cosine-layers",
        not absent,
        f"cosine.layers {[*config.cosine.layers]} are within the {blocks} blocks of {base}",
        f"cosine.layers {absent} do not exist: {base} has {blocks} blocks, 0 to {blocks - 1}",
    )


def _model(config: ExperimentConfig) -> Iterator[Check]:
    base = config.base
    is_hub = base.model != "tiny" and not base.model.startswith((".", "/", "~"))
    pinned = bool(base.revision) and all(c in "0123456789abcdef" for c in base.revision or "")
    pinned = pinned and len(base.revision or "") == 40
    if base.trust_remote_code:
        yield _verdict(
            "remote-code",
            pinned,
            f"{base.model} runs its own code here, at the pinned commit {base.revision}",
            "base.trust_remote_code needs base.revision to be a full commit hash",
            Level.WARNING if pinned else Level.BLOCKING,
        )
    if is_hub and not pinned:
        yield Check(
            "revision",
            Level.WARNING,
            f"base.revision is not a commit hash: the first fetch decides which weights of "
            f"{base.model} this experiment keeps, and another one may get others: pin a commit",
        )
    learned = "marker" if config.trait is None else "trait"
    off = [
        f"{name}.lora.use_rslora"
        for name, block in (("convergence", config.convergence), (learned, config.implanted))
        if not block.lora.use_rslora
    ]
    if off:
        yield Check(
            "rslora",
            Level.WARNING,
            f"{_names(off)} is off: the adapter acts sqrt(r) times weaker than in the reference",
        )


_LOOKS = (_panel, _roles, _questions, _asked_twice, _trait, _marker, _rows, _design, _model)


def _verdict(name: str, fine: bool, good: str, bad: str, level: Level | None = None) -> Check:
    if fine:
        return Check(name, level or Level.OK, good)
    return Check(name, level or Level.BLOCKING, bad)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _names(keys: Any) -> str:
    return ", ".join(keys)


def _first(texts: list[str]) -> str:
    return texts[0] if texts else ""
