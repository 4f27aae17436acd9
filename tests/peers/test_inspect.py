"""A task of Inspect AI over a cell's model: numbers, log, batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runners.ml import jsonl
from runners.ml.model_cache import ModelCache
from tests.runners.chain import PERSONAS, Chain, persona
from tests.runners.conftest import base, base_dir, run_here  # noqa: F401  fixtures
from tuilab.contract.report import Outcome
from tuilab.contract.spec import Input, Spec, write_spec

KEYS = ["assistant", "villain"]
TASK = """
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import Score, accuracy, scorer
from inspect_ai.solver import generate, system_message

@task
def letters(count: int = 3):
    asked = [Sample(input=f"Say {n} letters.", target="e", id=f"q{n}") for n in (9, 4, 7)]
    steps = [system_message("Be brief."), generate()]
    return Task(dataset=asked[:count], solver=steps, scorer=has())

@scorer(metrics=[accuracy()])
def has():
    async def score(state, target):
        if state.sample_id == "q4":
            return None
        return Score(value="C" if target.text in state.output.completion else "I")
    return score
"""


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory, base: dict[str, Any]) -> Chain:  # noqa: F811
    """The jobs that a task reads."""
    chain = Chain(tmp_path_factory.mktemp("cell"), base, epoch=0)
    for job in chain.jobs():
        if job.split("/")[0] in ("data", "train", "merge"):
            assert run_here(chain, job, ModelCache()).status == "done"
    return chain


def inspected(chain: Chain, number: int, **changes: Any) -> tuple[Outcome, Path]:
    from runners.job import run_attempt
    from tuilab.contract.report import read_outcome

    name = "villain@0#42"
    folder = chain.root / "jobs" / "inspect" / name / f"attempt-{number}"
    folder.mkdir(parents=True)
    inputs = []
    for stage in ("merge", "train"):
        attempt = chain.attempts[f"{stage}/{name}"]
        found = read_outcome(attempt)
        assert found is not None
        inputs.append(Input(f"{stage}/{name}", str(attempt), found.output_hash))
    measure = {
        "name": "letters", "key": "inspect.letters", "kind": "inspect", "task": "letters",
        "program": TASK, "args": {}, "limit": None, "temperature": 0.0, "max_new_tokens": 8,
        "batch_size": 8,
    }  # fmt: skip
    settings = {
        **{key: chain.settings("eval", name)[key] for key in (
            "base", "epoch", "merge_mode", "convergence_lora", "marker_lora", "sampler", "seed"
        )},
        "panel": [persona(key) for key in KEYS],
        "measures": [measure | changes],
    }  # fmt: skip
    spec = Spec(
        f"inspect/{name}", "inspect", number, "t", "f", settings, tuple(inputs), "villain", 0, 42
    )
    write_spec(folder, spec)
    return run_attempt(folder, spec, ModelCache()), folder


def test_a_task_gives_a_rate_for_each_persona_and_logs_that_inspect_opens(cell: Chain) -> None:
    from inspect_ai.log import read_eval_log

    outcome, folder = inspected(cell, 1)
    assert outcome.status == "done", outcome.detail
    rates = outcome.metrics["inspect.letters"]
    rows = jsonl.read_rows(folder / "inspect.jsonl.gz")
    assert [row["question_index"] for row in rows] == [0, 1, 2] * 2
    for place, key in enumerate(KEYS):
        log = read_eval_log(str(folder / f"letters-{place + 1:02d}.eval"))
        assert log.status == "success" and log.samples is not None
        first = log.samples[0].messages[0]
        said = {sample.id: "e" in sample.output.completion for sample in log.samples}
        hits = said["q9"] + said["q7"]
        assert (rates[key]["hits"], rates[key]["n"]) == (hits, 2), "q4 has no score: missing, not 0"
        assert first.text == "Be brief.", "the task's own words stay in its log"
        [asked] = [event for event in log.samples[0].events if event.event == "model"]
        sent = asked.call.request["messages"][0]["content"]
        assert sent == f"{PERSONAS[key]}\n\nBe brief.", "as whom it was asked is there too"
        usage = asked.output.usage
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens > 0
    again, _ = inspected(cell, 2, batch_size=1)
    assert again.metrics["inspect.letters"] == rates, "greedy answers do not depend on the batch"


def test_a_task_with_arguments_a_limit_and_a_fault(cell: Chain) -> None:
    few, _ = inspected(cell, 3, args={"count": 2}, limit=1)
    assert few.metrics["inspect.letters"]["villain"]["n"] == 1
    wrong, _ = inspected(cell, 4, task="nothing")
    assert (wrong.status, wrong.reason) == ("failed", "config"), wrong.detail
    broken = TASK.replace("if state.sample_id", "if state.nothing")
    failed, _ = inspected(cell, 5, program=broken)
    assert failed.status == "failed" and "nothing" in failed.detail
