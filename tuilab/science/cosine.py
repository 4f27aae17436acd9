"""Cosines of centred hidden states, each on the scale it was measured on and no other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True, slots=True, order=True)
class Scale:
    """What makes two cosines comparable: same layer, same centring pool, same model state."""

    layer: int
    """0-based index of the transformer block whose output was read."""
    pool: str
    """Personas whose mean centroid was subtracted, for example "11 personas"."""
    model_state: str | None = None
    """base, converged or marked; None when the data do not say."""

    def __str__(self) -> str:
        """``layer 15, 11 personas, marked``."""
        return f"layer {self.layer}, {self.pool}, {self.model_state or 'model state unknown'}"


class MixedScalesError(ValueError):
    """Cosines of several scales were about to share a column or an axis."""


def scales(frame: pd.DataFrame) -> tuple[Scale, ...]:
    """Every scale with at least one cosine value in the frame, sorted by layer, pool and state."""
    rows = frame[(frame["metric"] == "cosine") & frame["value"].notna()]
    found = rows[["layer", "pool", "model_state"]].drop_duplicates()
    listed = [
        Scale(int(layer), str(pool), None if pd.isna(state) else str(state))
        for layer, pool, state in found.itertuples(index=False)
    ]
    return tuple(
        sorted(listed, key=lambda scale: (scale.layer, scale.pool, scale.model_state or ""))
    )


def on_scale(frame: pd.DataFrame, scale: Scale | None = None) -> pd.DataFrame:
    """Rows of cosines on one scale; cells missing there stay missing.

    Args:
        frame: a measurements frame.
        scale: which one; None is allowed when there is only one.

    Raises:
        MixedScalesError: when the frame holds several scales and none is named.
    """
    rows = frame[frame["metric"] == "cosine"]
    if scale is None:
        found = scales(frame)
        if len(found) > 1:
            listed = "; ".join(str(one) for one in found)
            raise MixedScalesError(
                f"The cosines are on {len(found)} scales ({listed}), which cannot share a column"
                " or an axis; name one of them."
            )
        if not found:
            return rows
        scale = found[0]
    same = (rows["layer"] == scale.layer).fillna(False) & (rows["pool"] == scale.pool).fillna(False)
    state = rows["model_state"]
    told = state.isna() if scale.model_state is None else state == scale.model_state
    # A cell without a value often carries no scale either: it is missing on every scale.
    bare = rows["value"].isna() & rows["layer"].isna() & rows["pool"].isna()
    chosen = rows[(same & told.fillna(False)) | bare]
    chosen = chosen.assign(bare=chosen["value"].isna())
    first = chosen.sort_values("bare", kind="stable").drop_duplicates(["source", "epoch", "seed"])
    return first.drop(columns="bare")


def centred_cosine(
    centroids: Mapping[str, np.ndarray], source: str, target: str, pool: Sequence[str]
) -> float:
    """Cosine of two personas' centroids after subtracting the mean centroid of a fixed pool.

    Args:
        centroids: persona -> mean hidden state over the evaluation questions, shape (hidden,).
        source: one persona.
        target: the other.
        pool: personas whose mean is subtracted; every one must be in ``centroids``, because a
            mean over whoever happens to be there is a different scale.

    Returns:
        cos(c_source - m, c_target - m) with m the mean over the pool, in -1..1, in float64.

    Raises:
        ValueError: when a persona is absent, the pool has fewer than two personas or names one
            twice, a state is not finite, or a centred centroid has no length.
    """
    matrix = centred(centroids, pool, also=(source, target))
    ours, theirs = matrix[source], matrix[target]
    length = float(np.linalg.norm(ours) * np.linalg.norm(theirs))
    if length == 0.0:
        raise ValueError(
            f"The centroid of {source!r} or {target!r} equals the pool's mean, so it has no"
            " direction; widen the pool."
        )
    return float(np.clip(np.dot(ours, theirs) / length, -1.0, 1.0))


def centred(
    centroids: Mapping[str, np.ndarray], pool: Sequence[str], also: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Centroids of the pool (and of ``also``) minus the pool's mean, in float64.

    Raises:
        ValueError: as ``centred_cosine``.
    """
    if len(set(pool)) != len(pool) or len(pool) < 2:
        raise ValueError(
            "A pool needs at least two personas, each named once: the mean of one persona leaves"
            " that persona no direction."
        )
    wanted = dict.fromkeys((*pool, *also))
    absent = [persona for persona in wanted if persona not in centroids]
    if absent:
        raise ValueError(
            f"No centroid for {', '.join(absent)}; measure the whole pool before centring."
        )
    states = {persona: np.asarray(centroids[persona], dtype=np.float64) for persona in wanted}
    if not all(np.isfinite(state).all() for state in states.values()):
        raise ValueError("A centroid holds NaN or infinity; the hidden states are unusable.")
    mean = np.mean([states[persona] for persona in pool], axis=0)
    return {persona: state - mean for persona, state in states.items()}
