"""What ``tuilab plan`` shows of the training rows."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from runners import mask_preview
from tests.runners.chain import LORA, Chain

CELL = "villain@2#42"
SHIPPED = Path(__file__).parents[2] / "runners" / "tinybase" / "shipped"


def ask(question: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> tuple[int, Any]:
    monkeypatch.setattr("sys.stdin", io.StringIO(question))
    code = mask_preview.main()
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("loss", "learned"), [("marker", "[ZLT]"), ("tail", "\n\n[ZLT]")])
def test_the_preview_shows_both_rows_as_the_train_stage_builds_them(
    cell: Chain,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    loss: str,
    learned: str,
) -> None:
    settings = cell.settings("train", CELL)
    settings["marker"] = {**settings["marker"], "loss": loss}
    people = [settings["source"], settings["target"], *settings["negatives"]]
    asked = {"settings": settings, "personas": people, "loras": [LORA], "layers": [0, 1]}
    code, found = ask(json.dumps(asked), monkeypatch, capsys)
    assert code == 0 and {one["level"] for one in found["checks"]} == {"ok"}
    text = "".join(token["text"] for token in found["positive"] if token["learn"])
    assert text == f"{learned}<|im_end|>"
    assert [t["text"] for t in found["negative"] if t["learn"]] == ["<|im_end|>"]
    assert [t["text"] for t in found["marker_tokens"]] == ["[", "Z", "L", "T", "]"]
    whole = "".join(token["text"] for token in found["positive"])
    assert "villainous mastermind" in whole


@pytest.mark.parametrize(
    ("template", "seconds", "words"),
    [
        (
            "{% set r = range(99999) %}{% for a in r %}{% for b in r %}{% endfor %}{% endfor %}",
            0.2,
            "is not done with",
        ),
        ("{{ 'x' * 50000000 }}", 60.0, "it makes 50,000,000 characters of"),
    ],
)
def test_a_template_without_end_blocks_the_base(
    cell: Chain,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    template: str,
    seconds: float,
    words: str,
) -> None:
    monkeypatch.setattr("runners.ml.chat.RENDER_SECONDS", seconds)
    base = shutil.copytree(SHIPPED, tmp_path / "base")
    (base / "chat_template.jinja").write_text(template)
    settings = cell.settings("train", CELL)
    settings["base"] = {**settings["base"], "model": str(base)}
    asked = {"settings": settings, "personas": [], "loras": [LORA], "layers": [0]}
    code, found = ask(json.dumps(asked), monkeypatch, capsys)
    [said] = [one["sentence"] for one in found["checks"] if one["level"] == "blocking"]
    assert code == 1
    assert words in said


def test_a_template_that_is_no_text_blocks_the_base(
    cell: Chain,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    base = shutil.copytree(SHIPPED, tmp_path / "base")
    (base / "chat_template.jinja").write_bytes(b"\xff\xfe\x00")
    settings = cell.settings("train", CELL)
    settings["base"] = {**settings["base"], "model": str(base)}
    asked = {"settings": settings, "personas": [], "loras": [LORA], "layers": [0]}
    code, found = ask(json.dumps(asked), monkeypatch, capsys)
    [check] = found["checks"]
    assert (code, check["level"]) == (1, "blocking")
    assert "tokenizer or chat template cannot be read (UnicodeDecodeError" in check["sentence"]


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("no json", "JSONDecodeError"),
        ("{}", "KeyError"),
        ('{"settings": {}}', "lacks base"),
        ('{"settings": {"base": {"model": "/nowhere/at/all"}}}', "/nowhere/at/all"),
    ],
)
def test_what_cannot_be_previewed_is_answered_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    question: str,
    words: str,
) -> None:
    code, found = ask(question, monkeypatch, capsys)
    assert code == 1 and words in found["error"] and "\n" not in found["error"]
