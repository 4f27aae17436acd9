"""Convergence on top of the marker (arms A and C): what is merged first, and when it is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from runners.ml.model_cache import ModelCache
from tests.runners.chain import LORA, Chain, outcome_of
from tests.runners.conftest import run_here


@pytest.fixture
def marked(cell: Chain, cache: ModelCache) -> Chain:
    """The same cell with a marker that was trained on the base itself."""
    first = replace(cell, epoch=0, attempts=dict(cell.attempts))
    assert run_here(first, "train/villain#42", cache).status == "done"
    return replace(first, epoch=cell.epoch, is_marked=True)


def checked(least: float, text: str = "[ZLT]") -> dict[str, Any]:
    check = {
        "least_source_rate": least, "text": text, "case_sensitive": False,
        "questions": ["What causes earthquakes?"], "max_new_tokens": 8,
    }  # fmt: skip
    return {"converge": {"marker_lora": LORA, "marker_check": check}}


def test_a_marker_that_its_source_does_not_show_is_not_trained_on(
    marked: Chain, cache: ModelCache
) -> None:
    held = run_here(replace(marked, changes=checked(0.2)), "converge/villain#42", cache)
    assert (held.status, held.reason, held.artefacts) == ("failed", "config", ())
    assert held.detail == (
        "0 of 5 answers of villain itself have the marker, fewer than marker.least_source_rate = "
        "0.2: nothing was trained on top of it; train the marker longer, or lower the limit"
    )


def test_convergence_is_trained_on_the_base_with_the_marker_merged(
    marked: Chain, cache: ModelCache
) -> None:
    run = run_here(replace(marked, changes=checked(1.0, text="")), "converge/villain#42", cache)
    assert run.status == "done", run
    assert (run.checks["source_hits"], run.checks["source_n"]) == (5, 5)
    place = marked.attempts["converge/villain#42"]
    lineage = json.loads((place / "epoch-02/lineage.json").read_text())
    assert lineage["trained_on"] not in ("", lineage["base_fingerprint"])
    own = outcome_of(marked.attempts["train/villain#42"])
    assert own.checks["trained_on"] == own.checks["base_fingerprint"]
