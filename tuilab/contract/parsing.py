"""The one border for files: what is read back is a plain file, bounded, finite and of its types.

A crash, a full disk or a stranger may have left anything. What is missing is FileNotFoundError,
what cannot be opened OSError, and whatever else is wrong is a ValueError that says what.
"""

from __future__ import annotations

import errno
import json
import math
import os
import stat
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

MOST_BYTES = 64 * 1024 * 1024
"""Largest file of ours that is read whole, but for plans and snapshots."""
MOST_DEPTH = 40
"""Deepest nesting; ours are below 10, and what copies a value recurses several frames a level."""
MOST_DIGITS = 20
"""Longest integer: 64 bits with a sign."""

T = TypeVar("T")
_Reader = Callable[[Any, str], Any]
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_plain(path: Path, follow: bool = True) -> BufferedReader:
    """Open a plain file for reading; OSError for a pipe, device, folder or link loop.

    Never waits for a writer. ``follow=False`` refuses a link as the last part of the path, for
    folders in which others may put one.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    handle = os.open(path, flags)
    kind = stat.S_IFMT(os.fstat(handle).st_mode)
    if kind != stat.S_IFREG:
        os.close(handle)
        number = errno.EISDIR if kind == stat.S_IFDIR else errno.EINVAL
        raise OSError(number, f"is {_KINDS.get(kind, 'no plain file')}, not a file", str(path))
    return open(handle, "rb")  # noqa: PTH123  # a handle, not a path


def read_bytes(path: Path, most: int = MOST_BYTES, follow: bool = True) -> bytes:
    """Return the bytes of a plain file; ValueError for more than ``most``."""
    with open_plain(path, follow) as file:
        # Not all of ``most`` at once: as much room would be asked for, which a limit may refuse.
        content = file.read(min(most, os.fstat(file.fileno()).st_size) + 1)
        content += file.read(most + 1 - len(content)) if len(content) <= most else b""
    if len(content) > most:
        raise ValueError(f"is larger than {most} bytes")
    return content


def read(path: Path, kind: type[T], most: int = MOST_BYTES, follow: bool = True) -> T:
    """Return the JSON of a file as a value of ``kind`` (see ``typed``)."""
    return typed(loads(read_bytes(path, most, follow)), kind)


def read_if_sound(path: Path, kind: type[T]) -> T | None:
    """Like ``read``; None when the file is missing or anything is wrong with it."""
    try:
        return read(path, kind)
    except (OSError, ValueError):
        return None


def loads(text: str | bytes, finite: bool = True) -> Any:
    """Return the value of a JSON text; ValueError also for what no file of ours holds.

    That is nesting beyond ``MOST_DEPTH``, integers beyond 64 bits, and NaN or infinity, unless
    ``finite`` is False (configs of models have them).
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogatepass")
    try:
        value = (_FINITE if finite else _ANY).decode(text)
    except RecursionError as error:
        raise ValueError("is nested too deeply to be one of our files") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error}") from error
    if _may_be_deep(text) and _depth(value) > MOST_DEPTH:
        raise ValueError("is nested too deeply to be one of our files")
    return value


def typed(raw: Any, kind: type[T], where: str = "") -> T:
    """Return ``raw`` as a value of ``kind``: a dataclass by its annotations, or a plain type.

    ValueError names the first field that is not of its type or is lacking; a field that ``kind``
    does not know is passed over, so that a newer program's file stays readable.
    """
    return cast(T, _reader(cast(Any, kind))(raw, where))


def check(raw: Any, kind: type[Any]) -> None:
    """Raise what ``typed`` would, and make no value: of many lines that is most of the work."""
    if not is_dataclass(kind):
        typed(raw, kind)
        return
    readers, needed = _fields_of(cast(Any, kind))
    _refuse_lacking(raw, needed, "")
    for name, value in raw.items():
        if (reader := readers.get(name)) is not None:
            reader(value, name)


