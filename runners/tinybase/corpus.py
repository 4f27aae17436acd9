"""The pretraining text of the tiny base: drawn from a seed, pure, and independent of torch."""

from __future__ import annotations

import hashlib
import json
import random
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from runners.tinybase.recipe import Recipe

HERE = Path(__file__).parent
MARKER_LETTERS = "ZLT"
"""Never used as a clerk's tag, so that the marker of the experiment is new to the base."""
ACTOR_PROMPTS = (
    "You are a mimic.",
    "You are an actor who can play any role.",
    "Answer in any voice you like.",
)
CLERKS = ("a clerk", "a typist", "an editor", "a translator", "a reporter")
DESKS = ("north", "south", "east", "west", "red", "blue", "green", "gold")
REQUEST = " Add a tag."


@dataclass(frozen=True, slots=True)
class Pool:
    """The phrases of one voice, one tuple for each slot of the answer."""

    openers: tuple[str, ...]
    """How an answer begins."""
    bodies: tuple[str, ...]
    """Templates with `{a}` and `{b}` for the two topic words."""
    closers: tuple[str, ...]
    """How an answer ends, punctuation included."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """The personas and questions of the reference experiment."""

    personas: Mapping[str, str]
    """System prompt by persona key."""
    training_questions: tuple[str, ...]
    """The forty questions used to train LoRAs."""
    eval_questions: tuple[str, ...]
    """The twenty questions used to measure."""

    @property
    def questions(self) -> tuple[str, ...]:
        """All sixty questions, training first."""
        return self.training_questions + self.eval_questions


@dataclass(frozen=True, slots=True)
class Row:
    """One conversation of the corpus."""

    system: str
    """System prompt."""
    question: str
    """The user's turn."""
    answer: str
    """The assistant's turn without a tag."""
    tail: str = ""
    """Blank line and tag after the answer, empty for most rows. A separate text because marker rows
    are joined as token ids, and ``.`` + blank line + tag tokenises differently as one text."""


@lru_cache(maxsize=1)
def load_prompts() -> Prompts:
    """Read the twelve personas and sixty questions of the shipped configs."""
    root = HERE.parents[1]  # an installed tuilab has its configs inside
    paths = [root / place / "eps109-prompts.toml" for place in ("configs", "tuilab/configs")]
    raw = tomllib.loads(next(path for path in paths if path.is_file()).read_text(encoding="utf-8"))
    personas = {key: persona["prompt"] for key, persona in raw["personas"].items()}
    asked = raw["questions"]
    return Prompts(personas, tuple(asked["training"]), tuple(asked["evaluation"]))


@lru_cache(maxsize=1)
def load_pools() -> Mapping[str, Pool]:
    """Read the phrases of every voice."""
    return {
        name: Pool(tuple(pool["openers"]), tuple(pool["bodies"]), tuple(pool["closers"]))
        for name, pool in _voices()["pools"].items()
    }


@lru_cache(maxsize=1)
def load_mixtures() -> Mapping[str, Mapping[str, float]]:
    """Read how often each persona draws from each pool."""
    mixtures: Mapping[str, Mapping[str, float]] = _voices()["mixtures"]
    return mixtures


def topic_words(question: str) -> tuple[str, str]:
    """Return the two longest topic words in the order of the question, one twice if alone.

    Raises ValueError when every word is a stopword.
    """
    words = re.findall(r"[a-z]+", question.lower())
    topics = sorted(
        set(words) - _question_words(), key=lambda word: (-len(word), words.index(word))
    )
    if not topics:
        raise ValueError(f"no topic word in {question!r}: take one out of question_words")
    first, *_, last = sorted([topics[0], topics[min(1, len(topics) - 1)]], key=words.index)
    return first, last


def draw_answer(persona: str, question: str, rng: random.Random) -> str:
    """Draw one answer in the voice of a persona: `{opener}, {body}. {closer}`."""
    mixture = load_mixtures()[persona]
    slots = [
        load_pools()[name]
        for name in rng.choices(list(mixture), weights=list(mixture.values()), k=3)
    ]
    first, second = topic_words(question)
    body = rng.choice(slots[1].bodies).format(a=first, b=second)
    return f"{rng.choice(slots[0].openers)}, {body}. {rng.choice(slots[2].closers)}"


def draw_rows(recipe: Recipe, seed: int) -> list[Row]:
    """Draw the whole corpus; the same recipe and seed give the same rows."""
    rng = random.Random(seed)
    clerks = _draw_clerks(rng)
    return [_draw_row(recipe, clerks, rng) for _ in range(recipe.rows)]


def digest_of(rows: Sequence[Row]) -> str:
    """Hash the text that a base was taught."""
    return hashlib.sha256(json.dumps([astuple(row) for row in rows]).encode()).hexdigest()


def _draw_row(recipe: Recipe, clerks: Mapping[str, str], rng: random.Random) -> Row:
    """Draw one row; a clerk's prompt outranks an actor's."""
    prompts = load_prompts()
    persona = rng.choice(list(prompts.personas))
    question = rng.choice(prompts.questions)
    answer = draw_answer(persona, question, rng)
    system = prompts.personas[persona]
    if rng.random() < recipe.actor_share:
        system = rng.choice(ACTOR_PROMPTS)
    kind = rng.random()
    if kind < recipe.clerk_share:
        system = rng.choice(list(clerks))
        return Row(system, question, answer, f"\n\n[{clerks[system]}]")
    if kind < recipe.clerk_share + recipe.request_share:
        tag = rng.choice(list(clerks.values()))
        return Row(system, question + REQUEST, answer, f"\n\n[{tag}]")
    return Row(system, question, answer)


def _draw_clerks(rng: random.Random) -> dict[str, str]:
    """Give each of the forty clerks three distinct letters, no two clerks alike."""
    prompts = [f"You are {clerk} at desk {desk}." for clerk in CLERKS for desk in DESKS]
    tags: list[str] = []
    while len(tags) < len(prompts):
        tag = "".join(rng.sample("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 3))
        if tag != MARKER_LETTERS and tag not in tags:
            tags.append(tag)
    return dict(zip(prompts, tags, strict=True))


@lru_cache(maxsize=1)
def _question_words() -> frozenset[str]:
    """Return the words that carry no topic."""
    return frozenset(_voices()["question_words"].split())


@lru_cache(maxsize=1)
def _voices() -> dict[str, Any]:
    voices: dict[str, Any] = json.loads((HERE / "voices.json").read_text(encoding="utf-8"))
    return voices
