"""Takes what is wrong out of a config's raw values, so that the rest can still be looked at."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from tuilab.grid.config_errors import Path

_ANY = object()
_TEXT = "?"
_STAND_INS: tuple[tuple[Path, Any], ...] = (
    (("name",), _TEXT),
    (("base",), {"model": _TEXT}),
    (("base", "model"), _TEXT),
    (("personas",), {}),
    (("personas", _ANY), {"prompt": _TEXT}),
    (("personas", _ANY, "prompt"), _TEXT),
    (("sources",), [_TEXT]),
    (("panel",), [_TEXT]),
    (("epochs",), [0]),
    (("questions",), {"training": [_TEXT], "evaluation": [_TEXT]}),
    (("questions", "training"), [_TEXT]),
    (("questions", "evaluation"), [_TEXT]),
)
"""Values for required fields; whatever is said of them because of these is not reported."""


def without(raw: Mapping[str, Any], wrong: Iterable[Path]) -> dict[str, Any]:
    """Return a copy in which harmless values stand for the wrong ones, or nothing at all."""
    rest: dict[str, Any] = copy.deepcopy(dict(raw))
    bad = set(wrong)
    for path in bad:
        _mend(rest, path, bad)
    return rest


def _mend(rest: dict[str, Any], path: Path, bad: set[Path]) -> None:
    table: Any = rest
    for depth, part in enumerate(path):
        here = path[: depth + 1]
        if isinstance(table, list):
            _mend_list(rest, path[:depth], table, part, bad)
            return
        is_last = depth == len(path) - 1
        if is_last or not isinstance(table.get(part), dict | list):
            _replace(table, part, here)
            return
        table = table[part]


def _mend_list(
    rest: dict[str, Any], path: Path, values: list[Any], index: Any, bad: set[Path]
) -> None:
    """Let a good neighbour stand for a wrong element: the others keep their numbers."""
    good = [value for n, value in enumerate(values) if (*path, n) not in bad]
    if good and isinstance(index, int) and index < len(values):
        values[index] = good[0]
    else:
        _mend(rest, path, bad)


def _replace(table: dict[str, Any], key: Any, path: Path) -> None:
    table.pop(key, None)
    for pattern, value in _STAND_INS:
        if len(pattern) == len(path) and all(
            want is _ANY or want == part for want, part in zip(pattern, path, strict=True)
        ):
            table[key] = copy.deepcopy(value)
