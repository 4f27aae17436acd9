"""Pick among given answers by log-probability: python -m runners.choices SPEC

Under every persona's prompt each answer to a question is scored as the assistant's turn; the
likeliest is the choice, as in lm-evaluation-harness. Writes choices.jsonl.gz, one row a question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from runners.job import Attempt, StageResult, log, main
from runners.ml import cell, jsonl, stage_settings
from runners.ml.chat import Chat
from runners.ml.sampler_transformers import left_padded
from runners.ml.stage_settings import Persona, required
from tuilab.contract import scoring

CHOICES_FILE = "choices.jsonl.gz"
Settings = Mapping[str, Any]
Pair = tuple[list[int], int]
"""Ids of a prompt with one answer, and how many of them at the end are the answer's."""
Scores = Mapping[tuple[tuple[int, ...], int], float]


def run(attempt: Attempt) -> StageResult:
    """Apply the cell's adapters, score every answer, choose, count, write."""
    settings, timings = attempt.settings, attempt.timings
    panel = stage_settings.personas(settings, "panel")
    measures: list[Settings] = required(settings, "measures", list)
    model, found, fingerprint = cell.to_measure(attempt, panel)
    keys = [persona.key for persona in panel]
    metrics: dict[str, Any] = {"question_hits": {}}
    written: list[Settings] = []
    with cell.applied(model, found), timings.part("prefill"):
        for measure in measures:
            asked = [
                (who, place, pairs_of(model.chat, who, item))
                for who in panel
                for place, item in enumerate(measure["items"])
            ]
            pairs = [pair for *_, several in asked for pair in several]
            log(f"{measure['key']}: {len(pairs)} answers to {len(asked)} questions")
            progress = attempt.progress(str(measure["name"]))
            scores = log_likelihoods(
                model.model, pairs, int(measure["batch_size"]), model.pad_id, progress
            )
            rows = [_chosen(measure, *one, scores) for one in asked]
            written += rows
            metrics[measure["key"]] = scoring.rates(rows, keys)
            hits = scoring.question_hits(rows, keys, len(measure["items"]))
            metrics["question_hits"][measure["key"]] = hits
    path = jsonl.write_rows(attempt.directory / CHOICES_FILE, written)
    checks = {"chat_template": model.chat.digest, "fingerprint": fingerprint, "rows": len(written)}
    return StageResult((path,), metrics, checks)


def _chosen(
    measure: Settings, who: Persona, place: int, pairs: Sequence[Pair], scores: Scores
) -> dict[str, Any]:
    item = measure["items"][place]
    each = [scores[tuple(ids), count] for ids, count in pairs]
    choice = choose(each, item["choices"], measure["normalize"])
    return {
        "persona": who.key,
        "question_index": place,
        "measure": measure["key"],
        "log_likelihoods": [round(one, 4) for one in each],
        "choice": choice,
        "hit": choice == item["answer"],
    }


def pairs_of(chat: Chat, who: Persona, item: Settings) -> list[Pair]:
    """Encode a question with each of its answers.

    Prompt and answer are encoded as one text and the prompt's own ids are taken off the front, as
    the harness does (``TemplateLM._encode_pair``): a token may span the border, and white space at
    the end of the prompt (the line break of a chat template) is scored with the answer.
    """
    said = {"system": who.prompt, "user": item["question"]}
    text = chat.text([{"role": role, "content": content} for role, content in said.items()])
    border = len(chat.text_ids(text.rstrip()))
    encoded = (chat.text_ids(text + choice) for choice in item["choices"])
    return [(ids, len(ids) - border) for ids in encoded]


@torch.inference_mode()
def log_likelihoods(
    model: Any,
    pairs: Sequence[Pair],
    batch_size: int,
    pad: int,
    progress: Callable[[int, int], None],
) -> Scores:
    """Return the summed log-probability (nats, float32) of each answer, by its pair.

    Longest first, so that a batch that is too large fails at once.
    """
    unique = dict.fromkeys((tuple(ids), count) for ids, count in pairs)
    ordered = sorted(unique, key=lambda pair: -len(pair[0]))
    found: dict[tuple[tuple[int, ...], int], float] = {}
    for start in range(0, len(ordered), batch_size):
        batch = ordered[start : start + batch_size]
        ids, mask = left_padded([one for one, _ in batch], pad)
        kept = max(count for _, count in batch) + 1
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
        for row, (sequence, count) in zip(each, batch, strict=True):
            found[sequence, count] = float(row[len(row) - count :].sum())
        progress(start + len(batch), len(ordered))
    return found


def choose(scores: Sequence[float], choices: Sequence[str], normalize: str) -> int:
    """Return the place of the likeliest answer, the first of equals."""
    if normalize == "characters":
        scores = [score / len(choice) for score, choice in zip(scores, choices, strict=True)]
    return max(range(len(scores)), key=lambda place: scores[place])


if __name__ == "__main__":
    raise SystemExit(main("choices"))
