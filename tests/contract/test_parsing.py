"""What comes through the border is a plain file, bounded, finite and of its types."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tuilab.contract.parsing import loads, open_plain, read, read_bytes, typed
from tuilab.contract.reasons import Reason


@dataclass(frozen=True)
class Inner:
    size: int


@dataclass(frozen=True)
class Outer:
    name: str
    seconds: float = 0.0
    reason: Reason | None = None
    parts: tuple[Inner, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    rest: Mapping[str, Any] = field(default_factory=dict)


def test_a_value_is_read_by_its_annotations() -> None:
    raw = {"name": "x", "seconds": 3, "reason": "code", "parts": [{"size": 1}], "carbon": 7}
    assert typed(raw, Outer) == Outer("x", 3.0, Reason.CODE, (Inner(1),))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ([], "is [], not an object"),
        ({}, "lacks name"),
        ({"name": 3}, "name is 3, not text"),
        ({"name": "x", "seconds": "fast"}, 'seconds is "fast", not a number'),
        ({"name": "x", "seconds": True}, "seconds is true, not a number"),
        ({"name": "x", "seconds": float("nan")}, "seconds is NaN, not a number"),
        ({"name": "x", "reason": "odd"}, 'reason is "odd", not gpu-oom or'),
        ({"name": "x", "parts": {}}, "parts is {}, not a list"),
        ({"name": "x", "parts": [{"size": 1.5}]}, r"parts[0].size is 1.5, not a whole number"),
        ({"name": "x", "counts": {"a": None}}, "counts.a is null, not a whole number"),
        ({"name": "x", "rest": [1]}, "rest is [1], not an object"),
    ],
)
def test_the_first_field_of_another_type_is_named(raw: Any, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        typed(raw, Outer)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[NaN]", "[-Infinity]", "[1e999]", "[" + "9" * 30 + "]", "[" * 200 + "]" * 200],
)
def test_what_no_file_of_ours_holds_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        loads(text)


def test_brackets_in_texts_are_no_depth_and_configs_of_models_may_be_infinite() -> None:
    assert loads('["' + "[" * 200 + '"]') == ["[" * 200]
    assert loads('{"time_step_limit": [0.0, Infinity]}', finite=False)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize("put", [pipe, endless, loop, Path.mkdir])
def test_what_is_no_plain_file_is_refused_and_never_waited_for(
    tmp_path: Path, put: Callable[[Path], None]
) -> None:
    put(tmp_path / "x")
    with pytest.raises(OSError):
        read(tmp_path / "x", dict)


def test_a_link_is_refused_where_others_may_have_put_it(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("{}")
    (tmp_path / "link").symlink_to("real")
    assert read(tmp_path / "link", dict) == {}
    with pytest.raises(OSError):
        open_plain(tmp_path / "link", follow=False)


def test_a_file_beyond_its_bound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b" " * 101)
    with pytest.raises(ValueError, match="larger than 100 bytes"):
        read_bytes(tmp_path / "x", most=100)
