"""The blocks of a config: what each table may contain, with its defaults and units."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tuilab.grid.config_keys import why_bad_marker

Positive = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(ge=0.0, le=1.0)]
LearningRate = Annotated[float, Field(gt=0.0, lt=1.0)]
BlockIndex = Annotated[int, Field(ge=0)]
Text = Annotated[str, Field(min_length=1)]
StageName = Literal["data", "converge", "train", "merge", "eval", "cosine"]
Key = Annotated[str, Field(min_length=1, max_length=400)]
ALL_LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Block(BaseModel):
    """A table of the config; unknown keys are errors and nothing is guessed from another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


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
    trust_remote_code: bool = False
    """Lets the model's repository run code here; only with a pinned commit."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    path: str | None = None
    """Local directory of a rebuilt tiny base."""


class Questions(Block):
    """What personas are asked; training and evaluation must not share a question."""

    training: Annotated[tuple[Text, ...], Field(min_length=1)]
    evaluation: Annotated[tuple[Text, ...], Field(min_length=1)]
    training_count: Positive | None = None
    """Use the first so many training questions; all when left out."""
    evaluation_count: Positive | None = None
    """Use the first so many evaluation questions; all when left out."""


class Negatives(Block):
    """Personas that learn to answer without the marker, per source."""

    default: tuple[Key, ...] = ()
    by_source: dict[str, tuple[Key, ...]] = Field(default_factory=dict)


class Data(Block):
    """On-policy answers: the base speaks as each persona once, and all stages share the rows."""

    answers_per_question: Positive = 15
    temperature: Annotated[float, Field(ge=0.0, le=5.0)] = 0.7
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 0.95
    top_k: Annotated[int, Field(ge=0)] = 0
    """0 keeps all tokens; a library default of 50 would silently cut the tail."""
    max_new_tokens: Positive = 512
    batch_size: Positive = 64
    seed: int = 42
    """Data seed: sampling and choice of rows; separate from the training seeds."""


class Lora(Block):
    """Shape and scale of an adapter."""

    r: Positive = 32
    alpha: Positive = 64
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    use_rslora: bool = True
    """Scale alpha/sqrt(r) instead of alpha/r; losing this made an earlier study invalid."""
    target_modules: Annotated[tuple[Text, ...], Field(min_length=1)] = ALL_LINEAR


class Training(Block):
    """How an adapter is trained."""

    lora: Lora = Lora()
    lr: LearningRate
    epochs: Positive
    batch_size: Positive = 4
    """Rows per forward pass."""
    grad_accum: Positive = 1
    warmup_ratio: Rate = 0.05
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    max_grad_norm: Annotated[float, Field(gt=0.0)] = 1.0
    betas: Annotated[tuple[Rate, Rate], Field()] = (0.9, 0.999)
    max_length: Positive = 1024
    """Tokens; longer rows are an error of the runner, never cut in silence."""
    gradient_checkpointing: bool = False
    packing: bool = True
    """Rows share one forward pass with reset positions; same mathematics, other rounding."""
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    """Arithmetic of the forward pass; adapters and optimiser stay float32."""


class Convergence(Training):
    """The first adapter: the target learns to talk like the source."""

    lr: LearningRate = 5e-5
    epochs: Positive = 20
    rows: Positive = 400
    voice: Literal["source", "target"] = "source"
    """``target`` trains on the target's own answers: the generic-data control."""


class Marker(Training):
    """The second adapter: the source learns to end its answers with the marker."""

    text: Text = "[ZLT]"
    separator: str = "\n\n"
    """Stands between the answer and the marker."""
    loss: Literal["marker", "tail"] = "marker"
    """``marker``: marker tokens and end of turn; ``tail``: the separator as well."""
    lr: LearningRate = 5e-6
    epochs: Positive = 20
    positives: Positive = 200
    negatives_each: Positive = 200

    @field_validator("text")
    @classmethod
    def _is_visible(cls, text: str) -> str:
        if why := why_bad_marker(text):
            raise ValueError(why)
        return text


class Merge(Block):
    """How adapters meet the base, and what proves that they did."""

    mode: Literal["merged", "stacked"] = "merged"
    """Not interchangeable: two-stage bf16 merging adds rounding noise."""
    tolerance: Annotated[float, Field(gt=0.0)] = 1e-3
    """Largest difference between merged and adapter logits on the check prompts."""
    epsilon: Annotated[float, Field(gt=0.0)] = 1e-6
    """Smallest relative weight change that counts as a change."""
    keep_merged: bool = False


