"""The plan the numbers are read against: which sources, epochs, seeds and personas there are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import pandas as pd

from tuilab.grid.metrics import LEAKAGE
from tuilab.science.cosine import Scale
from tuilab.science.schema import TARGET

BASELINE_EPOCH: Final = 0
"""The untouched base model; every comparison is with the source's own epoch 0."""


class DesignError(ValueError):
    """The plan itself makes no sense; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Persona:
    """A persona by its key and the label people read."""

    key: str
    """Name in the data."""
    label: str
    """Name on screen and in tables."""


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """What an earlier publication printed for one source; rates 0..1, None where it is silent."""

    cosine: float | None = None
    """Cosine at epoch 0 as printed."""
    cosine_scale: Scale | None = None
    """Layer, pool and model state of that cosine; values on two scales are never compared."""
    baseline: float | None = None
    """Leakage at epoch 0."""
    peak: float | None = None
    """Largest leakage."""
    peak_epoch: int | None = None
    """Epoch of the largest leakage."""
    final: float | None = None
    """Leakage at the last epoch."""


@dataclass(frozen=True, slots=True)
class Design:
    """What was planned. A planned cell without a row is missing, never absent and never zero."""

    sources: tuple[Persona, ...]
    """Sources in the order of rows and legends."""
    epochs: tuple[int, ...]
    """Checkpoints; sorted on construction."""
    seeds: tuple[int, ...] = (0,)
    """Seeds; sorted on construction."""
    seed_given: bool = True
    """False for a table that names no seed: its one seed is a number that nobody said."""
    target: Persona = Persona(TARGET, "Assistant")
    """The persona leaked to."""
    personas: tuple[Persona, ...] = ()
    """Evaluated panel in order, target included; empty when unknown."""
    published: Mapping[str, PublishedRow] = field(default_factory=dict)
    """Source key -> reference values to show beside ours."""
    name: str = ""
    """Name of the experiment, for titles."""
    measure: str = LEAKAGE.name
    """The rate whose spread over personas and epochs all of this is about."""

    @property
    def what(self) -> str:
        """What is counted, in words: the marker, or a measure's name."""
        return "marker" if self.measure == LEAKAGE.name else self.measure.rpartition(".")[2]

    @property
    def counted(self) -> str:
        """What a rate is a share of, as captions say it."""
        if self.measure == LEAKAGE.name:
            return "completions with the marker"
        return f"answers that count as {self.what}"

    def __post_init__(self) -> None:
        """Sort epochs and seeds; refuse a plan that has nothing in it or names things twice."""
        object.__setattr__(self, "epochs", tuple(sorted(set(self.epochs))))
        object.__setattr__(self, "seeds", tuple(sorted(set(self.seeds))))
        for what, values in (("sources", self.sources), ("epochs", self.epochs)):
            if not values:
                raise DesignError(f"The experiment has no {what}, so there is nothing to analyse.")
        if not self.seeds:
            raise DesignError("The experiment has no seeds, so there is nothing to analyse.")
        keys = [source.key for source in self.sources]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise DesignError(f"Source {twice[0]!r} is named twice; name every source once.")
        if self.target.key in keys:
            raise DesignError(f"{self.target.key!r} is both target and source; remove it from one.")

    @property
    def one_seed(self) -> str:
        """``one seed (42)``, or that it is not given; "" where there are several."""
        if len(self.seeds) > 1:
            return ""
        return f"one seed ({self.seeds[0]})" if self.seed_given else "seed not given"

    @property
    def later_epochs(self) -> tuple[int, ...]:
        """Checkpoints after the baseline: the family over which tests are corrected."""
        return tuple(epoch for epoch in self.epochs if epoch > BASELINE_EPOCH)

    @property
    def final_epoch(self) -> int:
        """The last planned checkpoint."""
        return self.epochs[-1]

    def label(self, key: str) -> str:
        """Label of a persona, or its key when the design does not know it."""
        known = (*self.sources, *self.personas, self.target)
        return next((persona.label for persona in known if persona.key == key), key)


def design_of(
    frame: pd.DataFrame,
    *,
    target: str = TARGET,
    sources: Iterable[str] | None = None,
    name: str = "",
) -> Design:
    """Read the plan off a measurements frame: the full grid of what occurs in it.

    Sources keep the order of ``sources`` when given and are alphabetical otherwise (a frame has
    no order of its own).

    Raises:
        DesignError: when the frame has no rows.
    """

    def persona(key: str) -> Persona:
        return Persona(key, key.replace("_", " ").capitalize())

    leakage = frame[frame["metric"] == "leakage"]
    panel = sorted({str(key) for key in leakage["persona"].dropna()} - {target})
    keys = list(sources) if sources is not None else sorted(set(frame["source"].astype(str)))
    return Design(
        sources=tuple(persona(key) for key in keys),
        epochs=tuple(int(epoch) for epoch in frame["epoch"].unique()),
        seeds=tuple(int(seed) for seed in frame["seed"].unique()),
        target=persona(target),
        personas=(*(persona(key) for key in panel), persona(target)),
        name=name,
    )
