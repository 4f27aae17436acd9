"""Looks whether a base can carry this experiment: its chat template, its tokens, its modules.

``tuilab plan`` shows the findings before anything runs, and every runner refuses by the same ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jinja2 import TemplateError
from transformers import AutoConfig, AutoModelForCausalLM

from runners.ml import adapter, centroids
from runners.ml.chat import PROBE, Chat, Messages, holds
from runners.ml.stage_settings import BaseSettings, LoraSettings, Persona
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

OK, WARNING, BLOCKING = "ok", "warning", "blocking"
FOLDING = 'set [base] system = "fold", which puts it before the first question'
THINKING = "enable_thinking"
_EARLY, _LATE = "1999", "2031"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    level: str
    sentence: str


def refuse(findings: Iterable[Finding]) -> None:
    """Raise JobError (config) with the first finding that makes results wrong."""
    for found in findings:
        if found.level == BLOCKING:
            raise JobError(Reason.CONFIG, found.sentence)


def of_template(chat: Chat) -> Iterator[Finding]:
    """Look at what the chat template makes of a chat, whatever the personas are."""
    if not chat.tokenizer.chat_template:
        yield Finding(
            "chat-template",
            BLOCKING,
            "the base has no chat template: use an instruct model, or put a chat_template.jinja "
            "beside its tokenizer",
        )
        return
    if broken := _broken_chat(chat):
        yield broken
        return
    how = "folded into the first question" if chat.folds else "given in the system role"
    yield Finding("system-prompt", OK, f"the persona's prompt is {how}")
    yield _clock(chat)
    yield _generation_prompt(chat)
    yield _end_of_turn(chat)
    yield from _arguments(chat)


def of_personas(chat: Chat, personas: Sequence[Persona]) -> Iterator[Finding]:
    """Look whether each persona's prompt reaches the model, and as ids of its own."""
    question = PROBE[1]["content"]
    by_ids: dict[tuple[int, ...], Persona] = {}
    for one in personas:
        try:
            ids = tuple(chat.prompt_ids(one.prompt, question))
        except JobError as error:
            yield Finding("persona-prompts", BLOCKING, f"{one.key}: {error.detail}")
            return
        twin = by_ids.setdefault(ids, one)
        if twin.prompt.split() != one.prompt.split():
            said = f"{twin.key} and {one.key} have different prompts but the same token ids"
            yield Finding("persona-prompts", BLOCKING, said)
            return
    yield Finding("persona-prompts", OK, f"the prompts of {len(personas)} personas reach the model")


def of_marker(chat: Chat, text: str) -> Finding:
    """Look whether the marker survives its tokens, as the scorer reads them."""
    ids = chat.text_ids(text)
    read = str(chat.tokenizer.decode(ids, skip_special_tokens=True))
    if text.casefold() not in read.casefold():
        said = f"the marker {text!r} reads {read!r} once it was tokens: choose another"
        return Finding("marker-tokens", BLOCKING, said)
    return Finding("marker-tokens", OK, f"the marker {text} is {len(ids)} tokens")


def of_modules(
    model: Any, loras: Sequence[LoraSettings], layers: Sequence[int]
) -> Iterator[Finding]:
    """Look whether the adapters' modules and the cosine's blocks exist."""
    try:
        count = max(len(adapter.modules_of(model, lora)) for lora in loras)
        yield Finding("target-modules", OK, f"the adapters change {count} modules of the base")
    except JobError as error:
        yield Finding("target-modules", BLOCKING, error.detail)
    try:
        blocks = len(centroids.decoder_blocks(model))
    except JobError as error:
        yield Finding("decoder-blocks", BLOCKING, error.detail)
        return
    if absent := [layer for layer in layers if layer >= blocks]:
        said = f"cosine.layers {absent} do not exist: the base has {blocks} blocks"
        yield Finding("decoder-blocks", BLOCKING, said)
    else:
        yield Finding("decoder-blocks", OK, f"the base has {blocks} decoder blocks")


