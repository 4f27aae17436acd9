"""Choices against lm-evaluation-harness on a local task with the tiny base: scores and picks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from runners.choices import answers_to, choose, log_likelihoods, scorer_of
from runners.fast import likelihood
from runners.ml.chat import Chat
from runners.ml.stage_settings import Persona
from runners.tinybase import locate
from tuilab.store.shipped import configs_dir

ITEMS = [json.loads(line) for line in (configs_dir() / "data/choices.jsonl").open()]
PROMPTS = ("You are a helpful assistant.", "You are a comedian who tells jokes.")


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_harness_picks_the_same_answers_with_the_same_scores(
    prompt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    from lm_eval import simple_evaluate
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.models.huggingface import HFLM

    tokenizer = AutoTokenizer.from_pretrained(locate.shipped_dir())
    model = AutoModelForCausalLM.from_pretrained(locate.shipped_dir()).eval()
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(item) + "\n" for item in ITEMS))
    task = ConfigurableTask(
        config={
            "task": "local",
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(rows)}, "cache_dir": str(tmp_path)},
            "test_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": "{{question}}",
            "doc_to_choice": "{{choices}}",
            "doc_to_target": "{{answer}}",
            "target_delimiter": "",
            "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
        }
    )
    found = simple_evaluate(
        model=HFLM(pretrained=model, tokenizer=tokenizer, batch_size=4),
        tasks=[task],
        system_instruction=prompt,
        apply_chat_template=True,
        log_samples=True,
        bootstrap_iters=0,
    )
    who = Persona("someone", "someone", prompt)
    several = [answers_to(Chat(tokenizer), who, item) for item in ITEMS]
    answers = [answer for one in several for answer in one]
    with scorer_of(model, tokenizer.pad_token_id) as score:
        assert score.func is likelihood.log_likelihoods  # type: ignore[attr-defined]
        scores = log_likelihoods(score, answers, 7, lambda done, of: None)
    ours = [[scores[answer] for answer in one] for one in several]
    samples = sorted(found["samples"]["local"], key=lambda one: one["doc_id"])
    theirs = [[float(answer[0][0]) for answer in one["resps"]] for one in samples]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(other, abs=1e-4)
    for name, normalize in (("acc", "none"), ("acc_norm", "characters")):
        picks = [
            choose(one, item["choices"], normalize) for one, item in zip(ours, ITEMS, strict=True)
        ]
        right = [pick == item["answer"] for pick, item in zip(picks, ITEMS, strict=True)]
        assert [bool(one[name]) for one in samples] == right
        assert found["results"]["local"][f"{name},none"] == pytest.approx(sum(right) / len(ITEMS))
