"""The label-mask preview shows which tokens are trained on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.test_hub import COMMIT, MODEL, cached
from tuilab.cli.base_checks import has_tokenizer
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


def test_a_long_answer_shows_its_beginning_and_its_end() -> None:
    row = [{"text": f"t{place}", "learn": True} for place in range(500)]
    lines = list(preview_text({"positive": row}, ""))
    assert "500 of 500 tokens learned" in lines[1] and len(lines) < 12
    shown = " ".join(lines)
    assert "【t29】 … 440 more … 【t470】" in " ".join(shown.split()) and "【t499】" in shown


def test_a_tokenizer_is_looked_for_in_the_cache_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    assert has_tokenizer("tiny", None)
    assert not has_tokenizer(MODEL, COMMIT)
    cached(tmp_path, "tokenizer.json")
    assert has_tokenizer(MODEL, COMMIT)
    assert has_tokenizer(MODEL, None)
    assert not has_tokenizer(MODEL, "def")
