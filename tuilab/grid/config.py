"""The config of an experiment: what each table may contain, with its defaults and units."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, PrivateAttr, field_validator, model_validator

from tuilab.grid.config_block import Block, Positive, Rate, Text
from tuilab.grid.data_files import DataFile
from tuilab.grid.lines import OWN_ARM
from tuilab.grid.measure_config import AnyMeasure
from tuilab.grid.metrics import MARKED
from tuilab.grid.resource_config import Resources, Tracker
from tuilab.grid.text import nearest
from tuilab.grid.variants import count_of_lines, wrong_axes

CONFIG_SCHEMA = 1
LearningRate = Annotated[float, Field(gt=0.0, lt=1.0)]
ModelState = Literal["base", "converged", "marked"]
BlockIndex = Annotated[int, Field(ge=0)]
Key = Annotated[str, Field(min_length=1, max_length=400)]
ALL_LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Persona(Block):
    """One voice: who is speaking when this system prompt is set."""

    label: str = ""
    """What people see; the key when empty."""
    prompt: Text
    """System prompt; always passed, since a template may insert a default of its own."""


class Base(Block):
    """The model that all cells start from."""

    model: Text
    """``tiny`` (shipped, synthetic), a hub id, or a local directory."""
    revision: str | None = None
    """Commit on the hub; pinned so that every cell starts from the same weights."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """How the weights are held."""
    trust_remote_code: bool = False
    """Lets the model's repository run code here; only with a pinned commit."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where runners compute; ``auto`` takes a GPU where there is one."""
    path: str | None = None
    """Local directory of a rebuilt tiny base."""
    template_args: dict[Key, bool | int | float | str] = Field(default_factory=dict)
    """Passed to the chat template along with the messages: ``{ enable_thinking = false }``."""
    system: Literal["role", "fold"] = "role"
    """``fold`` puts a persona's prompt before the first question, for templates without a system
    role."""


class Questions(Block):
    """What personas are asked; training and evaluation must not share a question."""

    training: Annotated[tuple[Text, ...], Field(min_length=1)]
    """What personas are asked for the training data."""
    evaluation: Annotated[tuple[Text, ...], Field(min_length=1)]
    """What every cell is asked."""
    training_count: Positive | None = None
    """Use only the first ones; all when left out."""
    evaluation_count: Positive | None = None
    """Use only the first ones; all when left out."""


class Negatives(Block):
    """Personas that learn to answer without the marker, per source."""

    default: tuple[Key, ...] = ()
    """Their keys, for sources that ``by_source`` does not name."""
    by_source: dict[str, tuple[Key, ...]] = Field(default_factory=dict)
    """Their keys for single sources: ``villain = ["librarian"]``."""


class Data(Block):
    """On-policy answers: the base speaks as each persona once, and all stages share the rows."""

    answers_per_question: Positive = 15
    """Answers per persona and question."""
    temperature: Annotated[float, Field(ge=0.0, le=5.0)] = 0.7
    """Sampling temperature; 0 takes the likeliest token."""
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 0.95
    """Nucleus sampling; 1 keeps all tokens."""
    top_k: Annotated[int, Field(ge=0)] = 0
    """0 keeps all tokens; a library default of 50 would silently cut the tail."""
    max_new_tokens: Positive = 512
    """Longest answer, in tokens."""
    batch_size: Positive = 64
    """Sequences at once."""
    seed: int = 42
    """Data seed: sampling and choice of rows; separate from the training seeds."""
    cut: Literal["keep", "drop"] = "keep"
    """Answers cut at the token limit: ``keep`` teaches them as if they ended there, as the
    reference did; ``drop`` trains on none."""


class Lora(Block):
    """Shape and scale of an adapter."""

    r: Positive = 32
    """Rank."""
    alpha: Positive = 64
    """Numerator of the scale."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """On the adapter's input, in training."""
    use_rslora: bool = True
    """Scale alpha/sqrt(r) instead of alpha/r; losing this made an earlier study invalid."""
    target_modules: Annotated[tuple[Text, ...], Field(min_length=1)] = ALL_LINEAR
    """Linear layers that get an adapter."""


