"""The stages of the experiment and their order."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """One step of the way from a config to a number."""

    FETCH = "fetch"
    """The base model into the hub's cache; shared by all, and no result depends on when it ran."""
    DATA = "data"
    """On-policy answers of one persona; shared by all cells that use the persona."""
    CONVERGE = "converge"
    """The assistant learns a source's voice; shared by the epochs of one source and seed."""
    TRAIN = "train"
    """A fresh marker LoRA on one merged checkpoint."""
    MERGE = "merge"
    """The marker LoRA folded in and verified."""
    EVAL = "eval"
    """Sampled completions and marker detection."""
    COSINE = "cosine"
    """Centroids of hidden states and their cosines."""
    SCORE = "score"
    """Stored completions scored by the measures that read their text; needs no model."""
    CHOICES = "choices"
    """Answers picked from given ones by their log-probability."""
    JUDGE = "judge"
    """Stored completions given to a judge."""
    INSPECT = "inspect"
    """Tasks of Inspect AI, asked of the cell's model."""


CELL_STAGES: tuple[Stage, ...] = (Stage.TRAIN, Stage.MERGE, Stage.EVAL, Stage.COSINE)
"""The stages that each cell has to itself."""

MEASURE_STAGES: tuple[Stage, ...] = (Stage.SCORE, Stage.CHOICES, Stage.JUDGE, Stage.INSPECT)
"""The stages that a cell has besides, where measures of the config ask for them."""

OWN_STAGES = (*CELL_STAGES, *MEASURE_STAGES)
"""All that a cell may have to itself, in order."""

ORDER: dict[Stage, int] = {stage: place for place, stage in enumerate(Stage)}
"""Place of a stage in the chain; cosine stands beside eval but is listed after it."""
