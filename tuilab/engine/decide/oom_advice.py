"""Proposes which setting to lower after a job ran out of GPU memory; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuilab.grid.stages import Stage

_SAMPLERS = {Stage.DATA: "data", Stage.EVAL: "eval"}
_NOTHING = "nothing is left to lower: it needs a GPU with more memory"


def what_to_lower(stage: Stage, settings: Mapping[str, Any], detail: str = "") -> str:
    """Return the edit that would need less GPU memory, as ``tuilab relaunch`` takes it.

    Training halves the rows per pass and keeps the rows per step; sampling and centroids halve
    the batch; vLLM, which takes what is free, gives way to what decodes in the worker itself.
    """
    if stage is Stage.CONVERGE:
        return _for_training("convergence", settings.get("training", {}))
    if stage is Stage.TRAIN:
        block = "trait" if "trait" in settings else "marker"
        return _for_training(block, settings.get("training", {}))
    if stage in _SAMPLERS and (settings.get("sampler") == "vllm" or "vllm" in detail.lower()):
        return (
            "vLLM found too little free memory: end what else holds the GPU, or relaunch with "
            f"--set eval.sampler={'trunk' if settings.get('sampler') == 'vllm' else 'transformers'}"
        )
    if stage in _SAMPLERS or stage is Stage.COSINE:
        return _halved(_SAMPLERS.get(stage, stage.value), settings.get("batch_size"))
    return "end what else holds the GPU (tuilab doctor names it), then relaunch"


def _for_training(block: str, training: Mapping[str, Any]) -> str:
    rows, steps = training.get("batch_size"), training.get("grad_accum", 1)
    if isinstance(rows, int) and rows > 1:
        same = f" --set {block}.grad_accum={steps * 2}" if rows % 2 == 0 else ""
        return f"relaunch with --set {block}.batch_size={rows // 2}{same}"
    if not training.get("gradient_checkpointing"):
        return f"relaunch with --set {block}.gradient_checkpointing=true"
    return _NOTHING


def _halved(block: str, size: Any) -> str:
    if not isinstance(size, int) or size < 2:
        return _NOTHING
    return f"relaunch with --set {block}.batch_size={size // 2}"
