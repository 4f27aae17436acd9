"""How the centroids of a cell's personas lie in their file, for its writer and for all readers."""

from collections.abc import Mapping
from typing import Any

CENTROIDS_FILE = "centroids.safetensors"
MODEL_STATES = BASE, CONVERGED, MARKED = "base", "converged", "marked"
"""States of a cell's model: untouched, with the convergence adapter, with all adapters."""


def states_of(settings: Mapping[str, Any]) -> list[str]:
    """Return the states of the model that a job's settings ask for."""
    return list(settings.get("model_states") or [settings.get("model_state", MARKED)])


def tensor_name(state: str, layer: int) -> str:
    """Return the name of the tensor [pool, hidden] of one state and layer."""
    return f"layer_{layer}" if state == MARKED else f"{state}_layer_{layer}"
