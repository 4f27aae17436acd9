"""Safetensors are read without a library, and agree with one where it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuilab.store.tensors import TensorFileError, is_all_zero, is_finite, read_header

from .artefacts import write_tensors

BAD = [float("nan"), float("inf"), float("-inf")]
GOOD = [0.0, -0.0, 1.5, -3.0e4, 6.0e-5, 65504.0]


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16"])
def test_a_single_bad_value_anywhere_is_found(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": ((6,), GOOD)}, dtype)
    assert is_finite(path, read_header(path)["a"])
    for bad in BAD:
        for place in range(6):
            values = [*GOOD[:place], bad, *GOOD[place + 1 :]]
            write_tensors(path, {"pad": ((1,), [1.0]), "a": ((6,), values)}, dtype)
            assert not is_finite(path, read_header(path)["a"])
            assert is_finite(path, read_header(path)["pad"])


@pytest.mark.parametrize("value", [3.4e38, -3.3e38])
def test_the_largest_numbers_are_still_numbers(tmp_path: Path, value: float) -> None:
    path = write_tensors(tmp_path / "x.safetensors", {"a": ((2,), [value, 1.0])})
    assert is_finite(path, read_header(path)["a"])


def test_zeros_are_told_from_anything_else(tmp_path: Path) -> None:
    tensors = {"none": ((4,), [0.0] * 4), "some": ((4,), [0.0, 0.0, 0.0, 1e-30])}
    path = write_tensors(tmp_path / "x.safetensors", tensors)
    header = read_header(path)
    assert is_all_zero(path, header["none"])
    assert not is_all_zero(path, header["some"])


def test_a_file_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    path = write_tensors(tmp_path / "x.safetensors", {"a": ((2, 2), [1.0] * 4)})
    assert read_header(path)["a"].shape == (2, 2)
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with pytest.raises(TensorFileError):
            read_header(path)
    path.write_bytes(whole + b"\x00")
    with pytest.raises(TensorFileError, match="bytes long"):
        read_header(path)


def test_the_header_agrees_with_the_library(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    library = pytest.importorskip("safetensors.numpy")
    arrays = {
        "half": numpy.arange(6, dtype=numpy.float16).reshape(2, 3),
        "empty": numpy.zeros((0, 3), dtype=numpy.float32),
        "whole": numpy.arange(4, dtype=numpy.int64),
    }
    path = tmp_path / "x.safetensors"
    library.save_file(arrays, path)
    found = read_header(path)
    assert {name: tensor.shape for name, tensor in found.items()} == {
        name: array.shape for name, array in arrays.items()
    }
    assert all(is_finite(path, tensor) for tensor in found.values())
