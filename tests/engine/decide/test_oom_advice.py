"""After gpu-oom the record says which setting to lower, as a relaunch takes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.engine.facts_of import Story
from tests.engine.trials import make_plan
from tuilab.contract.reasons import Reason
from tuilab.engine.decide.actions import Settle
from tuilab.engine.decide.oom_advice import what_to_lower
from tuilab.engine.decide.tick import decide
from tuilab.grid.edits import parse_edits
from tuilab.grid.endings import Ending
from tuilab.grid.stages import Stage
from tuilab.grid.states import Verdict


def training(rows: int, **others: Any) -> dict[str, Any]:
    return {"training": {"batch_size": rows, "grad_accum": 2, **others}}


@pytest.mark.parametrize(
    ("stage", "settings", "edits"),
    [
        (Stage.TRAIN, training(8), {"marker.batch_size": 4, "marker.grad_accum": 4}),
        (Stage.TRAIN, {"trait": {}, **training(3)}, {"trait.batch_size": 1}),
        (Stage.CONVERGE, training(2), {"convergence.batch_size": 1, "convergence.grad_accum": 4}),
        (Stage.TRAIN, training(3), {"marker.batch_size": 1}),
        (Stage.TRAIN, training(1), {"marker.gradient_checkpointing": True}),
        (Stage.EVAL, {"batch_size": 512, "sampler": "auto"}, {"eval.batch_size": 256}),
        (Stage.DATA, {"batch_size": 64}, {"data.batch_size": 32}),
        (Stage.COSINE, {"batch_size": 64}, {"cosine.batch_size": 32}),
        (Stage.EVAL, {"batch_size": 512, "sampler": "vllm"}, {"eval.sampler": "trunk"}),
        (Stage.DATA, {"batch_size": 64, "sampler": "vllm"}, {"eval.sampler": "trunk"}),
    ],
)
def test_the_proposal_is_an_edit_that_needs_less(
    stage: Stage, settings: dict[str, Any], edits: dict[str, Any]
) -> None:
    words = what_to_lower(stage, settings).split("--set ")[1:]
    assert parse_edits([word.strip() for word in words]) == edits


def test_where_nothing_is_left_to_lower_it_says_so() -> None:
    assert "nothing is left" in what_to_lower(Stage.TRAIN, training(1, gradient_checkpointing=True))
    assert "nothing is left" in what_to_lower(Stage.EVAL, {"batch_size": 1})
    assert "doctor" in what_to_lower(Stage.MERGE, {})
    advice = what_to_lower(Stage.EVAL, {"sampler": "auto"}, "too little for vLLM")
    assert "vLLM" in advice and advice.endswith("--set eval.sampler=transformers")


def test_the_record_keeps_the_evidence_and_adds_the_proposal() -> None:
    plan = replace(make_plan(), settings={"plain": training(8)})
    story = Story(plan).want().make("data/villain", "data/clerk").claim("train/villain@0#42")
    said = "CUDA out of memory: tried to allocate 2.30 GiB. " + "x" * 900
    ending = Ending(Verdict.FAILED, Reason.GPU_OOM, said)
    attempt = story.attempt("train/villain@0#42", ending=ending)
    [settle] = decide(story.facts(attempts={attempt.job: attempt}))
    assert isinstance(settle, Settle)
    assert settle.ending.detail.startswith("CUDA out of memory: tried to allocate 2.30 GiB")
    assert "--set marker.batch_size=4" in settle.ending.detail
    assert len(settle.ending.detail) < 400
    assert settle.retry == ""
