"""A bundle is whole, reproducible, and tells when it has been changed."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from tuilab.report.bundle import BundleError, verify_bundle, write_bundle


def a_bundle(tmp_path: Path) -> Path:
    (tmp_path / "leakage.json").write_text('{"assistant": {"hits": 3, "n": 50}}')
    out = tmp_path / "bundle.tar.gz"
    write_bundle(out, {"cells/leakage.json": tmp_path / "leakage.json", "config.toml": b"a = 1\n"})
    return out


def repack(path: Path, change: dict[str, bytes | None]) -> None:
    """Rewrite the archive with some members replaced (bytes), added, or dropped (None)."""
    with tarfile.open(path) as archive:
        members = {e.name: archive.extractfile(e).read() for e in archive}  # type: ignore[union-attr]
    members.update({name: data for name, data in change.items() if data is not None})
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            if change.get(name, b"") is not None:
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))


def test_a_fresh_bundle_has_no_problems(tmp_path: Path) -> None:
    assert verify_bundle(a_bundle(tmp_path)) == []


def test_equal_content_gives_an_equal_archive(tmp_path: Path) -> None:
    first = write_bundle(tmp_path / "a.tar.gz", {"x": b"1", "y": b"2"})
    assert first == write_bundle(tmp_path / "b.tar.gz", {"y": b"2", "x": b"1"})
    assert first != write_bundle(tmp_path / "c.tar.gz", {"y": b"2", "x": b"3"})


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"config.toml": b"a = 2\n"}, "config.toml: has changed since the bundle was made"),
        ({"config.toml": None}, "config.toml: is listed but missing"),
        ({"extra.txt": b"?"}, "extra.txt: is not listed"),
    ],
)
def test_a_change_is_named(tmp_path: Path, change: dict[str, bytes | None], problem: str) -> None:
    bundle = a_bundle(tmp_path)
    repack(bundle, change)
    assert verify_bundle(bundle) == [problem]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not an archive",
        gzip.compress(b"not a tar", mtime=0),
        gzip.compress(b"", mtime=0)[:-3],
    ],
    ids=["empty", "text", "gzip of text", "cut gzip"],
)
def test_what_is_no_bundle_is_said_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.tar.gz"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"odd\.tar\.gz"):
        verify_bundle(path)


def test_a_missing_bundle_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such file"):
        verify_bundle(tmp_path / "none.tar.gz")


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", ""])
def test_a_name_that_leaves_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a name inside a bundle"):
        write_bundle(tmp_path / "b.tar.gz", {name: b""})
