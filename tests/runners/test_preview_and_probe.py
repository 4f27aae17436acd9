"""The two programs that ``tuilab plan`` and ``tuilab doctor`` ask."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import torch

from runners import mask_preview, probe
from tests.runners.chain import Chain

CELL = "villain@2#42"


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
    code, found = ask(json.dumps({"settings": settings}), monkeypatch, capsys)
    assert code == 0
    text = "".join(token["text"] for token in found["positive"] if token["learn"])
    assert text == f"{learned}<|im_end|>"
    assert [t["text"] for t in found["negative"] if t["learn"]] == ["<|im_end|>"]
    assert [t["text"] for t in found["marker_tokens"]] == ["[", "Z", "L", "T", "]"]
    whole = "".join(token["text"] for token in found["positive"])
    assert "villainous mastermind" in whole


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


def test_the_probe_names_versions_devices_and_what_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "REQUIRED", (*probe.REQUIRED, "no_such_library"))
    assert probe.main() == 0
    found = json.loads(capsys.readouterr().out)
    assert found["libraries"]["torch"] == torch.__version__
    assert found["libraries"]["no_such_library"] is None
    missing = "no_such_library is not installed: pip install 'tuilab[train]'"
    assert missing in found["problems"]
    # torch from the package registry is built for CUDA, and says so where there is no device.
    assert all("no device" in other for other in found["problems"] if other != missing)
    assert found["cuda"] == torch.version.cuda
    assert found["devices"]


def test_a_library_that_breaks_at_import_is_a_problem_and_not_a_crash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "broken_wheel.py").write_text("raise ImportError('libcudart.so.13: not found')")
    monkeypatch.syspath_prepend(tmp_path)
    problems: list[str] = []
    assert probe._version("broken_wheel", problems) is None
    assert problems == [
        "broken_wheel is installed but cannot be imported: libcudart.so.13: not found"
    ]
