"""A bundle is whole, reproducible, and tells when it has been changed."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.report.ran_here import whole
from tests.store.scene import Scene
from tuilab.contract.report import Artefact, hash_output
from tuilab.report.bundle import BundleError, make_bundle, verify_bundle, write_bundle
from tuilab.report.folder import WrittenReport
from tuilab.study.study import open_study


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


def packed(path: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for entry, data in entries:
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def link(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry, b""


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (link("x", tarfile.SYMTYPE, "/etc/passwd"), "x: is a link to /etc/passwd"),
        (link("x", tarfile.LNKTYPE, "config.toml"), "x: is a link to config.toml"),
        (link("x", tarfile.FIFOTYPE), "x: is a device or a pipe"),
        (link("x", tarfile.CHRTYPE), "x: is a device or a pipe"),
        (link("../x", tarfile.REGTYPE), "../x: lies outside the bundle"),
        (link("/tmp/x", tarfile.REGTYPE), "/tmp/x: lies outside the bundle"),
        (link("x", tarfile.DIRTYPE), "x: is not a regular file"),
    ],
)
def test_a_member_that_no_bundle_of_ours_holds_is_named(
    tmp_path: Path, entry: tuple[tarfile.TarInfo, bytes], problem: str
) -> None:
    sums = (tarfile.TarInfo("SHA256SUMS"), b"")
    assert problem in verify_bundle(packed(tmp_path / "b.tar.gz", entry, sums))


def test_a_member_that_occurs_twice_is_named(tmp_path: Path) -> None:
    one, again = (tarfile.TarInfo("x"), b"1"), (tarfile.TarInfo("x"), b"2")
    sums = (tarfile.TarInfo("SHA256SUMS"), f"{'0' * 64}  x\n".encode())
    found = verify_bundle(packed(tmp_path / "b.tar.gz", one, again, sums))
    assert "x: occurs twice" in found


def test_an_empty_bundle_is_not_whole(tmp_path: Path) -> None:
    path = packed(tmp_path / "b.tar.gz", (tarfile.TarInfo("SHA256SUMS"), b""))
    assert verify_bundle(path) == ["SHA256SUMS lists no file: the bundle is empty"]


def test_the_makers_digest_tells_another_archive(tmp_path: Path) -> None:
    path = tmp_path / "b.tar.gz"
    digest = write_bundle(path, {"x": b"1"})
    assert verify_bundle(path, digest.upper()) == []
    write_bundle(path, {"x": b"2"})
    assert verify_bundle(path) == []
    [problem] = verify_bundle(path, digest)
    assert "it is another archive" in problem


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_what_an_archive_claims_costs_no_memory(tmp_path: Path, kind: bytes) -> None:
    entry = tarfile.TarInfo("x")
    entry.type, entry.size = kind, 2**40
    path = tmp_path / "b.tar.gz"
    path.write_bytes(gzip.compress(entry.tobuf(tarfile.GNU_FORMAT) + bytes(1024), mtime=0))
    with pytest.raises(BundleError, match=r"claims 1(\.1)? ?T"):
        verify_bundle(path)


EVAL = "eval/villain@2#42"


def bundled(root: Path) -> tarfile.TarFile:
    """Bundle an experiment with a report of one line."""
    report = root.parent / "report" / "report.md"
    report.parent.mkdir(exist_ok=True)
    report.write_text("a report\n")
    out = root.parent / "bundle.tar.gz"
    make_bundle(open_study(root), WrittenReport(report, (report,), (), ()), out)
    return tarfile.open(out)


def forge(scene: Scene, **changes: object) -> None:
    """Let the outcome of an eval list its completions otherwise; its output hash follows."""
    path = scene.directory(EVAL) / "outcome.json"
    told = json.loads(path.read_text())
    told["artefacts"] = [told["artefacts"][0] | changes]
    listed = [Artefact(**one) for one in told["artefacts"]]
    path.write_text(json.dumps(told | {"output_hash": hash_output(listed)}))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../../../../../outside.txt", "lies outside its attempt"),
        ("/etc/passwd", "lies outside its attempt"),
        ("link.txt", "leads outside the experiment"),
        ("linked/outside.txt", "leads outside the experiment"),
        ("log.txt", "is not what its outcome recorded"),
        ("none.txt", "is missing"),
    ],
)
def test_a_bundle_holds_nothing_from_outside_and_nothing_unlike_its_record(
    tmp_path: Path, name: str, words: str
) -> None:
    scene = whole(tmp_path / "x")
    (tmp_path / "outside.txt").write_text("mine alone")
    attempt = scene.directory(EVAL)
    (attempt / "link.txt").symlink_to(tmp_path / "outside.txt")
    (attempt / "linked").symlink_to(tmp_path)
    (attempt / "log.txt").write_text("another text")
    forge(scene, path=name)
    with pytest.raises(BundleError, match=words) as caught:
        bundled(scene.root)
    assert name in str(caught.value) and EVAL in str(caught.value)
    assert not (tmp_path / "bundle.tar.gz").exists()


@pytest.mark.parametrize("name", ["experiment.toml", "code"])
def test_a_file_of_the_experiment_that_is_a_link_is_refused(tmp_path: Path, name: str) -> None:
    scene = whole(tmp_path / "x")
    (scene.root / name).unlink(missing_ok=True)
    (scene.root / name).symlink_to("/etc")
    with pytest.raises(BundleError, match=f"{name}: is a link"):
        bundled(scene.root)
