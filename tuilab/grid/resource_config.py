"""The tables ``[resources]`` and ``[tracker]``: of these only ``threads`` changes a result."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tuilab.grid.config_block import Block, Positive, Text
from tuilab.grid.stages import Stage


class Resources(Block):
    """What the engine may use; of these only ``threads`` changes results."""

    workers: Annotated[Positive, Field(le=10_000)] = 1
    """Runner processes at once."""
    jobs_per_device: Positive = 1
    """Workers that may share a GPU, as far as the peaks measured so far fit side by side."""
    threads: Positive | None = None
    """CPU threads per worker; part of the result on a CPU. Left out: all on a CPU, and beside a GPU
    this worker's share of the cores."""
    # Not strict: what _take_places returns counts as Python, and TOML and JSON give lists.
    runner: Annotated[tuple[Text, ...], Field(min_length=1, strict=False)] = (
        "python",
        "-m",
        "runners.serve",
    )
    """Worker program; ``python`` means the interpreter that runs tuilab."""
    executor: Text = "local"
    """Where workers run: this machine, or a scheduler over a volume that its machines share."""
    places: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options of each, by its name; written as ``[resources.<name>]``."""
    devices: str | Annotated[tuple[str, ...], Field(strict=False)] = "auto"
    """``auto`` (CUDA_VISIBLE_DEVICES, else NVML), ``none``, or the device ids to use."""
    stall_minutes: Annotated[float, Field(gt=0.0)] = 15.0
    """Minutes without progress after which a job is called stalled."""
    stop_stalled: bool = False
    """End a stalled job instead of only reporting it."""
    grace_seconds: Annotated[float, Field(ge=0.0)] = 20.0
    """Seconds between SIGTERM and SIGKILL."""
    reserve_gb: Annotated[float, Field(ge=0.0)] = 2.0
    """Disk that must stay free; below it nothing new starts."""
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    """Automatic new attempts after a failure that may pass; never after a deterministic one."""
    save_seconds: Annotated[float, Field(ge=0.0)] = 60.0
    """How often a training saves a state to resume from; 0: only when it is stopped."""
    job_bytes: dict[Annotated[Stage, Field(strict=False)], Positive] = Field(default_factory=dict)
    """Disk of one attempt by stage, in bytes; forecast and measurement where left out."""
    idle_seconds: Annotated[float, Field(gt=0.0)] = 600.0
    """A warm worker without work exits after this long."""
    engine_idle_seconds: Annotated[float, Field(ge=0.0)] = 30.0
    """The engine exits when nothing has been running or due for this long."""
    assign_ahead: bool = True
    """Give a busy worker its next job early when there is enough work for all."""
    gpu_free_fraction: Annotated[float, Field(gt=0.0, le=1.0)] = 0.9
    """Share of a GPU's memory that must be free before a first worker starts on it."""
    hub_wait_seconds: Annotated[float, Field(gt=0.0)] = 15.0
    """Wait before a hub that failed is asked again; doubled after each failure in a row."""
    offline: bool | Literal["auto"] = "auto"
    """Whether runners may not reach for the model hub; ``auto``: once the base was fetched and a
    result was made with it."""

    @model_validator(mode="before")
    @classmethod
    def _take_places(cls, raw: Any) -> Any:
        """Read ``[resources.<name>]`` as the options of a place: the places know their own."""
        if not isinstance(raw, dict):
            return raw
        named = {
            name: value
            for name, value in raw.items()
            if isinstance(value, dict) and name not in cls.model_fields
        }
        rest = {name: value for name, value in raw.items() if name not in named}
        return {**rest, "places": {**(raw.get("places") or {}), **named}} if named else raw


class Tracker(Block):
    """Where runs are also reported; our own event files stay the source."""

    kind: Literal["none", "wandb"] = "none"
    """``wandb`` copies every attempt's events to Weights & Biases."""
    project: str = "tuilab"
    """Project there."""
    entity: str | None = None
    """Team or user there; the login's own when left out."""
    mode: Literal["online", "offline"] = "online"
    """``offline`` keeps the copies in the experiment's folder."""
