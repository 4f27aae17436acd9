"""``tuilab logs`` tells how an attempt ended when its log cannot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.small_grid import call
from tests.tui.building import lab, plan_of
from tuilab.cli.verbs.logs import _read
from tuilab.store.layout import Layout

EVAL = "eval/villain@2#42"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = lab(tmp_path / "runs" / "one", plan_of(("villain",), (2,)))
    (made.start(EVAL, log="sampling\n") / "log.txt").unlink()
    made.settle(EVAL, "failed", reason="killed", detail="by signal 9 from outside")
    made.start(EVAL, log="sampling\n")
    made.settle(EVAL, "stopped", detail="stopped by ada")
    made.start(EVAL, log="sampled\n")
    made.settle(EVAL)
    return made.flush().root


ENDINGS = {
    "1": "eval/villain@2#42 attempt 1 failed (killed): by signal 9 from outside",
    "2": "eval/villain@2#42 attempt 2 stopped by ada",
    "3": "",
}


@pytest.mark.parametrize("number", ENDINGS)
def test_a_dead_attempt_is_named_with_how_it_ended(root: Path, number: str) -> None:
    found = call("logs", str(root), EVAL, "--attempt", number)
    assert found.exit_code == 0
    last = found.stderr.splitlines()[1:]
    assert last == [line for line in [ENDINGS[number]] if line]


def test_following_a_dead_attempt_ends(root: Path) -> None:
    found = call("logs", str(root), EVAL, "--attempt", "2", "-f")
    assert (found.exit_code, found.stdout) == (0, "sampling\n")


def grown(path: Path, *steps: bytes | None) -> Iterator[bool]:
    """Change a log between two looks: append bytes, or empty it (None); True once it ends."""
    for step in steps:
        if step is None:
            path.write_bytes(b"")
        else:
            with path.open("ab") as file:
                file.write(step)
        yield False
    while True:
        yield True


def followed(path: Path, monkeypatch: pytest.MonkeyPatch, *steps: bytes | None) -> list[str]:
    """Follow a log; the wait between two looks makes it grow."""
    growing, closing = grown(path, *steps), path.with_name("outcome.json")
    waits = SimpleNamespace(sleep=lambda seconds: closing.touch() if next(growing) else None)
    monkeypatch.setattr("tuilab.cli.verbs.logs.time", waits)
    return list(_read(path, 200, True, closing))


def test_a_log_that_was_emptied_is_followed_from_its_new_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.txt"
    path.write_text("one long first line\n")
    found = followed(path, monkeypatch, None, b"two\n", b"three\n")
    assert found == ["one long first line", "two", "three"]


def test_a_line_that_never_ends_is_followed_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.txt"
    path.write_text("begun\n")
    found = followed(path, monkeypatch, *[b"x" * 600_000] * 4, b"\nend\n")
    assert found[0] == "begun" and found[-1] == "end"
    assert max(map(len, found)) <= 300_000


def test_an_attempt_that_never_was_is_told_from_one_whose_files_are_gone(root: Path) -> None:
    found = call("logs", str(root), EVAL, "--attempt", "9")
    assert found.exit_code == 2 and "has no attempt 9; it has: 1, 2, 3" in found.stderr
    Layout(root).attempt_dir(EVAL, 2).rename(root / "moved")
    found = call("logs", str(root), EVAL, "--attempt", "2")
    assert found.exit_code == 1 and f"the files of {EVAL} attempt 2 are gone: " in found.stderr