def without_weights(source: str, base: BaseSettings) -> Any:
    """Return the base's modules, without memory for their weights."""
    config = AutoConfig.from_pretrained(
        source, revision=base.revision, trust_remote_code=base.trust_remote_code
    )
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config, trust_remote_code=base.trust_remote_code)


def _broken_chat(chat: Chat) -> Finding | None:
    system, question = PROBE[0]["content"], PROBE[1]["content"]
    way_out = "use another base" if chat.folds else FOLDING
    try:
        text = chat.text(PROBE)
    except TemplateError as error:
        if not _renders(chat, PROBE[1:]):
            said = f"the chat template cannot be used ({error}): put one that works beside the base"
            return Finding("chat-template", BLOCKING, said)
        said = f"the chat template takes no system prompt ({error}): {way_out}"
        return Finding("system-prompt", BLOCKING, said)
    if not holds(text, system):
        said = f"the chat template leaves the system prompt out: {way_out}"
    elif not holds(text, question):
        said = "the chat template leaves the question out: use another base"
    else:
        return None
    return Finding("system-prompt", BLOCKING, said)


def _renders(chat: Chat, messages: Messages) -> bool:
    try:
        chat.text(messages)
    except TemplateError:
        return False
    return True


def _clock(chat: Chat) -> Finding:
    """Render at two times, which must not show; the clock of a template is ``strftime_now``."""
    then, later = (
        chat.text(PROBE, strftime_now=lambda form, year=year: year) for year in (_EARLY, _LATE)
    )
    if then == later == chat.text(PROBE):
        return Finding("template-clock", OK, "the chat template writes no date or time")
    if re.search(r"\bdate_string\b", _source(chat)):
        way_out = 'fix it with [base] template_args = { date_string = "26 Jul 2024" }'
    else:
        way_out = "use a template without it"
    said = "the chat template writes the date or time, so jobs would see different prompts"
    return Finding("template-clock", BLOCKING, f"{said}: {way_out}")


def _generation_prompt(chat: Chat) -> Finding:
    without, whole = chat.text(PROBE, to_answer=False), chat.text(PROBE)
    start = whole.removeprefix(without)
    if start == whole or not start.strip():
        return Finding(
            "generation-prompt",
            BLOCKING,
            "the chat template has no generation prompt: the model would not know that it is to "
            "answer; use a template that heeds add_generation_prompt",
        )
    return Finding("generation-prompt", OK, f"an answer begins after {start!r}")


def _end_of_turn(chat: Chat) -> Finding:
    try:
        token = chat.end_of_turn
    except JobError as error:
        return Finding("end-of-turn", BLOCKING, error.detail)
    said = f"an answer ends with {chat.tokenizer.decode([token])}"
    if token != chat.tokenizer.eos_token_id:
        said += f", as the template says (the tokenizer's eos is {chat.tokenizer.eos_token})"
    return Finding("end-of-turn", OK, said)


def _arguments(chat: Chat) -> Iterator[Finding]:
    source = _source(chat)
    if unknown := [name for name in chat.arguments if not re.search(rf"\b{name}\b", source)]:
        said = f"the chat template knows no {', '.join(unknown)}: take it out of base.template_args"
        yield Finding("template-args", BLOCKING, said)
    if THINKING in source and THINKING not in chat.arguments:
        yield Finding(
            "thinking",
            BLOCKING,
            "this base can think before it answers: say [base] template_args = "
            f"{{ {THINKING} = false }}, or true",
        )
    elif chat.arguments.get(THINKING) or _opens_thoughts(chat.text(PROBE)):
        said = "thinking is on: thoughts are part of the answers and take their tokens"
        yield Finding("thinking", WARNING, said)


def _opens_thoughts(prompt: str) -> bool:
    return prompt.rfind("<think>") > prompt.rfind("</think>")


def _source(chat: Chat) -> str:
    template = chat.tokenizer.chat_template
    return template if isinstance(template, str) else "\n".join(template.values())
