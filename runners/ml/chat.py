"""Renders chats to token ids; always with a system prompt, because templates invent one."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError


def prompt_ids(tokenizer: PreTrainedTokenizerBase, system: str, question: str) -> list[int]:
    """Return the ids of system and user turn, up to the start of the assistant's turn."""
    return chat_ids(
        tokenizer, [{"role": "system", "content": system}, {"role": "user", "content": question}]
    )


def renderer(tokenizer: PreTrainedTokenizerBase) -> Callable[[str, str], list[int]]:
    """Return ``prompt_ids`` of one tokenizer, cached by (system, question)."""

    @functools.cache
    def render(system: str, question: str) -> list[int]:
        return prompt_ids(tokenizer, system, question)

    return render


def chat_ids(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Mapping[str, str]]
) -> list[int]:
    """Return the ids of a chat with generation prompt; JobError (config) without a system turn."""
    if not messages or messages[0]["role"] != "system" or not messages[0]["content"]:
        raise JobError(Reason.CONFIG, "a chat must begin with a system message")
    conversation = [dict(message) for message in messages]
    ids: Any = tokenizer.apply_chat_template(
        conversation, add_generation_prompt=True, tokenize=True, return_dict=False
    )
    return [int(token) for token in ids]


def text_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Return the ids of plain text, without special tokens."""
    return [int(token) for token in tokenizer(text, add_special_tokens=False)["input_ids"]]


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the id of the token that ends a turn (``<|im_end|>`` for Qwen chat models)."""
    if tokenizer.eos_token_id is None:
        raise JobError(Reason.CONFIG, "the tokenizer has no end-of-turn token")
    return int(tokenizer.eos_token_id)


def template_digest(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Sequence[int]]) -> str:
    """Hash the chat template together with the ids of fixed chats."""
    text = json.dumps([tokenizer.chat_template, [list(prompt) for prompt in prompts]])
    return hashlib.sha256(text.encode()).hexdigest()
