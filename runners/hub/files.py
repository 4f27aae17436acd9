"""Chooses the files of a repository that a base is loaded from; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tuilab.contract.hub import WEIGHTS

_NAMES = frozenset({
    "config.json", "generation_config.json", "model.safetensors.index.json", "tokenizer.json",
    "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "vocab.txt", "merges.txt", "chat_template.json", "chat_template.jinja",
    "sentencepiece.bpe.model", "spiece.model",
})  # fmt: skip
_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
_TEMPLATE = re.compile(r"additional_chat_templates/[^/]+\.jinja")


def loaded(paths: Iterable[str], with_code: bool = False) -> list[str]:
    """Return what is loaded: weights as safetensors, config, tokenizer, chat templates.

    The same weights in other formats, and shards beside a whole file, are left out. ``with_code``
    adds the repository's own modules. A result without weights means that there are none to load.
    """
    found = set(paths)
    has_whole = WEIGHTS in found
    return sorted(
        path
        for path in found
        if path in _NAMES
        or path == WEIGHTS
        or (not has_whole and _SHARD.fullmatch(path))
        or _TEMPLATE.fullmatch(path)
        or (with_code and re.fullmatch(r"[\w-]+\.(py|tiktoken)", path))
    )


def of_tokenizer(paths: Iterable[str]) -> list[str]:
    """Return what a tokenizer is loaded from: a few MB, without any weights."""
    return [path for path in loaded(paths) if "safetensors" not in path]


def has_weights(paths: Iterable[str]) -> bool:
    """Whether there is something to load as a model."""
    return any(path == WEIGHTS or _SHARD.fullmatch(path) for path in paths)
