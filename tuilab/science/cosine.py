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


def the_scale(frame: pd.DataFrame) -> Scale | None:
    """Return the one scale of the cosines of a measurements frame; None without a cosine.

    Raises:
        MixedScalesError: when the frame holds several.
    """
    found = scales(frame)
    if len(found) > 1:
        listed = "; ".join(str(one) for one in found)
        raise MixedScalesError(
            f"The cosines are on {len(found)} scales ({listed}), which cannot share a column"
            " or an axis; name one of them."
        )
    return found[0] if found else None
