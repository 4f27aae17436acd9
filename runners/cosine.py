"""Compare personas inside one cell's model: python -m runners.cosine SPEC

Writes centroids.safetensors ([pool, hidden], float32: layer_<L>, and converged_layer_<L> or
base_layer_<L> for the model before it was marked) and cosine.json, which holds each value with its
layer, its pool and the model's state.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from runners.job import Attempt, StageResult, main
from runners.ml import cell, centroids, jsonl, stage_settings
from runners.ml.stage_settings import Persona, required
from tuilab.contract.centroids import CENTROIDS_FILE, states_of, tensor_name
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

COSINE_FILE = "cosine.json"


def run(attempt: Attempt) -> StageResult:
    """Apply the cell's adapters, read hidden states, average, compare, re-read; state by state."""
    settings, timings = attempt.settings, attempt.timings
    pool = stage_settings.personas(settings, "pool")
    layers: list[int] = required(settings, "layers", list)
    model_states = states_of(settings)
    questions: list[str] = required(settings, "questions", list)
    batch_size = required(settings, "batch_size", int)
    roles = [_in_pool(settings, pool, role) for role in ("source", "target")]
    model, found, fingerprint = cell.to_measure(attempt, pool)
    _refuse_absent_layers(layers, model.model.config.num_hidden_layers)

    prompts = [
        model.chat.prompt_ids(persona.prompt, question)
        for persona in pool
        for question in questions
    ]
    means: dict[tuple[str, int], torch.Tensor] = {}
    for state in model_states:
        with cell.applied(model, cell.in_state(found, state)), timings.part("prefill"):
            states = centroids.last_token_states(
                model.model, prompts, layers, batch_size, model.pad_id, attempt.progress("prefill")
            )
        means |= {(state, at): centroids.centroids(states[at], len(pool)) for at in layers}
    pool_name = required(settings, "pool_name", str)
    values = [
        {
            "layer": layer,
            "pool": pool_name,
            "model_state": state,
            "value": centroids.centred_cosine(mean, *roles),
        }
        for (state, layer), mean in means.items()
    ]
    with timings.part("save"):
        path = attempt.directory / CENTROIDS_FILE
        save_file({tensor_name(*place): mean.contiguous() for place, mean in means.items()}, path)
        record = {
            "cosine": values,
            "pool": [persona.key for persona in pool],
            "source": pool[roles[0]].key,
            "target": pool[roles[1]].key,
            "questions": len(questions),
            "token": "last prompt token",
            "fingerprint": fingerprint,
        }
        record_path = jsonl.write_json(attempt.directory / COSINE_FILE, record)
    with timings.part("check"):
        _refuse_broken(load_file(path), [tensor_name(*place) for place in means], len(pool), values)
    checks = {
        "chat_template": model.chat.digest,
        "fingerprint": fingerprint,
        "pool_size": len(pool),
        "layers": layers,
        "model_states": model_states,
    }
    return StageResult((path, record_path), {"cosine": values}, checks)


def _in_pool(settings: Any, pool: tuple[Persona, ...], role: str) -> int:
    """Find a role's persona in the pool; centring without it would give another value."""
    key, keys = stage_settings.role(settings, role), [persona.key for persona in pool]
    if key not in keys:
        raise JobError(Reason.CONFIG, f"the {role} {key!r} is not in the cosine pool")
    return keys.index(key)


def _refuse_absent_layers(layers: list[int], blocks: int) -> None:
    if not layers or min(layers) < 0 or max(layers) >= blocks:
        raise JobError(Reason.CONFIG, f"layers {layers} must be in 0..{blocks - 1}")


def _refuse_broken(
    read: dict[str, torch.Tensor], names: list[str], pool: int, values: list[dict[str, Any]]
) -> None:
    for name in names:
        tensor = read[name]
        if tensor.shape[0] != pool or not torch.isfinite(tensor).all():
            raise JobError(Reason.DATA_MISMATCH, f"{name}: incomplete or non-finite centroids")
    for value in values:
        if value["value"] is None or not math.isfinite(value["value"]):
            raise JobError(
                Reason.DATA_MISMATCH, f"layer {value['layer']}: the cosine has no direction"
            )


if __name__ == "__main__":
    raise SystemExit(main("cosine"))
