"""Reads the published card that ships with the package; the only file access in this package."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import StringIO
from typing import Any, Final

import pandas as pd

from tuilab.science.cosine import Scale
from tuilab.science.design import Design, Persona, PublishedRow
from tuilab.science.frame import measurements

CLAIMS_FILE: Final = "eps109-claims.toml"
"""The card's own claims, to be judged against its own numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class PublishedExperiment:
    """The card as data: what was planned and what was measured."""

    design: Design
    """Sources, epochs, seed, evaluated panel, and the headline as the card printed it."""
    measurements: pd.DataFrame
    """A measurements frame; what the card did not measure is missing, with the reason."""
    title: str
    """What the card was about."""
    provenance: str
    """Where the numbers come from and what they are."""
    facts: tuple[str, ...]
    """What must be known of these very numbers, a sentence each."""


@cache
def load() -> PublishedExperiment:
    """Load the packaged card. The frame is shared: copy it before changing it."""
    card = json.loads(read("card.json"))
    rows = [*_leakage_rows(card), *_source_rate_rows(card)]
    # Leakage is printed in percent and cosines are not, which is what the unit speaks about.
    frame = measurements([*rows, *_cosine_rows(card)], unit="percent")
    return PublishedExperiment(
        design=_design(card),
        measurements=frame,
        title=card["title"],
        provenance=card["provenance"],
        facts=tuple(card["facts"]),
    )


def read(name: str) -> str:
    """Text of a file of the package's ``published`` folder."""
    return files("tuilab").joinpath("published", name).read_text(encoding="utf-8")


def reference_rows() -> dict[str, PublishedRow]:
    """Headline values of the card by source key, to be shown beside a rerun's own."""
    return dict(load().design.published)


def _design(card: dict[str, Any]) -> Design:
    return Design(
        sources=tuple(Persona(source["key"], source["label"]) for source in card["sources"]),
        epochs=tuple(card["epochs"]),
        seeds=(card["seed"],),
        target=Persona(**card["target"]),
        personas=tuple(Persona(**persona) for persona in card["evaluated"]),
        published={
            source["key"]: _reference(source["headline"], card["cosine"])
            for source in card["sources"]
        },
        name=card["card"],
    )


def _reference(headline: dict[str, Any], shared: dict[str, Any]) -> PublishedRow:
    rates = {name: round(headline[name] / 100, 6) for name in ("baseline", "peak", "final")}
    state = headline.get("cosine_state", shared["model_state"])
    scale = Scale(shared["layer"], headline["cosine_pool"], state)
    rest = {name: headline[name] for name in ("cosine", "peak_epoch")}
    return PublishedRow(cosine_scale=scale, **rest, **rates)


def _leakage_rows(card: dict[str, Any]) -> list[dict[str, object]]:
    per_cell = {source["key"]: source["n"] for source in card["sources"]}
    table = pd.read_csv(StringIO(read("leakage.csv")))
    return [
        {
            "source": source,
            "epoch": epoch,
            "seed": card["seed"],
            "metric": "leakage",
            "persona": card["target"]["key"],
            "value": percent,
            "n": per_cell[source],
        }
        for source, epoch, percent in table.itertuples(index=False)
    ]


def _source_rate_rows(card: dict[str, Any]) -> list[dict[str, object]]:
    evaluated = {persona["key"] for persona in card["evaluated"]}
    reasons = card["missing"]
    return [
        {
            "source": source["key"],
            "epoch": epoch,
            "seed": card["seed"],
            "metric": "leakage",
            "persona": source["key"],
            "status": "missing",
            "reason": reasons["source_rate"]
            if source["key"] in evaluated
            else reasons["source_rate_unevaluated"],
        }
        for source in card["sources"]
        for epoch in card["epochs"]
    ]


def _cosine_rows(card: dict[str, Any]) -> list[dict[str, object]]:
    table = pd.read_csv(StringIO(read("cosine.csv")))
    scale = {"seed": card["seed"], "metric": "cosine", **card["cosine"]}
    rows: list[dict[str, object]] = [
        {"source": source, "epoch": epoch, "value": cosine, **scale, "layer": layer}
        for source, epoch, layer, cosine in table.itertuples(index=False)
    ]
    absent = [s["key"] for s in card["sources"] if s["key"] not in set(table["source"])]
    rows += [
        {
            "source": key,
            "epoch": epoch,
            "status": "missing",
            "reason": card["missing"]["cosine"],
            **scale,
        }
        for key in absent
        for epoch in card["epochs"]
    ]
    return rows