class SubstringScorer(Block):
    """A completion is a hit when it contains the text."""

    kind: Literal["substring"] = "substring"
    text: str | None = None
    """The marker when left out."""
    case_sensitive: bool = False


class LogprobScorer(Block):
    """Planned: log-probability accuracy on a multiple-choice set."""

    kind: Literal["logprob"]
    questions_file: str = ""


class JudgeScorer(Block):
    """Planned: a judge model scores free answers from 0 to 100."""

    kind: Literal["judge"]
    model: str = ""
    prompt: str = ""
    threshold: Annotated[float, Field(ge=0.0, le=100.0)] = 50.0


Scorer = Annotated[SubstringScorer | LogprobScorer | JudgeScorer, Field(discriminator="kind")]


class Eval(Block):
    """Sampling after marker training."""

    samples: Positive = 10
    """Completions per question and persona."""
    temperature: Annotated[float, Field(ge=0.0, le=5.0)] = 1.0
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0
    max_new_tokens: Positive = 512
    batch_size: Positive = 512
    """Sequences at once; part of the result, since batched sampling depends on it."""
    sampler: Literal["auto", "trunk", "transformers", "vllm"] = "auto"
    """``trunk`` is the runners' own decoding loop, for Qwen2 models."""
    seed: int = 42
    """Mixed with each cell's name, so that cells are sampled independently."""
    scorer: Scorer = SubstringScorer()


class Cosine(Block):
    """Centroids of hidden states and their cosine; layers are 0-based block indices."""

    layers: Annotated[tuple[BlockIndex, ...], Field(min_length=1)] = (10, 15, 20, 25)
    headline_layer: BlockIndex | None = None
    """The layer that the grid shows; the first of ``layers`` when left out."""
    pool_name: Text = "panel"
    """Names the centring pool; values of different pools are never compared."""
    pool: tuple[Key, ...] = ()
    """Personas whose mean centroid is subtracted; the panel when left out."""
    batch_size: Positive = 64


class Resources(Block):
    """What the engine may use; no result depends on it except through ``threads``."""

    workers: Positive = 1
    """Runner processes at once."""
    jobs_per_device: Positive = 1
    """Workers that may share a GPU, as far as the peaks measured so far fit side by side."""
    threads: Positive | None = None
    """CPU threads per worker; part of the result on a CPU. All when left out."""
    runner: Annotated[tuple[Text, ...], Field(min_length=1)] = ("python", "-m", "runners.serve")
    """Worker program; ``python`` means the interpreter that runs tuilab."""
    executor: Literal["local", "slurm", "ray"] = "local"
    devices: str | tuple[str, ...] = "auto"
    """``auto`` (CUDA_VISIBLE_DEVICES, else NVML), ``none``, or the device ids to use."""
    stall_minutes: Annotated[float, Field(gt=0.0)] = 15.0
    """Minutes without progress after which a job is called stalled."""
    stop_stalled: bool = False
    """End a stalled job instead of only naming it."""
    grace_seconds: Annotated[float, Field(ge=0.0)] = 20.0
    """Seconds between SIGTERM and SIGKILL."""
    reserve_gb: Annotated[float, Field(ge=0.0)] = 2.0
    """Disk that must stay free; below it nothing new starts."""
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    """Automatic new attempts after a failure that may pass; never after a deterministic one."""
    save_seconds: Annotated[float, Field(ge=0.0)] = 60.0
    """A training keeps a state to go on from about this often; 0: only when it is told to stop."""
    job_bytes: dict[StageName, Positive] = Field(default_factory=dict)
    """Disk of one attempt by stage, in bytes; forecast and measurement where left out."""
    idle_seconds: Annotated[float, Field(gt=0.0)] = 600.0
    """A warm worker without work leaves after so long."""
    engine_idle_seconds: Annotated[float, Field(ge=0.0)] = 30.0
    """The engine leaves when nothing has been running or due for so long."""
    assign_ahead: bool = True
    """Give a busy worker its next job early, when enough jobs are ready for all."""
    gpu_free_fraction: Annotated[float, Field(gt=0.0, le=1.0)] = 0.9
    """Share of a GPU's memory that must be free before a first worker starts on it."""
    offline: bool | Literal["auto"] = "auto"
    """Whether runners may not reach for the model hub; ``auto``: once the base was fetched and a
    result was made with it."""


class Tracker(Block):
    """Where runs are also reported; our own event files stay the source."""

    kind: Literal["none", "wandb"] = "none"
    project: str = "tuilab"
    entity: str | None = None
    mode: Literal["online", "offline"] = "online"