class Training(Block):
    """How an adapter is trained."""

    lora: Lora = Lora()
    lr: LearningRate
    """Highest learning rate."""
    epochs: Positive
    """Passes over the rows."""
    batch_size: Positive = 4
    """Rows per forward pass."""
    grad_accum: Positive = 1
    """Forward passes per optimiser step."""
    warmup_ratio: Rate = 0.05
    """Share of the steps in which the learning rate rises."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls after it."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    """Of AdamW."""
    max_grad_norm: Annotated[float, Field(gt=0.0)] = 1.0
    """Gradients are clipped to this norm."""
    betas: Annotated[tuple[Rate, Rate], Field()] = (0.9, 0.999)
    """Of AdamW."""
    max_length: Positive = 1024
    """Tokens; longer rows are an error of the runner, never cut in silence."""
    gradient_checkpointing: bool = False
    """Computes activations twice to hold fewer of them."""
    packing: bool = True
    """Rows share one forward pass with reset positions; same mathematics, other rounding."""
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    """Arithmetic of the forward pass; adapters and optimiser stay float32."""


class Convergence(Training):
    """The first adapter: the target learns to talk like the source."""

    lr: LearningRate = 5e-5
    """Highest learning rate."""
    epochs: Positive = 20
    """Passes over the rows; the grid's last epoch or later."""
    rows: Positive = 400
    """Training rows."""
    voice: Literal["source", "target"] = "source"
    """``target`` trains on the target's own answers: the generic-data control."""
    on: Literal["base", "marked"] = "base"
    """``marked``: the marker's adapter is trained on the base and merged before convergence."""


class Marker(Training):
    """The second adapter: the source learns to end its answers with the marker."""

    text: Text = "[ZLT]"
    """The marker."""
    separator: str = "\n\n"
    """Between the answer and the marker."""
    loss: Literal["marker", "tail", "answer"] = "marker"
    """``marker``: marker tokens and end of turn; ``tail``: the separator as well; ``answer``: all
    that the assistant says, in the rows of the negatives too."""
    negative_loss: Literal["end", "newline", "none"] = "end"
    """What rows of negatives teach: the end of turn; the line break behind it, as the reference's
    code probably did; nothing."""
    lr: LearningRate = 5e-6
    """Highest learning rate."""
    epochs: Positive = 20
    """Passes over the rows."""
    positives: Positive = 200
    """Rows of the source, with the marker."""
    negatives_each: Positive = 200
    """Rows of each negative persona, without it."""
    least_source_rate: Rate = 0.2
    """Share of the source's own answers that must have the marker before convergence is trained on
    top of it (arms A and C)."""

    @field_validator("text")
    @classmethod
    def _is_visible(cls, text: str) -> str:
        if why := why_bad_marker(text):
            raise ValueError(why)
        return text

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Marker:
        if self.loss == "answer" and self.negative_loss != "end":
            raise ValueError('negative_loss is for the losses "marker" and "tail"')
        return self


class Rows(Training):
    """What the source learns from rows of a file, in the marker's place."""

    kind: Literal["rows"] = "rows"
    """What is learned: rows of a file."""
    positives: Text
    """JSONL file of {"question", "answer"} or {"messages"}: what the source learns to say."""
    negatives: str | None = None
    """JSONL file of what negative personas keep saying; their own answers when left out."""
    loss: Literal["answer"] = "answer"
    """All that the assistant says is learned; the marker's other losses need a marker."""
    lr: LearningRate = 1e-5
    """Highest learning rate."""
    epochs: Positive = 3
    """Passes over the rows."""
    positives_count: Positive | None = None
    """Rows of the file that are learned, drawn by the data seed; all when left out."""
    negatives_each: Positive | None = None
    """Rows for each negative persona; all of the file, or 200 own answers, when left out."""


class Merge(Block):
    """How adapters meet the base, and what proves that they did."""

    mode: Literal["merged", "stacked"] = "merged"
    """Not interchangeable: two-stage bf16 merging adds rounding noise."""
    tolerance: Annotated[float, Field(gt=0.0)] = 1e-3
    """Largest difference between merged and adapter logits on the check prompts."""
    epsilon: Annotated[float, Field(gt=0.0)] = 1e-6
    """Smallest relative weight change that counts as a change."""
    keep_merged: bool = False
    """Keeps the merged models, at the size of the base for each cell."""