def _integer(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"has the integer {text[:30]}..., beyond 64 bits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"has the number {text[:30]}, which is not finite")
    return number


_FINITE = json.JSONDecoder(parse_int=_integer, parse_float=_finite, parse_constant=_finite)
_ANY = json.JSONDecoder(parse_int=_integer)


_SOME = 1 << 20
"""Characters of a large text that are copied at once."""


def _may_be_deep(text: str) -> bool:
    """Whether brackets are nested deeply; also said of some texts with brackets in strings."""
    if text.count("[") + text.count("{") <= MOST_DEPTH:
        return False
    some = (text[first : first + _SOME] for first in range(0, len(text), _SOME))
    left = b"".join(one.encode("utf-8", "ignore").translate(_SQUARE, _OTHERS) for one in some)
    for _ in range(MOST_DEPTH):
        before, left = len(left), left.replace(b"[]", b"")
        if len(left) == before:
            break
    return bool(left)


_OTHERS = bytes(code for code in range(256) if chr(code) not in "[]{}")
_SQUARE = bytes.maketrans(b"{}", b"[]")


def _depth(value: Any) -> int:
    """Depth of nesting, counted no further than one beyond what is allowed."""
    level, depth = [value], 0
    while level and depth <= MOST_DEPTH:
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner.extend(one.values())
            elif isinstance(one, list):
                inner.extend(one)
        level, depth = [one for one in inner if isinstance(one, dict | list)], depth + 1
    return depth


@cache
def _reader(kind: Any) -> _Reader:
    """Return what turns a JSON value into one of ``kind``, or raises ValueError."""
    origin, inside = get_origin(kind), get_args(kind)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if origin in (Union, types.UnionType):
        return _either([_reader(one) for one in inside])
    if origin in (tuple, list):
        return _several(origin, _reader(inside[0]))
    if origin is not None and issubclass(origin, Mapping):
        return _by_name(inside[0], _reader(inside[1]))
    if is_dataclass(kind):
        return _record(cast(type[Any], kind))
    return _word(kind)


def _scalar(words: str, *kinds: type) -> _Reader:
    def read_scalar(raw: Any, where: str) -> Any:
        if type(raw) not in kinds:
            raise _wrong(raw, where, words)
        return raw

    return read_scalar


def _number(raw: Any, where: str) -> float:
    if type(raw) not in (int, float) or not math.isfinite(raw):
        raise _wrong(raw, where, "a number")
    return float(raw)


_PLAIN: dict[Any, _Reader] = {
    Any: lambda raw, where: raw,
    str: _scalar("text", str),
    int: _scalar("a whole number", int),
    bool: _scalar("true or false", bool),
    type(None): _scalar("null", type(None)),
    float: _number,
    dict: _scalar("an object", dict),
    list: _scalar("a list", list),
}


def _either(readers: list[_Reader]) -> _Reader:
    def read_either(raw: Any, where: str) -> Any:
        problem = ValueError(where)
        for one in readers:
            try:
                return one(raw, where)
            except ValueError as error:
                problem = problem if one is _PLAIN[type(None)] else error
        raise problem

    return read_either


def _several(kind: type, reader: _Reader) -> _Reader:
    def read_several(raw: Any, where: str) -> Any:
        if type(raw) not in (list, tuple):
            raise _wrong(raw, where, "a list")
        return kind(reader(one, f"{where}[{place}]") for place, one in enumerate(raw))

    return read_several


def _by_name(name: Any, reader: _Reader) -> _Reader:
    def read_by_name(raw: Any, where: str) -> Any:
        if type(raw) is not dict:
            raise _wrong(raw, where, "an object")
        if reader is _PLAIN[Any] and name is str:
            return raw
        return {name(key): reader(one, f"{where}.{key}"[:80]) for key, one in raw.items()}

    return read_by_name


def _record(kind: type[Any]) -> _Reader:
    readers, needed = _fields_of(cast(Any, kind))

    def read_record(raw: Any, where: str) -> Any:
        if isinstance(raw, kind):
            return raw
        _refuse_lacking(raw, needed, where)
        before = f"{where}." if where else ""
        return kind(
            **{name: one(raw[name], before + name) for name, one in readers.items() if name in raw}
        )

    return read_record


@cache
def _fields_of(kind: Any) -> tuple[dict[str, _Reader], list[str]]:
    """Return what reads each field of a dataclass, and the fields that must be there."""
    hints, known = get_type_hints(kind), [one for one in fields(kind) if one.init]
    readers = {one.name: _reader(hints[one.name]) for one in known}
    needed = [
        one.name for one in known if one.default is MISSING and one.default_factory is MISSING
    ]
    return readers, needed


def _refuse_lacking(raw: Any, needed: list[str], where: str) -> None:
    if type(raw) is not dict:
        raise _wrong(raw, where, "an object")
    if missing := [name for name in needed if name not in raw]:
        raise ValueError(f"{where + ': ' if where else ''}lacks {', '.join(missing)}")


def _word(kind: Any) -> _Reader:
    def read_word(raw: Any, where: str) -> Any:
        try:
            return kind(_PLAIN[str](raw, where))
        except ValueError:
            raise _wrong(raw, where, _named(kind)) from None

    return read_word


def _named(kind: Any) -> str:
    return " or ".join(one.value for one in kind) if issubclass(kind, Enum) else "text"


def _wrong(raw: Any, where: str, wanted: str) -> ValueError:
    found = json.dumps(raw, default=str)
    found = found if len(found) <= 40 else f"{found[:39]}…"
    return ValueError(f"{where + ' ' if where else ''}is {found}, not {wanted}")
