"""Reads safetensors files without any library: header, shapes, and whether values are sane."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuilab.contract.parsing import loads, open_plain

_SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1}
_EXPONENT = {
    # dtype: (bytes per value, high bytes whose exponent is all ones, mask and value of the next)
    "F32": (4, (0x7F, 0xFF), 0x80, 0x80),
    "BF16": (2, (0x7F, 0xFF), 0x80, 0x80),
    "F16": (2, (0x7C, 0x7D, 0x7E, 0x7F, 0xFC, 0xFD, 0xFE, 0xFF), 0x00, 0x00),
    "F64": (8, (0x7F, 0xFF), 0xF0, 0xF0),
}
_HEADER_LIMIT = 100 * 1024 * 1024
_CHUNK = 8 * 1024 * 1024


class TensorFileError(ValueError):
    """A file that is no whole safetensors file; the text says why."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor as the header announces it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    """Byte offset in the file."""
    end: int


def read_header(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name; TensorFileError when it is cut or inconsistent."""
    try:
        with open_plain(path) as file:
            total = file.seek(0, 2)
            file.seek(0)
            length = int.from_bytes(file.read(8), "little")
            if total < 8 or length > min(_HEADER_LIMIT, total - 8):
                raise TensorFileError(f"{path.name} is cut: its header is not whole")
            raw = loads(file.read(length))
    except ValueError as error:
        if isinstance(error, TensorFileError):
            raise
        raise TensorFileError(f"{path.name}: the header is not JSON") from error
    except OSError as error:
        raise TensorFileError(f"{path.name} cannot be read: {error.strerror}") from error
    if not isinstance(raw, dict):
        raise TensorFileError(f"{path.name}: the header is not an object")
    raw.pop("__metadata__", None)
    found = {name: _tensor(path, name, entry, 8 + length) for name, entry in raw.items()}
    if max((tensor.end for tensor in found.values()), default=8 + length) != total:
        raise TensorFileError(f"{path.name} is {total} bytes long, its header says otherwise")
    return found


def is_all_zero(path: Path, tensor: Tensor) -> bool:
    """True when every byte of the tensor is 0 (negative zeros count as something)."""
    return not any(any(chunk) for chunk in _chunks(path, tensor))


def is_finite(path: Path, tensor: Tensor) -> bool:
    """True when no value is NaN or infinite; integer tensors always are."""
    if tensor.dtype not in _EXPONENT:
        return True
    width, high_bytes, mask, wanted = _EXPONENT[tensor.dtype]
    for chunk in _chunks(path, tensor):
        high, after = chunk[width - 1 :: width], chunk[width - 2 :: width]
        if not any(byte in high for byte in high_bytes):
            continue  # the usual case, decided by a memory scan
        if any(
            byte in high_bytes and following & mask == wanted
            for byte, following in zip(high, after, strict=True)
        ):
            return False
    return True


def _chunks(path: Path, tensor: Tensor) -> Iterator[bytes]:
    """Yield the tensor's bytes in pieces whose length is a multiple of 8, the last one apart."""
    with open_plain(path) as file:
        file.seek(tensor.start)
        left = tensor.end - tensor.start
        while left > 0:
            chunk = file.read(min(left, _CHUNK))
            if not chunk:
                raise TensorFileError(f"{path.name} ends inside {tensor.name}")
            left -= len(chunk)
            yield chunk


def _tensor(path: Path, name: str, entry: Any, data_start: int) -> Tensor:
    try:
        start, end = entry["data_offsets"]
        shape = tuple(int(size) for size in entry["shape"])
        dtype = str(entry["dtype"])
        consistent = end - start == math.prod(shape) * _SIZES.get(dtype, 0) or dtype not in _SIZES
    except (TypeError, KeyError, ValueError) as error:
        raise TensorFileError(f"{path.name}: {name} has a broken entry") from error
    if start < 0 or end < start or not consistent:
        raise TensorFileError(f"{path.name}: {name} has another size than its shape says")
    return Tensor(name, dtype, shape, data_start + start, data_start + end)