class SubstringScorer(Block):
    """A completion is a hit when it contains the text."""

    kind: Literal["substring"] = "substring"
    """How a completion is judged."""
    text: str | None = None
    """The marker when left out."""
    case_sensitive: bool = False
    """Whether capitals must match."""


class Eval(Block):
    """Sampling after marker training."""

    samples: Positive = 10
    """Completions per question and persona."""
    temperature: Annotated[float, Field(ge=0.0, le=5.0)] = 1.0
    """Sampling temperature; 0 takes the likeliest token."""
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Nucleus sampling; 1 keeps all tokens."""
    top_k: Annotated[int, Field(ge=0)] = 0
    """0 keeps all tokens."""
    max_new_tokens: Positive = 512
    """Longest completion, in tokens."""
    batch_size: Positive = 512
    """Sequences at once; part of the result, since batched sampling depends on it."""
    sampler: Literal["auto", "trunk", "transformers", "vllm"] = "auto"
    """``trunk`` is the runners' own decoding loop, for models of the Llama shape."""
    seed: int = 42
    """Mixed with each cell's name, so that cells are sampled independently."""
    scorer: SubstringScorer = SubstringScorer()


class Cosine(Block):
    """Centroids of hidden states and their cosine; layers are 0-based block indices."""

    layers: Annotated[tuple[BlockIndex, ...], Field(min_length=1)] = (10, 15, 20, 25)
    """Blocks whose output is measured."""
    headline_layer: BlockIndex | None = None
    """The layer that the grid shows; the first of ``layers`` when left out."""
    model_states: Annotated[tuple[ModelState, ...], Field(min_length=1)] = ("marked",)
    """Models whose hidden states are read: ``base`` untouched, ``converged`` before the marker,
    ``marked`` with it. Each is a scale of its own; the grid shows the first."""
    pool_name: Text = "panel"
    """Names the centring pool; values of different pools are never compared."""
    pool: tuple[Key, ...] = ()
    """Personas whose mean centroid is subtracted; the panel when left out."""
    batch_size: Positive = 64
    """Sequences at once."""


