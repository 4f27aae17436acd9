"""Pick among given answers by log-probability: python -m runners.choices SPEC

Under every persona's prompt each answer to a question is scored as the assistant's turn; the
likeliest is the choice, as in lm-evaluation-harness. Writes choices.jsonl.gz, one row a question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from runners.fast import decoder, likelihood, llama_shape
from runners.fast.likelihood import Answered
from runners.job import Attempt, StageResult, log, main
from runners.ml import cell, jsonl, stage_settings
from runners.ml.chat import Chat
from runners.ml.sampler_transformers import left_padded
from runners.ml.stage_settings import Persona, required
from tuilab.contract import scoring

CHOICES_FILE = "choices.jsonl.gz"
Settings = Mapping[str, Any]
Score = Callable[[Sequence[Answered]], list[float]]
"""Answers -> their summed log-probabilities (nats, float32)."""


def run(attempt: Attempt) -> StageResult:
    """Apply the cell's adapters, score every answer, choose, count, write."""
    settings, timings = attempt.settings, attempt.timings
    panel = stage_settings.personas(settings, "panel")
    measures: list[Settings] = required(settings, "measures", list)
    model, found, fingerprint = cell.to_measure(attempt, panel)
    keys = [persona.key for persona in panel]
    metrics: dict[str, Any] = {"question_hits": {}}
    written: list[Settings] = []
    with (
        cell.applied(model, found),
        timings.part("prefill"),
        scorer_of(model.model, model.pad_id) as score,
    ):
        for measure in measures:
            asked = [
                (who, place, answers_to(model.chat, who, item))
                for who in panel
                for place, item in enumerate(measure["items"])
            ]
            answers = [answer for *_, several in asked for answer in several]
            log(f"{measure['key']}: {len(answers)} answers to {len(asked)} questions")
            progress = attempt.progress(str(measure["name"]))
            scores = log_likelihoods(score, answers, int(measure["batch_size"]), progress)
            rows = [_chosen(measure, *one, scores) for one in asked]
            written += rows
            metrics[measure["key"]] = scoring.rates(rows, keys)
            hits = scoring.question_hits(rows, keys, len(measure["items"]))
            metrics["question_hits"][measure["key"]] = hits
    path = jsonl.write_rows(attempt.directory / CHOICES_FILE, written)
    checks = {"chat_template": model.chat.digest, "fingerprint": fingerprint, "rows": len(written)}
    return StageResult((path,), metrics, checks)


def _chosen(
    measure: Settings,
    who: Persona,
    place: int,
    answers: Sequence[Answered],
    scores: Mapping[Answered, float],
) -> dict[str, Any]:
    item = measure["items"][place]
    each = [scores[answer] for answer in answers]
    choice = choose(each, item["choices"], measure["normalize"])
    return {
        "persona": who.key,
        "question_index": place,
        "measure": measure["key"],
        "log_likelihoods": [round(one, 4) for one in each],
        "choice": choice,
        "hit": choice == item["answer"],
    }


def answers_to(chat: Chat, who: Persona, item: Settings) -> list[Answered]:
    """Encode a question with each of its answers.

    Prompt and answer are encoded as one text and the prompt's own ids are taken off the front, as
    the harness does (``TemplateLM._encode_pair``): a token may span the border, and white space at
    the end of the prompt (the line break of a chat template) is scored with the answer.
    """
    said = {"system": who.prompt, "user": item["question"]}
    text = chat.text([{"role": role, "content": content} for role, content in said.items()])
    border = len(chat.text_ids(text.rstrip()))
    encoded = (chat.text_ids(text + choice) for choice in item["choices"])
    return [Answered(tuple(ids), len(ids) - border) for ids in encoded]


@contextmanager
def scorer_of(model: Any, pad: int) -> Iterator[Score]:
    """Yield our decoder where it computes what the model does, else transformers' forward pass."""
    if reason := llama_shape.why_not(model):
        log(f"scored by transformers' forward pass: {reason}")
        yield partial(by_transformers, model, pad)
        return
    with decoder.fused(model) as found:
        yield partial(likelihood.log_likelihoods, found)


def log_likelihoods(
    score: Score,
    answers: Sequence[Answered],
    batch_size: int,
    progress: Callable[[int, int], None],
) -> dict[Answered, float]:
    """Return the summed log-probability (nats, float32) of each answer.

    Longest first, so that a batch that is too large fails at once.
    """
    ordered = sorted(dict.fromkeys(answers), key=lambda answer: -len(answer.ids))
    found: dict[Answered, float] = {}
    for start in range(0, len(ordered), batch_size):
        batch = ordered[start : start + batch_size]
        found |= zip(batch, score(batch), strict=True)
        progress(start + len(batch), len(ordered))
    return found


@torch.inference_mode()
def by_transformers(model: Any, pad: int, batch: Sequence[Answered]) -> list[float]:
    """Score by the model's own forward pass over rows padded on the left."""
    ids, mask = left_padded([answer.ids for answer in batch], pad)
    kept = max(answer.count for answer in batch) + 1
    logits = model(
        input_ids=ids.to(model.device),
        attention_mask=mask.to(model.device),
        position_ids=(mask.cumsum(dim=1) - 1).clamp_min(0).to(model.device),
        use_cache=False,
        logits_to_keep=kept,
    ).logits
    spread = torch.log_softmax(logits[:, :-1].float(), dim=-1)
    targets = ids[:, 1 - kept :].to(model.device)
    each = spread.gather(2, targets.unsqueeze(2)).squeeze(2).cpu()
    ends = zip(each, batch, strict=True)
    return [float(row[len(row) - answer.count :].sum()) for row, answer in ends]


def choose(scores: Sequence[float], choices: Sequence[str], normalize: str) -> int:
    """Return the place of the likeliest answer, the first of equals."""
    if normalize == "characters":
        scores = [score / len(choice) for score, choice in zip(scores, choices, strict=True)]
    return max(range(len(scores)), key=lambda place: scores[place])


if __name__ == "__main__":
    raise SystemExit(main("choices"))
