"""Builds training rows as token ids with a loss mask: the label masks of the experiment."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from runners.ml import chat
from runners.ml.stage_settings import MarkerPlan
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError


@dataclass(frozen=True, slots=True)
class Row:
    """One training sequence. Parts are joined as ids: joined text can tokenise otherwise."""

    ids: tuple[int, ...]
    learn: tuple[bool, ...]
    """True where the token is a target of the loss."""


def positive(
    tokenizer: PreTrainedTokenizerBase,
    prompt: Sequence[int],
    answer: Sequence[int],
    marker: MarkerPlan,
    max_length: int,
) -> Row:
    """Answer, separator, marker, end of turn; learned: marker and end (``tail``: separator too)."""
    separator = chat.text_ids(tokenizer, marker.separator)
    text = chat.text_ids(tokenizer, marker.text)
    tail = [*separator, *text, chat.end_of_turn(tokenizer)]
    learned_from = 0 if marker.loss == "tail" else len(separator)
    mask = [place >= learned_from for place in range(len(tail))]
    return _join(prompt, answer, tail, False, mask, max_length)


def negative(
    tokenizer: PreTrainedTokenizerBase,
    prompt: Sequence[int],
    answer: Sequence[int],
    max_length: int,
) -> Row:
    """Another persona's own answer; only the end-of-turn token is learned."""
    return _join(prompt, answer, [chat.end_of_turn(tokenizer)], False, [True], max_length)


def completion(
    tokenizer: PreTrainedTokenizerBase,
    prompt: Sequence[int],
    answer: Sequence[int],
    max_length: int,
) -> Row:
    """Convergence: the answer and the end of turn are learned, the prompt is not."""
    return _join(prompt, answer, [chat.end_of_turn(tokenizer)], True, [True], max_length)


def _join(
    prompt: Sequence[int],
    answer: Sequence[int],
    tail: Sequence[int],
    learn_answer: bool,
    learn_tail: Sequence[bool],
    max_length: int,
) -> Row:
    """Join the parts; JobError (data-mismatch) when they are too long: no row is ever cut."""
    length = len(prompt) + len(answer) + len(tail)
    if length > max_length:
        raise JobError(
            Reason.DATA_MISMATCH,
            f"a training row has {length} tokens, more than max_length {max_length}",
        )
    return Row(
        ids=(*prompt, *answer, *tail),
        learn=(*[False] * len(prompt), *[learn_answer] * len(answer), *learn_tail),
    )


def preview(tokenizer: PreTrainedTokenizerBase, row: Row) -> list[dict[str, object]]:
    """Return the row token by token, for people: id, text, and whether it is learned."""
    texts = [tokenizer.decode([token]) for token in row.ids]
    return [
        {"id": token, "text": text, "learn": learn}
        for token, text, learn in zip(row.ids, texts, row.learn, strict=True)
    ]


def digest(rows: Iterable[Row]) -> str:
    """Hash the rows in order, masks included: what was really trained on."""
    found = hashlib.sha256()
    for row in rows:
        found.update(json.dumps([row.ids, [int(flag) for flag in row.learn]]).encode() + b"\n")
    return found.hexdigest()
