"""``tuilab logs`` tells how an attempt ended when its log cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.small_grid import call
from tests.tui.building import lab, plan_of

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
