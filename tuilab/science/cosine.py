"""Cosines of centred hidden states, each on the scale it was measured on and no other."""

from dataclasses import dataclass

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
