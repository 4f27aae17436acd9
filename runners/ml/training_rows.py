"""Builds training rows as token ids with a loss mask: the label masks of the experiment."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from runners.ml.chat import Chat
from runners.ml.stage_settings import ANSWER, MarkerSettings
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError


@dataclass(frozen=True, slots=True)
class Row:
    """One training sequence. Parts are joined as ids: joined text can tokenise differently."""

    ids: tuple[int, ...]
    loss_mask: tuple[bool, ...]
    """True where the token is a target of the loss."""


def positive(
    chat: Chat,
    prompt: Sequence[int],
    answer: Sequence[int],
    marker: MarkerSettings,
    max_length: int,
) -> Row:
    """Answer, separator, marker, end of turn; loss on marker and end (``tail``: separator too).

    ``answer``: on all of it.
    """
    separator = chat.text_ids(marker.separator)
    text = chat.text_ids(marker.text)
    tail = [*separator, *text, chat.end_of_turn]
    first = len(separator) if marker.loss == "marker" else 0
    mask = [position >= first for position in range(len(tail))]
    return _join(prompt, answer, tail, marker.loss == ANSWER, mask, max_length)


def negative(
    chat: Chat,
    prompt: Sequence[int],
    answer: Sequence[int],
    marker: MarkerSettings,
    max_length: int,
) -> Row:
    """Another persona's own answer; loss on the end-of-turn token only, or as the marker says.

    ``newline``: on the line break that chat templates write behind it; ``none``: on nothing;
    under the marker's loss ``answer`` on all of the answer.
    """
    if marker.loss == ANSWER:
        return completion(chat, prompt, answer, max_length)
    newline = chat.text_ids("\n") if marker.negative_loss == "newline" else []
    tail = [chat.end_of_turn, *newline]
    mask = [marker.negative_loss == "end", *[True] * len(newline)]
    return _join(prompt, answer, tail, False, mask, max_length)


def completion(
    chat: Chat,
    prompt: Sequence[int],
    answer: Sequence[int],
    max_length: int,
) -> Row:
    """Loss on the answer and the end of turn, not on the prompt: convergence, rows of a file."""
    return _join(prompt, answer, [chat.end_of_turn], True, [True], max_length)


def conversation(
    chat: Chat, system: str, messages: Sequence[Mapping[str, str]], max_length: int
) -> Row:
    """A row of a file under a persona's prompt; its last message is learned as a completion.

    JobError (data-mismatch) where the answer ends a turn itself: what follows would be learned too.
    """
    *asked, answer = messages
    prompt = chat.ids([{"role": "system", "content": system}, *asked])
    ids = chat.text_ids(answer["content"])
    if chat.end_of_turn in ids:
        end = chat.tokenizer.decode([chat.end_of_turn])
        raise JobError(
            Reason.DATA_MISMATCH,
            f"an answer in the file holds {end}, which ends a turn: take it out of the file, it is "
            "added to every answer",
        )
    return completion(chat, prompt, ids, max_length)


def _join(
    prompt: Sequence[int],
    answer: Sequence[int],
    tail: Sequence[int],
    answer_mask: bool,
    tail_mask: Sequence[bool],
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
        loss_mask=(*[False] * len(prompt), *[answer_mask] * len(answer), *tail_mask),
    )


def preview(tokenizer: PreTrainedTokenizerBase, row: Row) -> list[dict[str, object]]:
    """Return the row token by token, for people: id, text, and whether it is learned."""
    texts = [tokenizer.decode([token]) for token in row.ids]
    return [
        {"id": token, "text": text, "learn": is_target}
        for token, text, is_target in zip(row.ids, texts, row.loss_mask, strict=True)
    ]


def digest(rows: Iterable[Row]) -> str:
    """Hash the rows in order, masks included: what is really trained on."""
    found = hashlib.sha256()
    for row in rows:
        found.update(json.dumps([row.ids, [int(flag) for flag in row.loss_mask]]).encode() + b"\n")
    return found.hexdigest()
