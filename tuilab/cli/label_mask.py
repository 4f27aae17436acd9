"""Shows a runner's label-mask preview token by token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from tuilab.cli.output import plain
from tuilab.grid.text import count_of

_WIDTH = 100
_ENDS = 30
"""Tokens shown of each end of a long stretch."""


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
    for piece in _pieces(row):
        if len(line) + len(piece) > _WIDTH:
            yield f"    {line}"
            line = ""
        line += piece + " "
    if line:
        yield f"    {line}"


def _pieces(row: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the tokens; of a long stretch that is learned, or is not, its beginning and its end."""
    for learn, stretch in groupby(row, lambda token: bool(token.get("learn"))):
        texts = [f"【{_text(token)}】" if learn else _text(token) for token in stretch]
        left_out = len(texts) - 2 * _ENDS
        if left_out > 1:
            texts[_ENDS:-_ENDS] = [f"… {left_out} more …"]
        yield from texts


def _text(token: Any) -> str:
    raw = str(token.get("text", "")) if isinstance(token, Mapping) else str(token)
    return plain(raw.replace(" ", "·").replace("\n", "↵")) or "∅"