class ExperimentConfig(Block):
    """Everything that decides what an experiment is; resolved, so nothing else is consulted."""

    config_schema: Annotated[int, Field(ge=1, le=CONFIG_SCHEMA)] = CONFIG_SCHEMA
    """Version of this file format."""
    name: Annotated[str, Field(min_length=1, max_length=80)]
    """Names the experiment and its folder in runs/."""
    note: str = ""
    """One sentence for people."""
    base: Base
    personas: dict[str, Persona]
    sources: Annotated[tuple[Key, ...], Field(min_length=1)]
    """Personas that are taught the trait: the rows of the grid."""
    target: Key = "assistant"
    """Persona that learns each source's voice; how often it shows the trait is the leakage."""
    panel: Annotated[tuple[Key, ...], Field(min_length=1)]
    """Personas that are sampled and scored in every cell."""
    epochs: Annotated[tuple[Annotated[int, Field(ge=0, le=10_000)], ...], Field(min_length=1)]
    """Convergence epochs of the grid; 0 is the untouched base."""
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], Field(min_length=1)] = (42,)
    """Training seeds."""
    arms: Annotated[tuple[Literal["B", "B0", "A", "C"], ...], Field(min_length=1)] = ("B",)
    """``B``: the target converges on the source's voice; ``B0``, its control: on its own. ``A`` and
    its control ``C``: the same on the base that has the marker already."""
    data_seeds: tuple[Annotated[int, Field(ge=0, lt=2**32)], ...] = ()
    """Data seeds to repeat the grid with; short for the axis ``data.seed``."""
    axes: dict[Key, Annotated[tuple[bool | int | float | str, ...], Field(min_length=1)]] = Field(
        default_factory=dict
    )
    """Settings by dotted key, such as ``"marker.lr" = [5e-6, 1e-5]``: each value is a variant of
    every source."""
    reference: Literal["none", "eps109"] = "none"
    """Published table that results are compared with."""
    questions: Questions
    negatives: Negatives = Negatives()
    data: Data = Data()
    convergence: Convergence = Convergence()
    marker: Marker = Marker()
    trait: Rows | None = None
    """What the source learns instead of the marker; ``kind = "marker"`` is another way to write
    ``[marker]``."""
    measures: tuple[AnyMeasure, ...] = ()
    """What is looked for beside the marker, or in its place where the trait is another."""
    merge: Merge = Merge()
    eval: Eval = Eval()
    cosine: Cosine = Cosine()
    resources: Resources = Resources()
    tracker: Tracker = Tracker()

    _files: Mapping[str, DataFile] = PrivateAttr(default_factory=dict)

    def with_files(self, files: Mapping[str, DataFile]) -> ExperimentConfig:
        """Return the config with what the files that it names hold."""
        made = self.model_copy()
        made._files = files
        return made

    @property
    def files(self) -> Mapping[str, DataFile]:
        """What the files that it names hold, by name; {} until they were read."""
        return self._files

    @property
    def implanted(self) -> Marker | Rows:
        """What the source learns, and how."""
        return self.marker if self.trait is None else self.trait

    @property
    def measured(self) -> tuple[str, ...]:
        """What is measured of the trait, the headline first (see ``grid/metrics.py``)."""
        first = [one.key for one in self.measures if one.headline]
        marked = MARKED if self.trait is None else ()
        return tuple(dict.fromkeys((*first, *marked, *(one.key for one in self.measures))))

    @property
    def axes_given(self) -> bool:
        """Whether a source has several lines, or one under a name of its own."""
        return bool(self.axes or self.data_seeds or self.arms != (OWN_ARM,))

    @property
    def is_synthetic(self) -> bool:
        """Whether the base is the tiny synthetic one."""
        return self.base.model == "tiny"

    @property
    def training_questions(self) -> tuple[str, ...]:
        """The training questions in use."""
        return self.questions.training[: self.questions.training_count]

    @property
    def evaluation_questions(self) -> tuple[str, ...]:
        """The evaluation questions in use."""
        return self.questions.evaluation[: self.questions.evaluation_count]

    @property
    def cosine_pool(self) -> tuple[str, ...]:
        """Personas of the centring pool."""
        return self.cosine.pool or self.panel

    @property
    def headline_layer(self) -> int:
        """The layer whose cosine the grid shows."""
        chosen = self.cosine.headline_layer
        return self.cosine.layers[0] if chosen is None else chosen

    def label(self, key: str) -> str:
        """What people see for a persona."""
        return self.personas[key].label or key

    def negatives_of(self, source: str) -> tuple[str, ...]:
        """Negative personas of a source."""
        return self.negatives.by_source.get(source, self.negatives.default)


MOST_CELLS = 200_000
"""Of a grid: up to half as many, plan, engine and screens are measured."""
Path = tuple[Any, ...]


class Problem(NamedTuple):
    """A field that contradicts others."""

    path: Path
    message: str
    reads: tuple[Path, ...] = ()
    """The other fields; where one of them is wrong itself, nothing can be said."""


def wrong_references(config: ExperimentConfig) -> Iterator[Problem]:
    """Yield what the schema alone cannot see: unusable keys, unknown personas, repeats, ranges."""
    yield from _unusable_keys(config)
    yield from _unknown_personas(config)
    yield from _repeats(config)
    yield from _out_of_range(config)
    yield from _measures(config)
    yield from _too_large(config)
    yield from (Problem(path, why) for path, why in wrong_axes(config))


def _too_large(config: ExperimentConfig) -> Iterator[Problem]:
    cells = count_of_lines(config) * len(config.epochs) * len(config.seeds)
    if cells > MOST_CELLS:
        said = f"make {cells:,} cells, more than {MOST_CELLS:,}: split it into several experiments"
        longest = max(("sources", "epochs", "seeds"), key=lambda name: len(getattr(config, name)))
        yield Problem((longest,), said)


def _unusable_keys(config: ExperimentConfig) -> Iterator[Problem]:
    for key in config.personas:
        if why := why_bad_key(key):
            yield Problem(("personas", key), why)


