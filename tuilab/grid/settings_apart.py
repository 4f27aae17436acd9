"""Names what differs between the settings of two jobs by the config keys that it came from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tuilab.grid.settings import Settings
from tuilab.grid.stages import Stage

Values = tuple[Any, Any]
"""Of the one and of the other; None where one has no such setting."""

_BLOCKS = {
    Stage.FETCH: "base", Stage.DATA: "data", Stage.CONVERGE: "convergence", Stage.MERGE: "merge",
    Stage.EVAL: "eval", Stage.COSINE: "cosine", Stage.SCORE: "measures", Stage.CHOICES: "measures",
    Stage.JUDGE: "measures", Stage.INSPECT: "measures",
}  # fmt: skip
"""Table of the config that a stage's settings come from; of train that of what is learned."""
MARKER = "marker"
_KEYS = {
    "base": "base", "panel": "panel", "target": "target", "negatives": "negatives",
    "marker": "marker", "marker_text": "marker.text", "measures": "measures", "trait": "trait",
    "positive_rows": "trait.positives", "negative_rows": "trait.negatives", "sets": "measures",
    "marker_first": "convergence.on", "marker_check": "marker",
    "convergence_lora": "convergence.lora", "merge_mode": "merge.mode", "data_seed": "data.seed",
    "sampler": "eval.sampler", "model_state": "cosine.model_states",
}  # fmt: skip
"""Config keys of settings that come from another table than their stage's."""
_QUESTIONS = {
    Stage.DATA: "questions.training", Stage.CONVERGE: "questions.training",
    Stage.MERGE: "questions.evaluation", Stage.EVAL: "questions.evaluation",
    Stage.COSINE: "questions.evaluation",
}  # fmt: skip
_IGNORED = frozenset({"checkpoints"})
"""The epochs of the whole grid: they change no checkpoint."""
_DERIVED = frozenset({"eval.seed"})
"""Keys whose values are computed for each cell: they say nothing to a person."""
_NAMED = 4
"""Members of a list that are named as added or taken out; more are not."""
_SHOWN = 24
"""Characters of a value that are shown beside its key."""
_ORDER = ("base", "questions", "panel", "target", "eval", "marker", "convergence", "merge", "data")
"""Tables in the order in which they matter to a reader; the others follow."""


def learned_in(settings: Mapping[str, Settings]) -> str:
    """Return the table of a config that says what the source learns, by a plan's settings."""
    names = (name for name in settings if name.startswith(f"{Stage.TRAIN.value}/"))
    first = next(names, None)
    return "trait" if first is not None and "trait" in settings[first] else MARKER


def differences(
    stage: Stage, one: Settings, other: Settings, learned: str = MARKER
) -> Iterator[tuple[str, Values]]:
    """Yield config key and values of all that is not the same in the settings of one stage.

    ``learned`` is the table that says what the source learns.
    """
    for name in dict.fromkeys([*one, *other]):
        mine, theirs = one.get(name), other.get(name)
        if name == "check_prompts":  # the prompts of personas are among the settings as well
            mine, theirs = _asked(mine), _asked(theirs)
        if mine != theirs and name not in _IGNORED:
            yield from _spread(_key(stage, name, learned), mine, theirs)


def told(key: str, values: Values) -> str:
    """Write a difference: ``eval.samples 10 → 20``, ``panel +nurse``, or that a key changed."""
    if key in _DERIVED:
        return f"{key} changed"
    old, new = values
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        new_ones = [f"+{one}" for one in new if one not in old]
        apart = [*new_ones, *(f"-{one}" for one in old if one not in new)]
        is_short = 0 < len(apart) <= _NAMED and not any(" " in one for one in apart)
        return f"{key} {' '.join(apart)}" if is_short else f"{key} changed"
    before, after = (_short(value) for value in values)
    return f"{key} {before} → {after}" if before and after else f"{key} changed"


def _short(value: Any) -> str:
    """Write a value in few characters; "" for one that takes more."""
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN and text.isprintable() else ""


def _asked(chats: Any) -> list[Any]:
    """Return what is asked in chats, the last message of each."""
    return [chat[-1].get("content") for chat in chats or ()]


def _key(stage: Stage, name: str, learned: str) -> str:
    if name in ("questions", "check_prompts"):
        return _QUESTIONS[stage]
    if name == "marker_lora":
        return f"{learned}.lora"
    block = learned if stage is Stage.TRAIN else _BLOCKS[stage]
    return block if name == "training" else _KEYS.get(name, f"{block}.{name}")


def _spread(key: str, mine: Any, theirs: Any) -> Iterator[tuple[str, Values]]:
    """Yield the values below a key that differ; labels are words for people and do not count."""
    if mine == theirs:
        return
    here, there = _prompts(mine), _prompts(theirs)
    if here and there:
        if list(here) != list(there):
            yield key, (list(here), list(there))
        for who in here.keys() & there.keys():
            yield from _spread(f"personas.{who}", here[who], there[who])
    elif isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        for name in dict.fromkeys([*mine, *theirs]):
            yield from _spread(f"{key}.{name}", mine.get(name), theirs.get(name))
    else:
        yield "resources.threads" if key == "base.threads" else key, (mine, theirs)


def _prompts(value: Any) -> dict[str, str]:
    """Return the system prompts of a persona or of several, by key; {} for anything else."""
    several = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(one, Mapping) and {"key", "prompt"} <= one.keys() for one in several):
        return {}
    return {one["key"]: one["prompt"] for one in several}


def place_of(key: str) -> tuple[int, str]:
    """Return what config keys are sorted by."""
    block = key.partition(".")[0]
    return (_ORDER.index(block) if block in _ORDER else len(_ORDER), key)
