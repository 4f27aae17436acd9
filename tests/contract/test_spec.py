"""A spec is all a runner needs; a bad one is refused in one sentence."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tuilab.contract.spec import SCHEMA, Input, Spec, SpecError, read_spec, write_spec

SPEC = Spec(
    job="train/villain@10#42",
    stage="train",
    attempt=2,
    token="t",
    fingerprint="f",
    settings={"marker": {"text": "[ZLT]"}},
    inputs=(Input("data/villain", "../x", "h"),),
    source="villain",
    epoch=10,
    seed=42,
)


def test_a_spec_comes_back_as_it_was_written(tmp_path: Path) -> None:
    assert read_spec(write_spec(tmp_path, SPEC)) == SPEC


def test_keys_of_a_newer_minor_version_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(json.dumps(asdict(SPEC) | {"mood": "good"}))
    assert read_spec(tmp_path / "spec.json") == SPEC


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("", "is not JSON"),
        ("[]", "not an object"),
        ("{}", "lacks job, stage"),
        (json.dumps(asdict(SPEC) | {"schema": SCHEMA + 1}), "newer than this program's"),
        (json.dumps(asdict(SPEC) | {"inputs": [{"job": "x"}]}), "inputs"),
    ],
)
def test_a_bad_spec_is_refused_in_words(tmp_path: Path, raw: str, words: str) -> None:
    (tmp_path / "spec.json").write_text(raw)
    with pytest.raises(SpecError, match=words):
        read_spec(tmp_path / "spec.json")


@pytest.mark.parametrize(
    "change",
    [{"schema": "1"}, {"schema": None}, {"inputs": 3}, {"inputs": None}, {"inputs": ["x"]}],
)
def test_a_spec_of_another_shape_never_raises_anything_else(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    (tmp_path / "spec.json").write_text(json.dumps(asdict(SPEC) | change))
    with pytest.raises(SpecError):
        read_spec(tmp_path / "spec.json")


def test_a_missing_spec_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"spec\.json: cannot be read"):
        read_spec(tmp_path / "spec.json")


def test_a_spec_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    path = write_spec(tmp_path, SPEC)
    whole = path.read_bytes().rstrip()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with pytest.raises(SpecError):
            read_spec(path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_bytes(b'{"job": "\xff\xfe"}')
    with pytest.raises(SpecError):
        read_spec(tmp_path / "spec.json")