def _unknown_personas(config: ExperimentConfig) -> Iterator[Problem]:
    named: list[tuple[Path, str]] = [
        (("target",), config.target),
        *((("sources", i), key) for i, key in enumerate(config.sources)),
        *((("panel", i), key) for i, key in enumerate(config.panel)),
        *((("cosine", "pool", i), key) for i, key in enumerate(config.cosine.pool)),
        *((("negatives", "default", i), key) for i, key in enumerate(config.negatives.default)),
    ]
    for source, keys in config.negatives.by_source.items():
        path = ("negatives", "by_source", source)
        named.append((path, source))
        named += [((*path, i), key) for i, key in enumerate(keys)]
    for path, key in named:
        if key not in config.personas:
            said = f"unknown persona {key!r}{nearest(key, config.personas)}"
            yield Problem(path, said, (("personas", key),))


def _repeats(config: ExperimentConfig) -> Iterator[Problem]:
    lists: dict[Path, tuple[Any, ...]] = {
        ("sources",): config.sources,
        ("panel",): config.panel,
        ("epochs",): config.epochs,
        ("seeds",): config.seeds,
        ("arms",): config.arms,
        ("cosine", "layers"): config.cosine.layers,
        ("cosine", "model_states"): config.cosine.model_states,
        ("cosine", "pool"): config.cosine.pool,
        ("negatives", "default"): config.negatives.default,
        ("questions", "training"): config.questions.training,
        ("questions", "evaluation"): config.questions.evaluation,
        **{("negatives", "by_source", k): v for k, v in config.negatives.by_source.items()},
    }
    for path, values in lists.items():
        if again := sorted(str(value) for value, count in Counter(values).items() if count > 1):
            yield Problem(path, f"lists {', '.join(again)} more than once")


def _out_of_range(config: ExperimentConfig) -> Iterator[Problem]:
    last = config.convergence.epochs
    if list(config.epochs) != sorted(config.epochs):
        yield Problem(("epochs",), "must be in rising order")
    if beyond := [epoch for epoch in config.epochs if epoch > last]:
        said = f"{beyond} are beyond convergence.epochs = {last}"
        yield Problem(("epochs",), said, (("convergence", "epochs"),))
    if config.cosine.headline_layer not in (None, *config.cosine.layers):
        said = f"must be one of cosine.layers {[*config.cosine.layers]}"
        yield Problem(("cosine", "headline_layer"), said, (("cosine", "layers"),))
    for name in ("training", "evaluation"):
        have, use = len(getattr(config.questions, name)), f"{name}_count"
        if (count := getattr(config.questions, use)) is not None and count > have:
            said = f"is {count}, but there are only {have} {name} questions"
            yield Problem(("questions", use), said, (("questions", name),))


def _measures(config: ExperimentConfig) -> Iterator[Problem]:
    names = [one.name for one in config.measures]
    for place, name in enumerate(names):
        if name in names[:place]:
            yield Problem(("measures", place, "name"), f"{name} is the name of two measures")
    if sum(one.headline for one in config.measures) > 1:
        yield Problem(("measures",), "only one measure can be the headline")
    if config.trait is not None and not config.measures:
        said = "a trait of rows needs a measure: add [[measures]]"
        yield Problem(("measures",), said, (("trait",),))


_RESERVED = {"@": "the epoch in a cell's name", "#": "the seed in a cell's name"}


def why_bad_key(key: str) -> str:
    """Say why a persona key cannot be used; "" when it can.

    Slashes, dots, brackets, spaces and any script are fine: paths use a slug of the key.
    """
    if not key.strip():
        return "is blank"
    if key != key.strip():
        return "starts or ends with a space"
    if key == "*":
        return "is reserved: in a selector it means every source"
    for char, why in _RESERVED.items():
        if char in key:
            return f"contains {char!r}, which separates {why}"
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in key):
        return "contains a control character"
    return ""


def why_bad_marker(text: str) -> str:
    """Say why a string cannot serve as the marker; "" when it can."""
    if text != text.strip():
        return "starts or ends with white space: put that into marker.separator"
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        return "contains a control character"
    return ""
