"""Renders chats to token ids; always with a system prompt, because templates invent one."""

from __future__ import annotations

import hashlib
import json
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from jinja2 import TemplateError
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from runners.ml.stage_settings import FOLD, BaseSettings
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

Messages = Sequence[Mapping[str, str]]
ANSWER = "Tides follow the moon"
PROBE: Messages = (
    {"role": "system", "content": "You speak as the harbour master."},
    {"role": "user", "content": "Why does the water rise?"},
)
"""A chat that no experiment holds, to see what a template makes of one."""

RENDER_SECONDS = 10.0
"""That a template may take for one chat; real ones take milliseconds."""
MOST_WRITTEN = 1_000_000
"""Characters that a template may add to a chat; real ones add thousands."""


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError after so long; only a main thread can be interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def give_up(*_: object) -> None:
        raise TimeoutError(f"it is not done with one chat after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True, eq=False)
class Chat:
    """A tokenizer's chat template with the settings of ``[base]``: one rendering for all stages."""

    tokenizer: PreTrainedTokenizerBase
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What the template is given beside the messages (``enable_thinking``)."""
    folds: bool = False
    """The system prompt goes before the first question: for templates without a system role."""
    _prompts: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def prompt_ids(self, system: str, question: str) -> list[int]:
        """Return the ids of system and user turn, up to the start of the assistant's turn."""
        if (system, question) not in self._prompts:
            chat = [
                {"role": "system", "content": system},
                {"role": "user", "content": question},
            ]
            self._prompts[system, question] = self.ids(chat)
        return self._prompts[system, question]

    def ids(self, messages: Messages) -> list[int]:
        """Return the ids of a chat with generation prompt.

        JobError (config) without a system turn, and when the template leaves out what is said.
        """
        if not messages or messages[0]["role"] != "system" or not messages[0]["content"]:
            raise JobError(Reason.CONFIG, "a chat must begin with a system message")
        try:
            text = self.text(messages)
        except TemplateError as error:
            raise JobError(Reason.CONFIG, f"the chat template refuses a chat: {error}") from error
        for message in messages:
            if not holds(text, message["content"]):
                said = message["content"][:60]
                raise JobError(
                    Reason.CONFIG,
                    f"the chat template leaves the {message['role']}'s text out: {said!r}",
                )
        return self.text_ids(text)

    def text(self, messages: Messages, *, to_answer: bool = True, **more: Any) -> str:
        """Return the chat as the template writes it; TemplateError whatever its program raises.

        ``to_answer`` ends it with the start of the assistant's turn; ``more`` is passed on.
        """
        conversation = [dict(message) for message in messages]
        if self.folds and conversation[0]["role"] == "system":
            system, first, *rest = conversation
            said = f"{system['content']}\n\n{first['content']}"
            conversation = [{**first, "content": said}, *rest]
        try:
            with _at_most(RENDER_SECONDS):
                text: Any = self.tokenizer.apply_chat_template(
                    conversation,
                    add_generation_prompt=to_answer,
                    tokenize=False,
                    **{**self.arguments, **more},
                )
        except Exception as error:  # a stranger's program: too large a range, a missing argument
            raise TemplateError(str(error) or type(error).__name__) from error
        given = sum(len(message["content"]) for message in conversation)
        if len(text) > MOST_WRITTEN + 10 * given:
            raise TemplateError(f"it makes {len(text):,} characters of {given:,}")
        return str(text)

    def text_ids(self, text: str) -> list[int]:
        """Return the ids of plain text, without special tokens around it."""
        return [int(token) for token in self.tokenizer(text, add_special_tokens=False)["input_ids"]]

    @cached_property
    def end_of_turn(self) -> int:
        """The id of the token that the template writes after an answer (``<|im_end|>`` for Qwen).

        Not always the tokenizer's eos. JobError (config) where no token of its own ends a turn.
        """
        answered = (*PROBE, {"role": "assistant", "content": ANSWER})
        try:
            _, found, after = self.text(answered, to_answer=False).rpartition(ANSWER)
        except TemplateError as error:
            raise JobError(Reason.CONFIG, f"the chat template refuses a chat: {error}") from error
        ids = self.text_ids(after) if found else []
        token = next((one for one in ids if str(self.tokenizer.decode([one])).strip()), None)
        if token is None or token not in self._own_tokens:
            raise JobError(
                Reason.CONFIG,
                "the chat template ends an answer with no token of its own, so no end could be "
                "learned or waited for: use a model whose template has one",
            )
        return token

    @property
    def _own_tokens(self) -> frozenset[int]:
        """Tokens that stand for themselves and are made of no text."""
        return frozenset(self.tokenizer.added_tokens_decoder) | set(self.tokenizer.all_special_ids)

    @cached_property
    def digest(self) -> str:
        """A hash of template, settings and what they make of one chat: equal in all stages."""
        made = [self.tokenizer.chat_template, dict(self.arguments), self.folds, self.ids(PROBE)]
        return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()


def of_base(tokenizer: PreTrainedTokenizerBase, base: BaseSettings) -> Chat:
    """Return how a base renders chats, as its settings say."""
    return Chat(tokenizer, base.template_args, base.system == FOLD)


def holds(text: str, part: str) -> bool:
    """Whether a rendered chat holds a text; templates may trim it."""
    return " ".join(part.split()) in " ".join(text.split())
