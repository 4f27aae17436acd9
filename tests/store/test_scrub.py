"""A log that has ended holds no secret, keeps all else, and is private until it was looked at."""

from __future__ import annotations

from pathlib import Path

from tuilab.store.scrub import scrub

SECRET = "hf_" + "aB3dE6" * 5


def test_a_secret_is_blanked_out_and_the_rest_of_a_log_kept_byte_for_byte(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    long = b"12:00:00 step 1\n" * 9_000
    log.write_bytes(long + f"HF_TOKEN={SECRET} and more\n".encode() + b"\xff\r10%\r20%" + long)
    log.chmod(0o600)
    assert scrub(log)
    assert log.read_bytes() == long + b"HF_TOKEN=[redacted] and more\n\xff\r10%\r20%" + long
    assert log.stat().st_mode & 0o777 == tmp_path.stat().st_mode & 0o666
    before = log.stat()
    assert not scrub(log) and log.stat().st_ino == before.st_ino
    assert [path.name for path in tmp_path.iterdir()] == ["log.txt"]


def test_no_log_and_a_link_in_its_place_are_left_alone(tmp_path: Path) -> None:
    assert not scrub(tmp_path / "log.txt")
    (tmp_path / "mine").write_text(SECRET)
    (tmp_path / "log.txt").symlink_to("mine")
    try:
        scrub(tmp_path / "log.txt")
    except OSError:
        assert (tmp_path / "mine").read_text() == SECRET
    else:
        raise AssertionError("a link was followed")
