"""Show which tokens a marker run will learn: python -m runners.mask_preview < REQUEST

Reads ``{"settings": {...}}`` (the settings of a train job) on stdin and prints one JSON object:
``positive`` and ``negative`` rows token by token (id, text, learn) and ``marker_tokens``; or
``error``. Loads the tokenizer only, never weights.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from transformers import AutoTokenizer
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from runners.ml import base_model, chat, stage_settings, training_rows
from tuilab.contract.report import JobError

ANSWER = "This is where an answer stands."
QUESTION = "How does gravity work?"


def main() -> int:
    """Answer the request on stdin; errors are answers too, for ``tuilab plan`` to show."""
    try:
        settings = json.load(sys.stdin)["settings"]
        base = stage_settings.base(settings)
        tokenizer = AutoTokenizer.from_pretrained(
            base_model.source_of(base), revision=base.revision
        )
        found = preview(settings, tokenizer)
    except JobError as error:
        found = {"error": error.detail}
    except (OSError, ValueError, KeyError, TypeError) as error:
        found = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
    print(json.dumps(found))
    return 1 if "error" in found else 0


def preview(settings: Mapping[str, Any], tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Build one positive and one negative row as the train stage would, around a sample answer."""
    marker = stage_settings.marker(settings)
    source = stage_settings.persona(settings, "source")
    others = stage_settings.personas(settings, "negatives")
    length = stage_settings.training(settings).max_length
    answer = chat.text_ids(tokenizer, settings.get("answer", ANSWER))
    question = settings.get("question", QUESTION)
    prompt = chat.prompt_ids(tokenizer, source.prompt, question)
    found: dict[str, Any] = {
        "marker_tokens": _tokens(tokenizer, chat.text_ids(tokenizer, marker.text)),
        "separator_tokens": _tokens(tokenizer, chat.text_ids(tokenizer, marker.separator)),
        "positive": training_rows.preview(
            tokenizer, training_rows.positive(tokenizer, prompt, answer, marker, length)
        ),
        "negative": None,
    }
    if others:
        prompt = chat.prompt_ids(tokenizer, others[0].prompt, question)
        row = training_rows.negative(tokenizer, prompt, answer, length)
        found["negative"] = training_rows.preview(tokenizer, row)
    return found


def _tokens(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[dict[str, Any]]:
    return [{"id": token, "text": tokenizer.decode([token])} for token in ids]


if __name__ == "__main__":
    raise SystemExit(main())
