"""The label-mask preview shows which tokens are trained on."""

from __future__ import annotations

from tuilab.cli.label_mask import preview_text


def test_the_preview_marks_what_is_learned() -> None:
    row = [
        {"id": 1, "text": " Hi", "learn": False},
        {"id": 2, "text": "\n\n", "learn": True},
        {"id": 3, "text": "\x1b[Z", "learn": True},
    ]
    lines = list(preview_text({"marker_tokens": row[2:], "positive": row, "negative": None}, ""))
    assert "2 of 3 tokens learned" in lines[2]
    assert "·Hi 【↵↵】" in lines[3]
    assert "\x1b" not in "".join(lines)
    assert list(preview_text(None, "torch is not installed")) == [
        "label mask: not shown (torch is not installed)"
    ]
