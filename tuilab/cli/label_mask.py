"""Asks a runner for the label-mask preview, and shows it token by token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuilab.cli.output import plain
from tuilab.cli.runner_programs import ask, is_cached
from tuilab.grid.jobs import Plan
from tuilab.grid.stages import Stage
from tuilab.grid.text import count_of
from tuilab.store.base_model import hub_home

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig

PROGRAM = "runners.mask_preview"
_WIDTH = 100


def ask_for_preview(config: ExperimentConfig, plan: Plan) -> tuple[Mapping[str, Any] | None, str]:
    """Return the runner's preview of one positive and one negative row, or why there is none.

    The runner gets the train settings of the first cell; a tokenizer that is not on this machine
    is never fetched for it.
    """
    base = config.base
    if not is_cached(base.model, base.revision, hub_home()):
        return None, f"the tokenizer of {base.model} is not on this machine"
    job = next(job for job in plan.jobs if job.stage is Stage.TRAIN)
    answer = ask(PROGRAM, question={"settings": plan.settings[job.settings]})
    if answer.value is not None and answer.value.get("error"):
        return None, str(answer.value["error"])
    return answer.value, answer.why_not


def preview_text(preview: Mapping[str, Any] | None, why_not: str) -> Iterator[str]:
    """Yield the lines of the preview; learned tokens are in 【 】."""
    if preview is None:
        yield f"label mask: not shown ({plain(why_not)})"
        return
    yield "label mask: learned tokens in 【 】, · is a space, ↵ a line break"
    if tokens := preview.get("marker_tokens"):
        count = count_of(len(tokens), "token")
        yield f"  marker    {count}: {' '.join(map(_text, tokens))}"
    for name in ("positive", "negative"):
        if row := preview.get(name):
            learned = sum(bool(token.get("learn")) for token in row)
            yield f"  {name}  {learned} of {len(row)} tokens learned"
            yield from _wrapped(row)


def _wrapped(row: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    line = ""
    for token in row:
        piece = f"【{_text(token)}】" if token.get("learn") else _text(token)
        if len(line) + len(piece) > _WIDTH:
            yield f"    {line}"
            line = ""
        line += piece + " "
    if line:
        yield f"    {line}"


def _text(token: Any) -> str:
    raw = str(token.get("text", "")) if isinstance(token, Mapping) else str(token)
    return plain(raw.replace(" ", "·").replace("\n", "↵")) or "∅"
