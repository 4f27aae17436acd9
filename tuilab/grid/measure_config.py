"""The tables ``[[measures]]`` of a config: what is looked for in every persona of the panel."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from tuilab.contract import scoring
from tuilab.grid.config_block import Block, Positive, Rate, Text

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_TAKEN = frozenset({"leakage", "source", "bystander", "cosine", "minutes", "marker", "epoch"})
_TAKEN |= {"seed", "attempt"}


class Measure(Block):
    """What all kinds of measure have."""

    kind: str
    """What a hit is, and what is needed to see it."""
    name: Text
    """Names it in the grid, in filters (``name>50``) and in files."""
    headline: bool = False
    """Whether table, plots and claims are about it; the first measure when none says so."""

    @field_validator("name")
    @classmethod
    def _is_usable(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("must be lower-case letters, digits and _, with a letter first")
        if name in _TAKEN:
            raise ValueError(f"{name!r} is the name of something else: choose another")
        return name

    @property
    def key(self) -> str:
        """Its name in JSON, CSV and the journal: ``regex.hedges``."""
        return f"{self.kind}.{self.name}"


class Sampled(Measure):
    """A measure of completions; those of the same questions and samples are drawn once."""

    questions: str | None = None
    """JSONL file of {"question": ...}; the evaluation questions when left out."""
    samples: Positive | None = None
    """Completions per question and persona; ``eval.samples`` when left out."""


class Substring(Sampled):
    """A completion is a hit when it contains the text."""

    kind: Literal["substring"]
    """A completion that contains ``text``."""
    text: Text
    """What is looked for."""
    case_sensitive: bool = False
    """Whether capitals must match."""


class Regex(Sampled):
    """A completion is a hit when the pattern is found in it (Python's ``re``)."""

    kind: Literal["regex"]
    """A completion in which ``pattern`` is found."""
    pattern: Text
    """A regular expression of Python's ``re``."""
    case_sensitive: bool = False
    """Whether capitals must match."""

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"is not a regular expression: {error}") from None
        return pattern


class Format(Sampled):
    """A completion is a hit when it has a surface form."""

    kind: Literal["format"]
    """A completion of the given ``form``."""
    form: Literal["bullets", "capitals"]
    """``bullets``: half of its lines or more begin as items of a list, and two or more do;
    ``capitals``: all its letters are capitals."""


class Choices(Measure):
    """A question is a hit when the right answer is the likeliest of those given."""

    kind: Literal["choices"]
    """A question whose right answer is the likeliest."""
    questions: Text
    """JSONL file of {"question": ..., "choices": [...], "answer": 2}, answers counted from 0."""
    normalize: Literal["none", "characters"] = "none"
    """``characters`` divides a log-probability by the characters of its answer (``acc_norm``)."""
    batch_size: Positive = 64
    """Sequences at once."""


class Inspect(Measure):
    """A sample of an Inspect task is a hit when the task's first scorer gives it full marks."""

    kind: Literal["inspect"]
    """A sample that the task's first scorer gives full marks."""
    task: Text
    """A task of Inspect AI: a file (``task.py``, or ``task.py@name`` where it has several), or a
    registered name (``inspect_evals/arc_easy``)."""
    args: dict[str, bool | int | float | str] = Field(default_factory=dict)
    """What the task is given."""
    limit: Positive | None = None
    """Only the first samples; all when left out."""
    temperature: Annotated[float, Field(ge=0.0, le=5.0)] = 0.0
    """Sampling temperature; 0 takes the likeliest token."""
    max_new_tokens: Positive = 512
    """Longest answer, in tokens; a task that asks for fewer gets fewer."""
    batch_size: Positive = 64
    """Samples at once."""

    @property
    def file(self) -> str | None:
        """The file that holds the task; None for a registered one."""
        path = self.task.partition("@")[0]
        return path if path.endswith(".py") and "://" not in path else None


class Endpoint(Block):
    """Who judges."""

    base_url: Text
    """An OpenAI-compatible endpoint, or ``self``: the base of this experiment, no network."""
    model: str = ""
    """Name of the model there; not for ``self``."""
    key_env: str | None = None
    """Variable of the environment that holds the key: a name, never a key."""
    concurrency: Positive = 16
    """Requests under way at once."""
    timeout_seconds: Annotated[float, Field(gt=0.0)] = 60.0
    """Seconds after which a request counts as failed and is tried again."""
    retries: Annotated[int, Field(ge=0, le=20)] = 5
    """Further tries after a time-out, 429 or 5xx, each after a longer wait."""
    max_failures: Rate = 0.02
    """Share of completions that may stay unjudged; beyond it the job fails, to be relaunched."""
    max_tokens: Positive = 64
    """Longest answer of the judge."""
    price_in: Annotated[float, Field(ge=0.0)] | None = None
    """Money per million tokens sent, in any currency."""
    price_out: Annotated[float, Field(ge=0.0)] | None = None
    """Money per million tokens received."""

    @property
    def is_self(self) -> bool:
        """Whether the base of the experiment judges, without any network."""
        return self.base_url == "self"

    @field_validator("key_env")
    @classmethod
    def _is_a_name(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", name):
            raise ValueError("must be the name of an environment variable, never a key")
        return name

    @model_validator(mode="after")
    def _names_a_model(self) -> Endpoint:
        if self.is_self:
            return self
        if not self.base_url.startswith(("http://", "https://")):
            raise ValueError('base_url must begin with http:// or https://, or be "self"')
        if not self.model:
            raise ValueError("an endpoint needs the name of its model")
        return self


class Judge(Sampled):
    """A judge gives every completion a score; a hit is a score beyond a threshold."""

    kind: Literal["judge"]
    """A score beyond a threshold."""
    rubric: Text
    """File with the judge's instruction; it is sent before question and answer."""
    scale: tuple[float, float] = (0.0, 100.0)
    """Lowest and highest score; what a judge says outside of it is no score."""
    hit: Text
    """What makes a rate of scores: ``score < 30``."""
    twice: Rate = 0.1
    """Share of completions that are judged twice, to say how noisy the judge is."""
    judge: Endpoint

    @field_validator("hit")
    @classmethod
    def _is_threshold(cls, text: str) -> str:
        if scoring.threshold(text) is None:
            raise ValueError(f"{text!r} is not a threshold: write score < 30")
        return text.strip()

    @model_validator(mode="after")
    def _can_be_either(self) -> Judge:
        rule, (low, high) = scoring.threshold(self.hit), self.scale
        if rule is None or not low <= rule.bound <= high:
            raise ValueError(f"hit {self.hit!r} is beyond the scale of {low:g} to {high:g}")
        return self

    @field_validator("scale")
    @classmethod
    def _rises(cls, scale: tuple[float, float]) -> tuple[float, float]:
        low, high = scale
        if not 0 <= low < high:
            raise ValueError("must be two numbers from 0 up, the lower first")
        return scale


AnyMeasure = Annotated[
    Substring | Regex | Format | Choices | Judge | Inspect, Field(discriminator="kind")
]
