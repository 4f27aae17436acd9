"""Show what a marker run will learn, and what the base lacks: python -m runners.mask_preview < ASK

Reads ``{"settings": {...}, "personas": [...], "loras": [...], "layers": [...]}`` (the settings of
a train job, all personas, adapters and layers of the experiment) on stdin and prints one JSON
object: ``checks`` of the base, ``positive`` and ``negative`` rows token by token (id, text, learn)
and ``marker_tokens``; or ``error``. Loads the tokenizer and the names of the modules, no weights.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from transformers import AutoTokenizer

from runners.ml import base_checks, base_model, chat, stage_settings, training_rows
from runners.ml.base_checks import Finding
from runners.ml.chat import Chat
from runners.ml.stage_settings import BaseSettings
from tuilab.contract.report import JobError

ANSWER = "This is where an answer stands."
QUESTION = "How does gravity work?"


def main() -> int:
    """Answer the request on stdin; errors are answers too, for ``tuilab plan`` to show."""
    try:
        found = answer(json.load(sys.stdin))
    except JobError as error:
        found = {"error": error.detail}
    except (OSError, ValueError, KeyError, TypeError) as error:
        found = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
    print(json.dumps(found))
    return 1 if "error" in found else 0


def answer(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Check the base; preview the rows where it is fit for that."""
    settings = asked["settings"]
    base = stage_settings.base(settings)
    source = base_model.source_of(base)
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            source, revision=base.revision, trust_remote_code=base.trust_remote_code
        )
    except (ValueError, KeyError, TypeError) as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        said = f"the base's tokenizer or chat template cannot be read ({why})"
        return {"checks": [asdict(Finding("tokenizer", base_checks.BLOCKING, said))], "error": said}
    rendered = chat.of_base(tokenizer, base)
    checks = list(_checks(asked, rendered, source, base))
    found: dict[str, Any] = {"checks": [asdict(one) for one in checks]}
    if bad := next((one for one in checks if one.level == base_checks.BLOCKING), None):
        return {**found, "error": bad.sentence}
    return {**found, **preview(settings, rendered)}


def _checks(
    asked: Mapping[str, Any], rendered: Chat, source: str, base: BaseSettings
) -> Iterator[Finding]:
    of_template = list(base_checks.of_template(rendered))
    yield from of_template
    if all(one.level != base_checks.BLOCKING for one in of_template):
        yield from base_checks.of_personas(rendered, stage_settings.personas(asked, "personas"))
        if "marker" in asked["settings"]:
            marker = stage_settings.marker(asked["settings"])
            yield base_checks.of_marker(rendered, marker.text)
    loras = [stage_settings.lora({"lora": raw}, "lora") for raw in asked["loras"]]
    try:
        model = base_checks.without_weights(source, base)
    except (OSError, ValueError, KeyError, ImportError) as error:
        first = (str(error).splitlines() or [""])[0]
        said = f"the base's modules are not known before it is loaded ({first[:200]})"
        yield Finding("target-modules", base_checks.WARNING, said)
        return
    yield from base_checks.of_modules(model, [*filter(None, loras)], asked["layers"])


def preview(settings: Mapping[str, Any], rendered: Chat) -> dict[str, Any]:
    """Build one positive and one negative row as the train stage would, around a sample answer."""
    source = stage_settings.persona(settings, "source")
    others = stage_settings.personas(settings, "negatives")
    length = stage_settings.training(settings).max_length
    if "marker" not in settings:
        first = {"positive": source, **({"negative": others[0]} if others else {})}
        rows = {role: settings[f"{role}_rows"] for role in first}
        return {
            role: training_rows.preview(
                rendered.tokenizer,
                training_rows.conversation(rendered, who.prompt, rows[role][0]["messages"], length),
            )
            for role, who in first.items()
            if rows[role]
        }
    marker = stage_settings.marker(settings)
    answer = rendered.text_ids(settings.get("answer", ANSWER))
    question = settings.get("question", QUESTION)
    prompt = rendered.prompt_ids(source.prompt, question)
    positive = training_rows.positive(rendered, prompt, answer, marker, length)
    found: dict[str, Any] = {
        "marker_tokens": _tokens(rendered, rendered.text_ids(marker.text)),
        "separator_tokens": _tokens(rendered, rendered.text_ids(marker.separator)),
        "positive": training_rows.preview(rendered.tokenizer, positive),
        "negative": None,
    }
    if others:
        prompt = rendered.prompt_ids(others[0].prompt, question)
        row = training_rows.negative(rendered, prompt, answer, marker, length)
        found["negative"] = training_rows.preview(rendered.tokenizer, row)
    return found


def _tokens(rendered: Chat, ids: list[int]) -> list[dict[str, Any]]:
    return [{"id": token, "text": rendered.tokenizer.decode([token])} for token in ids]


if __name__ == "__main__":
    raise SystemExit(main())
